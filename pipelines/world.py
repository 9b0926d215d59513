"""A whole warehouse in memory from a handful of canonical events, for tests and experiments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from models.journey_file import parse_journey
from pipelines.config_tables import WorldConfig, write_days
from pipelines.engine_settings import EngineSettings
from pipelines.journey_tables import build_tables
from pipelines.sql_models import run_checks
from pipelines.staged_schema import STAGED_EVENT, empty_lake
from pipelines.vendor_reports import empty_reports
from pipelines.warehouse import literal, open_warehouse

_MARTS = (
    "events",
    "sessions",
    "stage_visits",
    "attempts",
    "stage_funnel",
    "stage_paths",
    "stage_cohorts",
    "stage_delays",
)


def build_world(
    events: Iterable[dict[str, Any]],
    journeys: Sequence[str],
    *,
    timezone: str,
    inactivity_seconds: int,
    horizon: datetime,
    currency: str = "EUR",
    day_files: Path | None = None,
) -> dict[str, pd.DataFrame]:
    """The marts of events and journeys, in memory, of canonical events given as dictionaries.

    With ``day_files``, an empty folder, the events are read from a file a day, as staging leaves them.
    ``journeys`` are YAML texts, times naive UTC; ``horizon`` is where the landed data ends. Besides
    the marts the result has ``users`` (user_key, device_id).
    """
    parsed = [parse_journey(text, f"journey {n}") for n, text in enumerate(journeys, 1)]
    rows = list(events)
    sources = sorted({row["source"] for row in rows} | {"ga4"})
    config = WorldConfig(
        timezone,
        currency,
        timedelta(seconds=inactivity_seconds),
        {},
        [(source, "ga4", True) for source in sources],
        parsed,
        {journey.name: journey.sources or sources for journey in parsed},
    )
    with open_warehouse(None, EngineSettings()) as connection:
        empty_lake(connection)
        empty_reports(connection)
        connection.register("given", pa.Table.from_pylist(rows, schema=_GIVEN))
        connection.execute(_STAGE_GIVEN)
        if day_files is not None:
            _spread(connection, day_files)
        ends_us = (horizon.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
            microseconds=1
        )
        moments = [row["event_at"].date() for row in rows]
        days = {min(moments, default=horizon.date()), max(moments, default=horizon.date())}
        write_days(
            connection,
            [
                {"source": source, "day": day, "ends_us": ends_us, "rows": 0}
                | {"is_complete": True, "is_settled": True}
                for source in sources
                for day in sorted(days)
            ],
        )
        build_tables(connection, config, targets=[f"marts.{name}" for name in _MARTS])
        run_checks(connection)
        tables = {name: connection.execute(f"select * from marts.{name}").df() for name in _MARTS}
        tables["users"] = connection.execute(
            "select distinct user_key, device_id from marts.events where user_key is not null"
        ).df()
    return tables


def _spread(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    connection.execute(
        f"copy (select *, event_us // 86400000000 as day from lake.staged_events) to {literal(folder)} "
        "(format parquet, partition_by (day))"
    )
    connection.execute("drop table lake.staged_events")
    connection.execute(
        "create view lake.staged_events as select * exclude (day) "
        f"from read_parquet({literal(folder / '*' / '*.parquet')})"
    )


_GIVEN = pa.schema(
    [
        (name, STAGED_EVENT.field(name).type)
        for name in (
            "source",
            "device_id",
            "user_id",
            "event_name",
            "page",
            "device",
            "os",
            "browser",
            "country",
            "is_new_user",
            "value",
            "currency",
            "transaction_id",
            "vendor_session_id",
        )
    ]
    + [("event_at", pa.timestamp("us")), ("channel", pa.string())]
)

_STAGE_GIVEN = """
create or replace table lake.staged_events as
select * replace (
    key_of(concat_ws('|', source, device_id, user_id, event_us, event_name, page, transaction_id, value,
        event_number)) as event_number,
    key_of(source || '|' || device_id) as device_number,
    key_of(source || '|' || device_id || '|' || vendor_session_id) as session_number
)
from (
    select * from lake.staged_events
    union all by name
    select
        * exclude (event_at, channel), epoch_us(event_at) as event_us, channel as given_channel,
        0 as event_seq, 1 as copies, 'direct' as medium,
        coalesce(event_name = 'purchase', false) as is_revenue, '{}' as properties,
        -- equal events stay apart, whatever the order they come in
        row_number() over (partition by source, device_id, user_id, event_at, event_name, page,
            transaction_id, value) as event_number
    from given
)
"""
