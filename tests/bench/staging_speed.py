"""Time the staging of one day of a raw GA4 export, beside reading its columns and doing nothing with them.

python tests/bench/staging_speed.py [--users 45000] [--threads 2]

The day is 90 days of the demo's shop in one file, nested as GA4's export has them.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from connectors import ga4_export
from connectors.shop import generate_shop
from pipelines.engine_settings import EngineSettings
from pipelines.source_settings import Ga4Source
from pipelines.staging_day import STAGINGS, DayToStage, stage_share
from pipelines.warehouse import quoted

GA4 = next(each for each in STAGINGS if each.kind == "ga4")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--users", type=int, default=45_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-gb", type=float, default=4.0)
    asked = parser.parse_args()
    engine = EngineSettings(threads=asked.threads, memory_limit=f"{asked.memory_gb}GB")
    with tempfile.TemporaryDirectory() as scratch:
        raw, staged = Path(scratch) / "raw.parquet", Path(scratch) / "staged.parquet"
        rows = _one_day(raw, Path(scratch) / "shop", asked.users)
        print(f"{rows:,} events of one day, {asked.threads} threads\n")
        day = DayToStage(GA4, "ga4", Ga4Source(files="*.parquet"), "UTC", (raw,), staged)
        read_s = _shown("bare read", rows, lambda: _read(raw, engine))
        staged_s = _shown("staging", rows, lambda: stage_share([day], engine))
        print(f"\nstaging takes {staged_s / read_s:.1f} times the bare read")
        for name, path in (("as exported", raw), ("staged", staged)):
            size = path.stat().st_size
            print(f"{name:<12} {size / 1e6:8.1f} MB {size / rows:6.1f} bytes an event")
        peak_gb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        print(f"peak memory of all of it, the making of the day included: {peak_gb:.1f} GB")


def _one_day(target: Path, shop: Path, users: int) -> int:
    """Write the day to ``target``; returns its rows."""
    generate_shop(shop, users=users, last_day=date(2026, 5, 31))
    tables = [pq.read_table(path) for path in sorted((shop / "exports" / "ga4").glob("*.parquet"))]
    day = pa.concat_tables(tables)
    pq.write_table(day, target, compression="snappy", row_group_size=122_880)  # as BigQuery exports it
    return int(day.num_rows)


def _read(path: Path, engine: EngineSettings) -> None:
    present = set(pq.read_schema(path).names)
    columns = ", ".join(quoted(name) for name in ga4_export.SCHEMA.names if name in present)
    with duckdb.connect(config={"threads": engine.threads or 1}) as connection:
        connection.execute(f"create table day as select {columns} from read_parquet(?)", [str(path)])


def _shown(name: str, rows: int, work: Callable[[], None], times: int = 3) -> float:
    """The seconds of the fastest of several times, printed."""
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    print(f"{name:<12} {min(seconds):6.2f} s {rows / min(seconds):12,.0f} events a second")
    return min(seconds)


if __name__ == "__main__":
    main()
