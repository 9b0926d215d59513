"""Ours: what `painpoints build` makes, by the same code from the same Parquet, in a file on disk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
from contract import STEPS, Stopwatch, Task, answer, read_task
from table_clock import TableClock
from world_columns import SOURCE

from models.journey_file import parse_journey
from pipelines.config_tables import WorldConfig, write_days
from pipelines.engine_settings import EngineSettings
from pipelines.journey_tables import build_tables
from pipelines.settings import ExcludeSettings
from pipelines.staged_schema import STAGED_EVENT, empty_lake
from pipelines.staging_day import file_list
from pipelines.vendor_reports import empty_reports
from pipelines.version import VERSION
from pipelines.warehouse import open_warehouse, quoted

_SCOPES = {
    "session": ("session",),
    "user": ("user",),
    "both": ("session", "user"),
    "two": ("session", "session"),
}

# What the issue of speed is about: sessions, stage visits, attempts with all their columns, and the funnel.
_JOURNEY = ("marts.sessions", "marts.stage_visits", "marts.attempts", "marts.stage_funnel")

# What the other contenders tell of it.
_CORE = (
    "intermediate.session_spans",
    "intermediate.attempt_visits",
    "intermediate.attempt_openings",
    "intermediate.attempt_paths",
    "intermediate.paths",
)

_RESULT = """
copy (
    with depths as (
        select
            session_number, user_number,
            list_reduce(
                list_transform(stage_moments, lambda moment: moment_class(moment) % {base}),
                lambda depth, stage: case when stage = depth + 1 then stage else depth end,
                0::bigint
            ) as depth
        from intermediate.session_moments
    ),
    people as (
        -- in this world everybody has one device
        select user_number, min(device_id) as device_id
        from intermediate.identified_events
        group by user_number
    )
    select p.device_id, s.started_us as session_start_us, d.depth::integer as depth
    from intermediate.session_spans as s
    inner join depths as d on s.session_number = d.session_number
    inner join people as p on d.user_number = p.user_number
) to '{result}' (format parquet)
"""


def main() -> None:
    task = read_task()
    config = world_config(_SCOPES[task.journeys])
    engine = EngineSettings(threads=task.threads, memory_limit=f"{task.memory_gb}GB")
    watch = Stopwatch()
    with open_warehouse(task.scratch / "warehouse.duckdb", engine) as connection:
        gather(connection, task)
        clock = TableClock(connection, watch)
        # the clock passes everything on to the connection
        targets = () if task.whole else _CORE if task.core else _JOURNEY
        build_tables(clock, config, clock.progress, targets=targets)  # type: ignore[arg-type]
        clock.progress("done")
        if not task.whole:
            connection.execute(_RESULT.format(result=task.result, base=len(STEPS) + 1))
            watch.lap("result per session")
        tables = clock.tables()
    answer(watch, {"painpoints": VERSION, "duckdb": duckdb.__version__}, tables)


def world_config(scopes: tuple[str, ...]) -> WorldConfig:
    """A shop of one source without sessions of its own, and a journey for each scope."""
    journeys = [parse_journey(text) for text in journey_texts(scopes).values()]
    return WorldConfig(
        "Europe/Madrid",
        "EUR",
        timedelta(minutes=30),
        {},
        [(SOURCE, "mixpanel", True)],
        journeys,
        {journey.name: (SOURCE,) for journey in journeys},
        {SOURCE: "UTC"},
        ExcludeSettings().build(),
    )


def journey_texts(scopes: Sequence[str]) -> dict[str, str]:
    """By name, the journey of six stages for each scope; of a scope once more, one without the first."""
    texts = {}
    for number, scope in enumerate(scopes):
        again = list(scopes[:number]).count(scope)
        name = f"by_{scope}" + (f"_{again + 1}" if again else "")
        stages = "\n".join(f"  - {{name: {step}, match: [{{event: {step}}}]}}" for step in STEPS[again:])
        texts[name] = f"journey: {name}\nscope: {scope}\nwindow: 7d\nstages:\n{stages}\n"
    return texts


def gather(connection: duckdb.DuckDBPyConnection, task: Task) -> None:
    """The schema ``lake`` as staging leaves it of all days of the world."""
    empty_lake(connection)
    empty_reports(connection)
    connection.execute("drop table lake.staged_events")
    gather_files(connection, sorted(task.events.glob("*.parquet")))


def gather_files(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
    """A view over staged files, named for their days (``2026-01-05.parquet``), and the days as landed."""
    columns = ", ".join(quoted(name) for name in STAGED_EVENT.names)
    connection.execute(
        f"create or replace view lake.staged_events as select {columns} "
        f"from read_parquet({file_list(files)}, union_by_name = true)"
    )
    connection.execute(
        "create or replace table lake.staged_files as select unnest(?) as file, file as path",
        [[str(path) for path in files]],
    )
    write_days(connection, [_landed(path) for path in files])


def _landed(path: Path) -> dict[str, object]:
    day = date.fromisoformat(path.stem[:10])
    end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    ends_us = (end - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    whole = {"is_complete": True, "is_settled": True}
    return {"source": SOURCE, "day": day, "ends_us": ends_us, "rows": 0} | whole


if __name__ == "__main__":
    main()
