"""Which days of the published rows are not as the tables say any more, so that the others need no writing.

Rows of events, sessions, attempts and visits are many and most are of days that are over. A digest of each
day (``sql/published_days``) is kept with the published rows; the staged files behind the events are known by
name, which holds their version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

import duckdb

from pipelines.engine_functions import FUNCTIONS
from pipelines.layout_version import LAYOUT
from pipelines.sql_models import SQL_FOLDER, read_model, read_models
from pipelines.version import VERSION
from pipelines.warehouse import literal, quoted

# the marts with a row for each thing that happened, and when it did
ROW_TIMES: Mapping[str, str] = {
    "events": "event_at",
    "sessions": "started_at",
    "attempts": "entered_at",
    "stage_visits": "entered_at",
}
TEXT_ROWS = ("recordings", "survey_answers")  # few, and what people wrote
DAY_US = 86_400_000_000
MOST_CHANGED = 0.3  # of a table's rows; beyond it a new file is written
MOST_RENEWALS = 30  # since the file was written whole: what a disk spoils must not be copied for ever
MOST_GROWTH = 1.5  # of the file since it was written whole: what was deleted leaves holes
GROWTH_BYTES = 50_000_000  # of which nobody speaks
_ABOUT = {
    "row_days": "One row per mart with rows of its own and UTC day: a digest of its rows.",
    "staged_files": "One row per staged file whose events are in marts.events.",
    "written": "One row: the program that wrote the rows, the bytes when all were new, renewals since.",
}

Digests = dict[str, dict[int, tuple[int, str]]]


@dataclass(frozen=True)
class PublishedState:
    """What rows the tables have now: their digests by mart and UTC day; none where nobody asked for them.

    ``files`` are the staged files behind the events, paths by name within the lake's staged files.
    """

    digests: Digests
    files: Mapping[str, str]
    program: str


def state_of_rows(connection: duckdb.DuckDBPyConnection) -> PublishedState | None:
    """The state of the warehouse's rows; None where it has not all that a digest stands on."""
    try:
        state = state_of_files(connection)
        digests = {mart: _digests(connection, mart) for mart in ROW_TIMES}
    except duckdb.CatalogException:
        return None
    return replace(state, digests=digests)


def state_of_files(connection: duckdb.DuckDBPyConnection) -> PublishedState:
    """The state without digests, which take reading all rows."""
    files = dict(connection.execute("select file, path from lake.staged_files").fetchall())
    return PublishedState({}, files, _program())


def _columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[tuple[str, str], ...]:
    return tuple((row[0], row[1]) for row in connection.execute(f"describe {table}").fetchall())


def write_state(
    connection: duckdb.DuckDBPyConnection, state: PublishedState, whole_bytes: int, renewals: int
) -> None:
    """Keep ``state`` in the schema ``about`` of the attached file.

    ``whole_bytes`` was its size when all of it was new, ``renewals`` how often it was renewed since.
    """
    connection.execute(
        "create or replace table published.about.row_days "
        "(mart varchar, day_number bigint, row_count bigint, digest varchar)"
    )
    rows = [(mart, day, *each) for mart, days in state.digests.items() for day, each in days.items()]
    if rows:
        connection.executemany("insert into published.about.row_days values (?, ?, ?, ?)", rows)
    connection.execute("create or replace table published.about.staged_files (file varchar)")
    if state.files:
        connection.executemany(
            "insert into published.about.staged_files values (?)", [[each] for each in sorted(state.files)]
        )
    connection.execute(
        "create or replace table published.about.written as "
        "select ?::varchar as program, ?::bigint as bytes, ?::integer as renewals",
        [state.program, whole_bytes, renewals],
    )
    for table, text in _ABOUT.items():
        connection.execute(f"comment on table published.about.{table} is {literal(text)}")


def is_renewable(connection: duckdb.DuckDBPyConnection, size_bytes: int) -> bool:
    """Whether the attached file is of this program and these columns, and was not renewed too often."""
    ((program, whole_bytes, renewals),) = connection.execute("from published.about.written").fetchall()
    has_grown = size_bytes - whole_bytes > max((MOST_GROWTH - 1) * whole_bytes, GROWTH_BYTES)
    if program != _program() or has_grown or renewals >= MOST_RENEWALS:
        return False
    of_other_columns = any(
        _columns_of(connection, f"published.marts.{quoted(mart)}")
        != _columns_of(connection, f"marts.{quoted(mart)}")
        for mart in ROW_TIMES
    )
    return not of_other_columns and not any(_has_lost_rows(connection, mart) for mart in TEXT_ROWS)


def changed_days(
    connection: duckdb.DuckDBPyConnection, state: PublishedState, size_bytes: int
) -> dict[str, list[int]] | None:
    """The UTC days (since 1970) of each mart that must be written anew in the attached file.

    None where the whole file must be: it is of another program or of other columns, most of it changed, it
    has grown, or days or events have gone from it, whose bytes would stay behind. Raises duckdb.Error where
    it does not hold what it should.
    """
    if not is_renewable(connection, size_bytes):
        return None
    before = connection.execute("from published.about.row_days").fetchall()
    if not before:  # its rows were renewed one by one (pipelines/unpublished_rows.py)
        return None
    files = {row[0] for row in connection.execute("from published.about.staged_files").fetchall()}
    restaged = _days_of_files(connection, [path for name, path in state.files.items() if name not in files])
    found: dict[str, list[int]] = {}
    for mart, now in state.digests.items():
        was = {day: (count, digest) for name, day, count, digest in before if name == mart}
        if was.keys() - now.keys():
            return None
        changed = {day for day, each in now.items() if was.get(day) != each}
        if mart == "events":
            changed |= restaged & now.keys()
        counts = {day: count for day, (count, _) in now.items()}
        if sum(counts[day] for day in changed) > MOST_CHANGED * sum(counts.values()):
            return None
        found[mart] = sorted(changed)
    return None if found["events"] and _has_lost_events(connection, found["events"]) else found


@cache
def _program() -> str:
    """What decides what rows are made of the same files: the program, its SQL, and the engine's hash."""
    models = [model.sql for model in read_models("intermediate", "marts", "published_days")]
    recipe = hashlib.sha256("\n".join([*FUNCTIONS, *models]).encode()).hexdigest()[:16]
    return f"painpoints {VERSION} (layout {LAYOUT}, {recipe}), DuckDB {duckdb.__version__}"


def _digests(connection: duckdb.DuckDBPyConnection, mart: str) -> dict[int, tuple[int, str]]:
    query = read_model(SQL_FOLDER / "published_days" / f"{mart}.sql").sql
    return {day: (count, digest) for day, count, digest in connection.execute(query).fetchall()}


def _has_lost_rows(connection: duckdb.DuckDBPyConnection, mart: str) -> bool:
    """Whether the attached file has a row that the tables have no more: its bytes would stay in a copy."""
    lost = f"from published.marts.{mart} except all from marts.{mart}"
    return bool(connection.execute(f"select 1 from ({lost}) limit 1").fetchall())


def _has_lost_events(connection: duckdb.DuckDBPyConnection, days: list[int]) -> bool:
    lost = connection.execute(
        "select 1 from published.marts.events as p "
        "left join intermediate.keyed_events as k on key_number(p.event_id) = k.event_number "
        "where k.event_number is null and epoch_us(p.event_at) // ? in (select unnest(?)) limit 1",
        [DAY_US, days],
    )
    return bool(lost.fetchall())


def _days_of_files(connection: duckdb.DuckDBPyConnection, files: list[str]) -> set[int]:
    """The UTC days of which these staged files have events."""
    if not files:
        return set()
    found = connection.execute(
        "select distinct event_us // ? from read_parquet(?)", [DAY_US, files]
    ).fetchall()
    return {row[0] for row in found}
