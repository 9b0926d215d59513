"""The config and the journeys as small tables of schema ``config``, which the models join."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from connectors.day_pull import Nights, is_settled
from connectors.manifest import PARTIAL, Part
from models.durations import microseconds
from models.journey import Journey
from pipelines.channel_sites import write_traffic_sites
from pipelines.commits import at_once
from pipelines.config_journeys import write_journeys
from pipelines.exclusion import NO_EXCLUDES, Excludes
from pipelines.placeholders import PLACEHOLDER_IDS
from pipelines.warehouse import replace_table

# A user id on more devices than this is a kiosk or a placeholder; a device with more users is shared.
DEVICES_PER_USER_LIMIT = 100
USERS_PER_DEVICE_LIMIT = 5
# Mixpanel itself merges up to 500 ids into one person.
IDS_PER_PERSON_LIMIT = 500

_EPOCH = datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC"))


@dataclass(frozen=True)
class WorldConfig:
    """What the models need to know besides the events.

    ``sources`` are (name, kind, sets_horizon); ``sources_of`` names each journey's sources; ``zones`` are
    the zones of the sources' days, where they are not the workspace's.
    """

    timezone: str
    currency: str
    inactivity: timedelta
    fx: Mapping[str, float]
    sources: Sequence[tuple[str, str, bool]]
    journeys: Sequence[Journey]
    sources_of: Mapping[str, Sequence[str]]
    zones: Mapping[str, str] = field(default_factory=dict)
    excludes: Excludes = NO_EXCLUDES

    def numbered(self) -> list[tuple[int, Journey]]:
        return list(enumerate(self.journeys, 1))


def write_config(connection: duckdb.DuckDBPyConnection, config: WorldConfig) -> None:
    """Make the tables of schema ``config``."""
    with at_once(connection):
        _write_config(connection, config)


def _write_config(connection: duckdb.DuckDBPyConnection, config: WorldConfig) -> None:
    def table(name: str, columns: Mapping[str, pa.DataType], rows: Sequence[dict[str, Any]]) -> None:
        replace_table(connection, f"config.{name}", pa.schema(list(columns.items())), rows)

    text, number = pa.string(), pa.int64()
    table(
        "settings",
        {
            "timezone": text,
            "currency": text,
            "inactivity_us": number,
            "devices_per_user_limit": number,
            "users_per_device_limit": number,
            "events_per_day_limit": number,
        },
        [
            {
                "timezone": config.timezone,
                "currency": config.currency,
                "inactivity_us": microseconds(config.inactivity),
                "devices_per_user_limit": DEVICES_PER_USER_LIMIT,
                "users_per_device_limit": USERS_PER_DEVICE_LIMIT,
                "events_per_day_limit": config.excludes.events_per_day_limit,
            }
        ],
    )
    table(
        "fx",
        {"currency": text, "rate": pa.float64()},
        [{"currency": currency, "rate": rate} for currency, rate in config.fx.items()],
    )
    table("placeholder_ids", {"id": text}, [{"id": each} for each in PLACEHOLDER_IDS])
    table(
        "sources",
        {"source": text, "source_number": number, "kind": text, "timezone": text},
        [
            {
                "source": name,
                "source_number": place,
                "kind": kind,
                "timezone": config.zones.get(name, config.timezone),
            }
            for place, (name, kind, _) in enumerate(config.sources)
        ],
    )
    write_journeys(connection, config.numbered(), config.sources, config.sources_of)
    write_traffic_sites(connection)


LANDED_DAY = pa.schema(
    [
        ("source", pa.string()),
        ("day", pa.date32()),
        ("ends_us", pa.int64()),
        ("rows", pa.int64()),
        ("is_complete", pa.bool_()),
        ("is_settled", pa.bool_()),
        ("is_to_come", pa.bool_()),
    ]
)
# No tool that is read here is older; one wrong row must not make a calendar of decades.
_CALENDAR_BEGINS = date(2000, 1, 1)


def landed_day(source: str, day: date, nights: Nights, parts: Sequence[Part]) -> dict[str, Any]:
    """A row of ``lake.days``; the day ends at the next midnight of its source's zone.

    A day that has not ended by the clock is not complete, whatever files say of it.
    """
    now = nights.clock()
    return {
        "source": source,
        "day": day,
        "ends_us": (nights.end_of(day) - _EPOCH) // timedelta(microseconds=1),
        "rows": sum(part.rows for part in parts),
        "is_complete": not any(PARTIAL in part.flags for part in parts) and nights.end_of(day) <= now,
        "is_settled": is_settled(parts, day, nights),
        "is_to_come": nights.end_of(day - timedelta(days=1)) > now,
    }


def write_days(connection: duckdb.DuckDBPyConnection, days: Sequence[dict[str, Any]]) -> None:
    """Make ``lake.days``, and the calendar that spans those of its days that may be true."""
    replace_table(connection, "lake.days", LANDED_DAY, days)
    connection.execute(
        "create or replace table config.calendar as "
        "select unnest(generate_series(min(day), max(day), interval 1 day))::date as day from lake.days "
        "where day >= ? and not coalesce(is_to_come, false)",
        [_CALENDAR_BEGINS],
    )
