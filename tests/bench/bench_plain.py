"""Plain Python from the definition alone: for small worlds, to see that what the others agree on is right."""

from __future__ import annotations

import platform
from itertools import groupby
from operator import itemgetter

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from contract import INACTIVITY_US, RESULT_COLUMNS, STEPS, Stopwatch, answer, read_task

_STEP = {name: number for number, name in enumerate(STEPS, 1)}


def main() -> None:
    task = read_task()
    watch = Stopwatch()
    table = ds.dataset(task.events).to_table(columns=["device_id", "event_us", "event_name"])
    steps = [_STEP.get(name, 0) for name in table["event_name"].to_pylist()]
    events = sorted(zip(table["device_id"].to_pylist(), table["event_us"].to_pylist(), steps, strict=True))
    rows: list[tuple[str, int, int]] = []
    for device, own in groupby(events, key=itemgetter(0)):
        start = last = depth = None
        for _, at, step in own:
            if last is None or at - last > INACTIVITY_US:
                if start is not None:
                    rows.append((device, start, depth))
                start, depth = at, 0
            depth += step == depth + 1
            last = at
        rows.append((device, start, depth))
    columns = [list(column) for column in zip(*rows, strict=True)]
    pq.write_table(pa.table(dict(zip(RESULT_COLUMNS, columns, strict=True))), task.result)
    watch.lap("all")
    answer(watch, {"python": platform.python_version()})


if __name__ == "__main__":
    main()
