"""ClickHouse in process: load into MergeTree in the order of the question, sessionise, windowFunnel.

With hash keys the table is in the order of a 64-bit hash of the user and holds small step numbers, and a
user's events are split as one array, which ClickHouse does several times faster than window functions.
With text keys it is what its SQL suggests first: text ids, window functions, a group by.
"""

from __future__ import annotations

import chdb
from chdb import session as chs
from contract import INACTIVITY_US, STEPS, Stopwatch, Task, answer, read_task

# Longer than any session: only the order counts.
_WINDOW_US = 366 * 86_400_000_000

_HASH_TABLE = """
create table events (device_id String, event_us UInt64, step UInt8)
engine = MergeTree order by (cityHash64(device_id), event_us)
"""
_HASH_LOAD = """
insert into events
select
    assumeNotNull(device_id), assumeNotNull(event_us),
    transform(assumeNotNull(event_name), {steps}, {numbers}, 0)
from file('{files}', Parquet)
"""
_HASH_FUNNEL = """
insert into function file('{result}', Parquet)
select
    device_id,
    toInt64(session[1].1) as session_start_us,
    arrayReduce('windowFunnel({window})', arrayMap(event -> event.1, session), {conditions}) as depth
from (
    select
        device_id,
        arrayJoin(arraySplit(
            (event, gap) -> gap > {inactivity}, own, arrayDifference(arrayMap(event -> event.1, own))
        )) as session
    from (
        select device_id, arraySort(groupArray((event_us, step))) as own from events group by device_id
    )
)
"""

_TEXT_TABLE = """
create table events (device_id String, event_us UInt64, event_name LowCardinality(String))
engine = MergeTree order by (device_id, event_us)
"""
_TEXT_LOAD = """
insert into events
select assumeNotNull(device_id), assumeNotNull(event_us), assumeNotNull(event_name)
from file('{files}', Parquet)
"""
_TEXT_FUNNEL = """
insert into function file('{result}', Parquet)
select
    device_id,
    toInt64(min(event_us)) as session_start_us,
    windowFunnel({window})(event_us, {conditions}) as depth
from (
    select
        device_id, event_us, event_name,
        sum(starts) over (partition by device_id order by event_us) as session_number
    from (
        select
            device_id, event_us, event_name,
            event_us - lagInFrame(event_us) over (
                partition by device_id order by event_us rows between 1 preceding and current row
            ) > {inactivity} as starts
        from events
    )
)
group by device_id, session_number
"""


def main() -> None:
    task = read_task()
    session = chs.Session(str(task.scratch))
    session.query("create database bench")
    session.query("use bench")
    session.query(f"set max_threads = {task.threads}, max_insert_threads = {task.threads}")
    session.query(f"set max_memory_usage = {int(task.memory_gb * 1e9)}")
    watch = Stopwatch()
    table, load, funnel = statements(task)
    session.query(table)
    session.query(load)
    watch.lap("load")
    session.query(funnel)
    watch.lap("sessions and funnel")
    answer(watch, {"chdb": chdb.__version__, "clickhouse": str(chdb.engine_version)})


def statements(task: Task) -> tuple[str, str, str]:
    """Create, load, ask."""
    numbers = list(range(1, len(STEPS) + 1))
    by_hash = task.keys == "hash"
    conditions = (
        [f"arrayMap(event -> event.2 = {number}, session)" for number in numbers]
        if by_hash
        else [f"event_name = '{step}'" for step in STEPS]
    )
    funnel = (_HASH_FUNNEL if by_hash else _TEXT_FUNNEL).format(
        result=task.result,
        window=_WINDOW_US,
        inactivity=INACTIVITY_US,
        conditions=", ".join(conditions),
    )
    load = (_HASH_LOAD if by_hash else _TEXT_LOAD).format(
        files=task.files, steps=list(STEPS), numbers=numbers
    )
    return _HASH_TABLE if by_hash else _TEXT_TABLE, load, funnel


if __name__ == "__main__":
    main()
