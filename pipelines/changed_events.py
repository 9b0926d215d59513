"""Which staged events came or went since the tables were made: what the rows of changed files differ in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from pipelines.build_base import Base, staged_paths
from pipelines.renewal_rules import changed_name
from pipelines.staging_day import file_list, rows_of_files
from pipelines.warehouse import count_rows

# Shares of all events: beyond the first, making everything anew is less work; beyond the second, even asking.
MOST_CHANGED = 0.2
MOST_COMPARED = 0.5
_CHANGED = changed_name("staging.events")


def find_changed_events(connection: duckdb.DuckDBPyConnection, base: Base) -> int | None:
    """Make ``changed.staged_events``: rows of ``lake.staged_events`` that came (``is_added``) or went.

    A row that changed went and came. Returns how many rows it has; None where what changed cannot be told
    any more, or is most of all events.
    """
    now, before = staged_paths(connection), {file.path: file for file in base.files}
    if not now or not all(file.is_unchanged() for file in base.files):
        return None
    came = [path for path in now if path not in before]
    gone = [path for path in before if path not in set(now)]
    events = count_rows(connection, "lake.staged_events")
    if max(_count(connection, came), _count(connection, gone)) > MOST_COMPARED * events:
        return None
    queries = {"came": _rows(connection, came), "went": _rows(connection, gone)}
    for name, query in queries.items():
        # rows are compared by digests; only those that differ are read as they are
        digests = f"select event_number, event_us, hash(r) as digest from ({query}) as r"
        connection.execute(f"create or replace table renewing.{name} as {digests}")
    if _is_any_twice(connection):
        return None  # a build of all says of which event that is so
    same = (
        "select c.event_number from renewing.came as c "
        "inner join renewing.went as w on c.event_number = w.event_number and c.digest = w.digest"
    )
    selects = [
        f"select *, {name == 'came'} as is_added from ({query}) where event_number not in ({same})"
        for name, query in queries.items()
    ]
    connection.execute(f"create or replace table {_CHANGED} as {' union all '.join(selects)}")
    changed = count_rows(connection, _CHANGED)
    return changed if changed <= MOST_CHANGED * events else None


def _is_any_twice(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether an event that came is in another file, too."""
    ((first, last),) = connection.execute("select min(event_us), max(event_us) from renewing.came").fetchall()
    if first is None:
        return False
    # events of one number are of one time, and files hold their events by time: most need not be read
    found = connection.execute(
        f"select 1 from lake.staged_events where event_us between {first} and {last} "
        "and event_number in (select event_number from renewing.came) "
        "group by event_number having count(*) > 1 limit 1"
    )
    return bool(found.fetchall())


def _rows(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> str:
    like = "lake.staged_events"
    return rows_of_files(connection, like, files) if files else f"select * from {like} limit 0"


def _count(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> int:
    return count_rows(connection, f"read_parquet({file_list(files)})") if files else 0
