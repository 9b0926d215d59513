"""retentioneering: an Eventstream of a data frame, its own split_sessions and its own funnel by session."""

from __future__ import annotations

import os

# it would report its use to its makers over the network
os.environ["RETENTIONEERING_NO_TRACK"] = "1"

import duckdb
import pandas as pd
import retentioneering
from contract import STEPS, Stopwatch, Task, answer, read_task
from retentioneering.eventstream.eventstream import Eventstream

_SCHEMA = {"path_cols": ["device_id"], "event_col": "event_name", "timestamp_col": "event_us"}


def main() -> None:
    task = read_task()
    watch = Stopwatch()
    stream = Eventstream(_frame(task), _SCHEMA)
    watch.lap("load")
    stream = stream.split_sessions(timeout="30m")
    watch.lap("sessions")
    steps = stream.funnel_data(steps=list(STEPS), path_col="session_id")["steps"]
    watch.lap("funnel")
    reached = [int(step["unique_paths"]) for step in steps]
    seconds = watch.seconds
    _write_result(stream.df, task)
    # its funnel only counts; who reached what is asked of its sessions outside the measured time
    watch.lap("result, not counted")
    found = duckdb.sql(f"select depth, count(*) from '{task.result}' group by depth").fetchall()
    if reached != [sum(n for depth, n in found if depth >= step) for step in range(1, len(STEPS) + 1)]:
        raise SystemExit(f"its funnel counts {reached}, its sessions give {found}")
    versions = {"retentioneering": retentioneering.__version__, "pandas": pd.__version__}
    answer(watch, versions | {"duckdb": duckdb.__version__}, seconds=seconds)


def _frame(task: Task) -> pd.DataFrame:
    frame = pd.read_parquet(task.events, columns=["device_id", "event_us", "event_name"])
    # equal times in the order of the steps
    frame["subindex"] = frame["event_name"].map({name: n for n, name in enumerate(STEPS, 1)}).fillna(0)
    return frame


def _write_result(frame: pd.DataFrame, task: Task) -> None:
    """The same chain of steps as its funnel, per session instead of counted."""
    connection = duckdb.connect(config={"memory_limit": f"{task.memory_gb}GB"})
    connection.register("stream", frame)
    connection.execute(
        "create table events as "
        'select session_id, device_id, event_us, event_name, "index" as place from stream'
    )
    steps = ["(select session_id, 0 as place, 0 as depth from events group by session_id)"]
    for number, step in enumerate(STEPS, 1):
        connection.execute(
            f"create table step_{number} as "
            f"select e.session_id, min(e.place) as place, {number} as depth "
            f"from events as e inner join {steps[-1]} as s on e.session_id = s.session_id "
            "where e.event_name = ? and e.place > s.place group by e.session_id",
            [step],
        )
        steps.append(f"step_{number}")
    depths = " union all ".join(f"select session_id, depth from {step}" for step in steps)
    connection.execute(
        f"""
        copy (
            select s.device_id, s.session_start_us, d.depth
            from (
                select session_id, min(device_id) as device_id, epoch_us(min(event_us)) as session_start_us
                from events group by session_id
            ) as s
            inner join (select session_id, max(depth) as depth from ({depths}) group by session_id) as d
                on s.session_id = d.session_id
        ) to '{task.result}' (format parquet)
        """
    )


if __name__ == "__main__":
    main()
