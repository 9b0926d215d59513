"""The floor: what it takes DuckDB to read the three columns that the question needs, and nothing more."""

from __future__ import annotations

import duckdb
from contract import Stopwatch, answer, read_task


def main() -> None:
    task = read_task()
    connection = duckdb.connect(config={"threads": task.threads, "memory_limit": f"{task.memory_gb}GB"})
    watch = Stopwatch()
    connection.execute(
        "create table events as select device_id, event_us, event_name from read_parquet(?)", [task.files]
    )
    watch.lap("read")
    answer(watch, {"duckdb": duckdb.__version__})


if __name__ == "__main__":
    main()
