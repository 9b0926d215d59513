"""Which rows of days that are over their time are still needed, and staged days with no others.

Kept are the events of attempts and sessions that reach over the edge, from the attempt's first session on,
so that what follows is cut and counted as before; they go when these are over. And, bare of all that they
say, the rows that join the ids of people who are still seen: without them newer events would change hands.
"""

from __future__ import annotations

import os
from pathlib import Path

import duckdb

from connectors.durable_files import sync_file
from pipelines.warehouse import literal, quoted

IDENTITY_EVENT = "(identity)"
MERGES = ("$merge", "$create_alias")
_KEPT_OF_IDENTITY = (
    "source", "event_number", "device_number", "device_id", "user_id", "event_us", "event_seq", "copies",
)  # fmt: skip

_START = """
create or replace temp table carried as
select user_number, min(started_us) as from_us
from (
    select e.user_number, s.started_us
    from intermediate.session_spans as s
    inner join intermediate.session_edges as e on s.session_number = e.session_number
    where s.started_us < $edge_us and s.ended_us >= $edge_us
    union all
    select user_number, session_started_us
    from intermediate.attempt_openings
    where session_started_us < $edge_us and free_us >= $edge_us
)
group by user_number
"""
# an attempt that is open when a carried one's first session begins decides whether that one opens
_FURTHER_BACK = """
select o.user_number, min(o.session_started_us) as from_us
from intermediate.attempt_openings as o
inner join carried as c on o.user_number = c.user_number
where o.session_started_us < c.from_us and o.free_us >= c.from_us
group by o.user_number
"""
_NEEDED = """
create or replace temp table needed_rows as
with recent as (
    select distinct user_number from intermediate.identified_events
    where event_us >= $edge_us and user_number is not null
    union
    select user_number from carried
),
recent_ids as (
    select distinct device_number as number from staging.events
    where event_us >= $edge_us and device_number is not null
    union
    select distinct key_of('user|' || user_id) from staging.events
    where event_us >= $edge_us and user_id is not null
),
running as (
    select e.event_number, false as is_bare
    from intermediate.identified_events as e
    inner join carried as c on e.user_number = c.user_number and e.event_us >= c.from_us
    where e.event_us < $edge_us
),
merges as (
    select e.event_number, false as is_bare
    from intermediate.identified_events as e
    where e.event_us < $edge_us and e.event_name in ('$merge', '$create_alias')
        and exists (select 1 from recent)
),
joining as (
    select arg_min(e.event_number, (e.event_us, e.event_number)) as event_number, true as is_bare
    from intermediate.identified_events as e
    where e.event_us < $edge_us and e.user_id is not null and e.device_number is not null and (
        e.user_number in (select user_number from recent)
        or e.device_number in (select number from recent_ids)
        or key_of('user|' || e.user_id) in (select number from recent_ids)
    )
    group by e.device_number, e.user_id
)
select event_number, bool_and(is_bare) as is_bare
from (select * from running union all select * from merges union all select * from joining)
group by event_number
"""


def find_needed_rows(connection: duckdb.DuckDBPyConnection, edge_us: int) -> None:
    """Make the temporary table ``needed_rows`` (event_number, is_bare) of events before ``edge_us``."""
    bound = {"edge_us": edge_us}
    connection.execute(_START, bound)
    while further := connection.execute(_FURTHER_BACK).fetchall():
        connection.executemany(
            "update carried set from_us = ? where user_number = ?", [(us, user) for user, us in further]
        )
    connection.execute(_NEEDED, bound)


def keep_needed_rows(connection: duckdb.DuckDBPyConnection, path: Path, edge_us: int) -> int:
    """Rewrite a staged day of events with its needed rows alone; returns the bytes this frees.

    Rows from ``edge_us`` on stay: a source's day may end after the workspace's. A crash leaves the old file
    or the new one.
    """
    columns = [
        row[0] for row in connection.execute(f"describe from read_parquet({literal(path)})").fetchall()
    ]
    shown = ", ".join(_column(name) for name in columns)
    return _rewrite(
        connection,
        path,
        f"select {shown} from read_parquet({literal(path)}) as e "
        "left join needed_rows as n on e.event_number = n.event_number "
        f"where n.event_number is not null or e.event_us >= {edge_us}",
    )


def keep_late_rows(connection: duckdb.DuckDBPyConnection, path: Path, edge_us: int) -> int:
    """Rewrite a staged day of recordings or answers with those from ``edge_us`` on; returns bytes freed."""
    columns = {
        row[0] for row in connection.execute(f"describe from read_parquet({literal(path)})").fetchall()
    }
    moment = "recorded_us" if "recorded_us" in columns else "answered_us"
    return _rewrite(
        connection, path, f"select * from read_parquet({literal(path)}) where {moment} >= {edge_us}"
    )


def _column(name: str) -> str:
    if name in _KEPT_OF_IDENTITY:
        return f"e.{quoted(name)}"
    bare = literal(IDENTITY_EVENT) if name == "event_name" else "null"
    return f"case when n.is_bare then {bare} else e.{quoted(name)} end as {quoted(name)}"


def _rewrite(connection: duckdb.DuckDBPyConnection, path: Path, query: str) -> int:
    part, before = path.with_suffix(".part"), path.stat().st_size
    part.unlink(missing_ok=True)
    connection.execute(f"copy ({query}) to {literal(part)} (format parquet, compression zstd)")
    sync_file(part)
    after = part.stat().st_size
    os.replace(part, path)
    return max(before - after, 0)
