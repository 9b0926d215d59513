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
from connectors.landing import PARTIAL, Part
from models.durations import microseconds
from models.journey import Journey
from pipelines.channel_sites import write_traffic_sites
from pipelines.exclusion import NO_EXCLUDES, Excludes
from pipelines.warehouse import replace_table

# A user id on more devices than this is a kiosk or a placeholder; a device with more users is shared.
DEVICES_PER_USER_LIMIT = 100
USERS_PER_DEVICE_LIMIT = 5
# Mixpanel itself merges up to 500 ids into one person.
IDS_PER_PERSON_LIMIT = 500
PLACEHOLDER_IDS = (
    "", "0", "-1", "1", "null", "none", "nil", "nan", "undefined", "unknown", "anonymous", "guest",
    "(not set)", "not set", "n/a", "na", "test", "false", "true", "[object object]",
    "00000000-0000-0000-0000-000000000000",
)  # fmt: skip

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

    def table(name: str, columns: Mapping[str, pa.DataType], rows: Sequence[dict[str, Any]]) -> None:
        replace_table(connection, f"config.{name}", pa.schema(list(columns.items())), rows)

    text, number, flag = pa.string(), pa.int64(), pa.bool_()
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
        {"source": text, "kind": text, "timezone": text},
        [
            {"source": name, "kind": kind, "timezone": config.zones.get(name, config.timezone)}
            for name, kind, _ in config.sources
        ],
    )
    table(
        "journeys",
        {
            "journey_number": number,
            "journey": text,
            "scope_is_session": flag,
            "entry_is_any": flag,
            "window_us": number,
            "entry_stage_number": number,
            "goal_stage_number": number,
        },
        [
            {
                "journey_number": index,
                "journey": journey.name,
                "scope_is_session": journey.scope == "session",
                "entry_is_any": journey.entry == "any",
                "window_us": microseconds(journey.window),
                "entry_stage_number": journey.entry_stage.number,
                "goal_stage_number": journey.goal.number,
            }
            for index, journey in config.numbered()
        ],
    )
    table(
        "journey_sources",
        {"journey_number": number, "source": text, "sets_horizon": flag},
        [
            {"journey_number": index, "source": name, "sets_horizon": sets_horizon}
            for index, journey in config.numbered()
            for name, _, sets_horizon in config.sources
            if name in config.sources_of[journey.name]
        ],
    )
    table(
        "stages",
        {
            "journey_number": number,
            "stage_number": number,
            "stage": text,
            "is_optional": flag,
            "owner": text,
        },
        [
            {
                "journey_number": index,
                "stage_number": stage.number,
                "stage": stage.name,
                "is_optional": stage.optional,
                "owner": stage.owner,
            }
            for index, journey in config.numbered()
            for stage in journey.stages
        ],
    )
    table(
        "persona_stages",
        {
            "journey_number": number,
            "persona": text,
            "stage_number": number,
            "stage": text,
            "next_stage_number": number,
            "next_stage": text,
        },
        [row for index, journey in config.numbered() for row in _persona_stages(index, journey)],
    )
    write_traffic_sites(connection)


def _persona_stages(index: int, journey: Journey) -> list[dict[str, Any]]:
    rows = []
    for persona in journey.persona_names():
        required = journey.required_stages_of(persona)
        for stage, following in zip(required, (*required[1:], None), strict=True):
            rows.append(
                {
                    "journey_number": index,
                    "persona": persona,
                    "stage_number": stage.number,
                    "stage": stage.name,
                    "next_stage_number": following.number if following else None,
                    "next_stage": following.name if following else None,
                }
            )
    return rows


LANDED_DAY = pa.schema(
    [
        ("source", pa.string()),
        ("day", pa.date32()),
        ("ends_us", pa.int64()),
        ("rows", pa.int64()),
        ("is_complete", pa.bool_()),
        ("is_settled", pa.bool_()),
    ]
)


def landed_day(source: str, day: date, nights: Nights, parts: Sequence[Part]) -> dict[str, Any]:
    """A row of ``lake.days``; the day ends at the next midnight of its source's zone."""
    return {
        "source": source,
        "day": day,
        "ends_us": (nights.end_of(day) - _EPOCH) // timedelta(microseconds=1),
        "rows": sum(part.rows for part in parts),
        "is_complete": not any(PARTIAL in part.flags for part in parts),
        "is_settled": is_settled(parts, day, nights),
    }


def write_days(connection: duckdb.DuckDBPyConnection, days: Sequence[dict[str, Any]]) -> None:
    """Make ``lake.days`` and the calendar that spans it."""
    replace_table(connection, "lake.days", LANDED_DAY, days)
    connection.execute(
        "create or replace table config.calendar as "
        "select unnest(generate_series(min(day), max(day), interval 1 day))::date as day from lake.days"
    )
