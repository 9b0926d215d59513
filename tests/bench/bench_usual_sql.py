"""The usual SQL in DuckDB: text ids, window functions for sessions, one self-join per step."""

from __future__ import annotations

import duckdb
from contract import INACTIVITY_US, STEPS, Stopwatch, answer, read_task

_SESSIONISE = """
create table session_events as
with gaps as (
    select
        device_id, event_us, event_name,
        event_us - lag(event_us) over (partition by device_id order by event_us) as gap_us
    from read_parquet(?)
),
numbered as (
    select
        device_id, event_us, event_name,
        sum(case when gap_us is null or gap_us > ? then 1 else 0 end) over (
            partition by device_id order by event_us
        ) as session_number
    from gaps
)
select device_id || '-' || session_number as session_id, device_id, event_us, event_name
from numbered
"""

_FIRST_STEP = """
create table step_1 as
select session_id, min(event_us) as step_us from session_events where event_name = ? group by session_id
"""

_NEXT_STEP = """
create table step_{number} as
select e.session_id, min(e.event_us) as step_us
from step_{previous} as s
inner join session_events as e on s.session_id = e.session_id
where e.event_name = ? and e.event_us >= s.step_us
group by e.session_id
"""


def main() -> None:
    task = read_task()
    connection = duckdb.connect(
        config={
            "threads": task.threads,
            "memory_limit": f"{task.memory_gb}GB",
            "temp_directory": str(task.scratch),
            "preserve_insertion_order": "false",
        }
    )
    watch = Stopwatch()
    connection.execute(_SESSIONISE, [task.files, INACTIVITY_US])
    watch.lap("sessions")
    connection.execute(_FIRST_STEP, [STEPS[0]])
    for number, step in enumerate(STEPS[1:], 2):
        connection.execute(_NEXT_STEP.format(number=number, previous=number - 1), [step])
    watch.lap("steps")
    numbers = range(1, len(STEPS) + 1)
    reached = " + ".join(f"(step_{n}.session_id is not null)::int" for n in numbers)
    joins = " ".join(f"left join step_{n} on s.session_id = step_{n}.session_id" for n in numbers)
    connection.execute(
        f"""
        copy (
            select s.device_id, s.session_start_us, {reached} as depth
            from (
                select session_id, min(device_id) as device_id, min(event_us) as session_start_us
                from session_events group by session_id
            ) as s {joins}
        ) to '{task.result}' (format parquet)
        """
    )
    watch.lap("result")
    answer(watch, {"duckdb": duckdb.__version__})


if __name__ == "__main__":
    main()
