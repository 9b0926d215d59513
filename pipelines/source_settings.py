"""The sources of a config: one frozen class a kind, each key documented where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from connectors.cell_formats import check_format
from connectors.table_columns import TableColumns
from models.durations import parse_duration
from models.journey import EVENT_FIELDS

KINDS = ("ga4", "mixpanel", "hotjar", "table")


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is no time zone; use a name such as Europe/Madrid or UTC") from error
    return name


Zone = Annotated[str, AfterValidator(_zone)]
Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


def _url(text: str) -> str:
    # not shown: it may hold a password or a key, and an error ends up in logs
    if any(sign in text for sign in "@?#"):
        raise ValueError(
            "an address takes neither a user, a query nor a fragment; it is such as https://host or "
            "http://127.0.0.1:8080, and secrets come from the environment"
        )
    if not _is_address(text):
        raise ValueError(f"{text!r} is no address, such as https://host or http://127.0.0.1:8080")
    return text.rstrip("/")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - reading it finds out whether it is a number
    except ValueError:
        return False
    return parts.scheme in ("http", "https", "grpc") and bool(parts.hostname)


def _property_id(value: object) -> str:
    text = str(value).strip().removeprefix("properties/")
    if text.isdigit():
        return text
    hint = "the measurement id of a web stream" if text.upper().startswith("G-") else "no property id"
    raise ValueError(
        f"{text!r} is {hint}; use the number under Admin > Property settings, for example 123456789"
    )


Url = Annotated[str, AfterValidator(_url)]


class Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SourceSettings(Frozen):
    timezone: Zone | None = None
    sets_horizon: bool = True

    def vendor_account(self) -> str | None:
        """The account whose quota a pull of this source uses up; None where it calls nobody."""
        return None


class LiveSource(SourceSettings):
    """A source that may call its vendor.

    ``credentials`` names the secrets (``NAME_...``), ``api_url`` takes the place of the vendor's own
    address, ``look_back`` is how long the vendor may still change a day that is over, ``history`` how far
    back the first pull reaches.
    """

    credentials: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None
    api_url: Url | None = None
    look_back: Duration = timedelta(days=3)
    history: Duration | None = None


class Ga4Source(LiveSource):
    """GA4 events from files or from the BigQuery export, and the Data API's counts beside them.

    ``billing_project`` pays for what is read, where that is not the ``project`` of the data. A pull that
    would scan more than ``max_gigabytes`` (10^9 bytes) is refused. ``history`` defaults to all tables.
    """

    kind: Literal["ga4"] = "ga4"
    files: str | None = None
    project: str | None = None
    dataset: str | None = None
    billing_project: str | None = None
    max_gigabytes: float = Field(default=100.0, gt=0)
    storage_api_url: Url | None = None
    property_id: Annotated[str, BeforeValidator(_property_id)] | None = None
    data_api_url: Url | None = None
    funnels: bool = True

    def vendor_account(self) -> str | None:
        return f"ga4-{self.property_id or self.dataset}" if self.property_id or self.project else None

    @model_validator(mode="after")
    def _has_one_way_in(self) -> Ga4Source:
        if (self.project is None) != (self.dataset is None):
            raise ValueError('project and dataset go together, for example dataset = "analytics_123456"')
        _one_way_in(self.files, self.project, "files, or project and dataset")
        return self


class MixpanelSource(LiveSource):
    """Mixpanel events from files or from the raw Export API.

    ``timezone`` is the zone in which `time` is written: UTC in projects made from 2023 on, else the
    project's. ``project_timezone`` is the zone of the project's days (by default the same).
    """

    kind: Literal["mixpanel"] = "mixpanel"
    files: str | None = None
    project_id: int | None = None
    region: Literal["us", "eu", "in"] = "us"
    project_timezone: Zone | None = None
    requests_per_hour: int = Field(default=60, ge=1)
    look_back: Duration = timedelta(days=5)
    # what one hour's quota of 60 requests gets, with some left for the doctor
    history: Duration | None = timedelta(days=56)
    revenue_events: tuple[str, ...] = ("Order Completed", "Purchase", "purchase")

    def vendor_account(self) -> str | None:
        return None if self.project_id is None else f"mixpanel-{self.project_id}"

    @model_validator(mode="after")
    def _has_one_way_in(self) -> MixpanelSource:
        _one_way_in(self.files, self.project_id, "files or project_id")
        return self


class HotjarSource(LiveSource):
    """Hotjar's CSV exports and, with ``site_id``, the survey responses of its API.

    ``user_id`` names the column, or the user attribute of a response, that holds the shop's own user id.
    """

    kind: Literal["hotjar"] = "hotjar"
    recordings: str | None = None
    surveys: str | None = None
    site_id: int | None = None
    survey_ids: tuple[int, ...] = ()
    user_id: str | None = None

    def vendor_account(self) -> str | None:
        return None if self.site_id is None else f"hotjar-{self.site_id}"

    @model_validator(mode="after")
    def _has_something(self) -> HotjarSource:
        if self.recordings is None and self.surveys is None and self.site_id is None:
            raise ValueError("give recordings, surveys or site_id")
        return self


def _one_way_in(files: object, live: object, ways: str) -> None:
    if files is None and live is None:
        raise ValueError(f"say where the events come from: {ways}")
    if files is not None and live is not None:
        raise ValueError(f"events would come in twice: give either {ways}")


class TableSource(SourceSettings):
    """Events in CSV, JSONL or Parquet files of any layout.

    ``columns`` maps fields of an event to columns; a column ``a.b`` that is none itself is ``b`` inside
    ``a``. ``constants`` are values of fields that have no column, or an empty cell. ``formats`` declares
    what is not to be inferred: event_at (a pattern such as ``%d/%m/%Y %H:%M``, iso, seconds, milliseconds,
    microseconds), value (decimal point, decimal comma, cents), is_new_user (the words for yes and no:
    ``yes/no``). Only rows count whose ``where`` columns hold one of the given values and whose
    ``where_present`` columns are not empty. An event with an order number and a value, or of
    ``revenue_events``, is revenue; refunds are negative.
    """

    kind: Literal["table"] = "table"
    files: str
    columns: Mapping[str, str]
    constants: Mapping[str, str] = {}
    formats: Mapping[str, str] = {}
    where: Mapping[str, str | tuple[str, ...]] = {}
    where_present: tuple[str, ...] = ()
    revenue_events: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _maps_what_an_event_needs(self) -> TableSource:
        for key in (*self.columns, *self.constants):
            if key not in TABLE_FIELDS:
                raise ValueError(f"{key!r} is no field to map; there are {', '.join(TABLE_FIELDS)}")
        if "event_at" not in self.columns:
            raise ValueError("columns must map event_at to the column that holds the time")
        if "event_name" not in self.columns and "event_name" not in self.constants:
            raise ValueError("map event_name in columns, or fix it in constants")
        if not {"user_id", "device_id"} & (self.columns.keys() | self.constants.keys()):
            raise ValueError("columns must map user_id or device_id, or nobody can be followed")
        for key, declared in self.formats.items():
            if key not in self.columns:
                raise ValueError(f"formats.{key}: there is no {key} in columns")
            try:
                check_format(key, declared)
            except ValueError as error:
                raise ValueError(f"formats.{key}: {error}") from error
        return self

    def layout(self) -> TableColumns:
        """How the files are read."""
        where = {key: (one,) if isinstance(one, str) else one for key, one in self.where.items()}
        return TableColumns(self.columns, self.formats, where, self.where_present, tuple(self.constants))


Source = Ga4Source | MixpanelSource | HotjarSource | TableSource

TABLE_FIELDS = (
    "event_at",
    *(field for field in EVENT_FIELDS if field not in ("source", "event_id", "user_key", "session_id")),
)
SOURCE_TYPES: dict[str, type[SourceSettings]] = {
    "ga4": Ga4Source,
    "mixpanel": MixpanelSource,
    "hotjar": HotjarSource,
    "table": TableSource,
}
