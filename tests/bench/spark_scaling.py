"""How a build on Spark grows: rows per second with one worker of one core, and with two, in one run.

A real master and workers on this machine (``tests/spark_cluster.py``), the generated world of ``make bench``,
all models of a build. Each cluster first builds a small share of the world, so that none pays for the other's
start. DuckDB's time on the same files, with as many threads, stands beside it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
from bench_ours import world_config
from world import make_share, make_world
from world_columns import SOURCE

from pipelines.config_tables import write_config, write_days
from pipelines.engine_settings import EngineSettings
from pipelines.journey_tables import build_tables, models_of
from pipelines.spark_exchange import send_small_tables, show_staged_files
from pipelines.spark_models import SparkModels
from pipelines.spark_session import spark_session
from pipelines.spark_settings import SparkSettings
from pipelines.spark_store import SparkStore
from pipelines.staged_schema import empty_lake
from pipelines.staging_day import file_list
from pipelines.vendor_reports import empty_reports
from pipelines.warehouse import open_warehouse

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from spark_cluster import SparkCluster, spark_cluster

_CONFIG = world_config(("session", "user"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("bench-data/spark"))
    parser.add_argument("--events", type=float, default=2e6)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--memory", default="1g", help="of each worker")
    asked = parser.parse_args()
    data: Path = asked.data.absolute()
    data.mkdir(parents=True, exist_ok=True)
    world = make_world(data, int(asked.events), asked.days, seed=1)
    small, whole = make_share(world, 0.02), world / "events"
    print("| engine | cores | seconds | events per second | CPU seconds of workers | beyond a small build |")
    print("|---|---|---|---|---|---|", flush=True)
    taken = {}
    for workers in (1, 2):
        few, many = _spark_seconds(data, workers, asked.memory, small, whole)
        taken[workers] = many.seconds
        # a build of next to nothing takes its time, too: what it takes with each further event
        further = (many.events - few.events) / max(many.seconds - few.seconds, 1e-9)
        of_core = (many.events - few.events) / max(many.cpu_seconds - few.cpu_seconds, 1e-9)
        print(
            f"| Spark | {workers} x 1 | {many.seconds:.1f} | {many.events / many.seconds:,.0f} "
            f"| {many.cpu_seconds:.1f} | {further:,.0f} a second, {of_core:,.0f} a CPU second |",
            flush=True,
        )
    for threads in (1, 2):
        made = _timed(whole, lambda connection, _: build_tables(connection, _CONFIG), threads=threads)
        print(
            f"| DuckDB | {threads} | {made.seconds:.1f} | {made.events / made.seconds:,.0f} | | |", flush=True
        )
    print(f"\nTwo workers do {taken[1] / taken[2]:.2f} times the work of one, on {made.events:,} events.")
    print(f"Load of this machine's {os.cpu_count()} cores in the last 15 minutes: {os.getloadavg()[2]:.1f}.")


@dataclass(frozen=True)
class Taken:
    """What a build took: seconds by the clock, and of the workers' processors."""

    events: int
    seconds: float
    cpu_seconds: float


def _spark_seconds(data: Path, workers: int, memory: str, small: Path, whole: Path) -> tuple[Taken, Taken]:
    """What the small and the whole world take on a cluster of its own that is warm."""
    conf = {
        "spark.driver.host": "127.0.0.1",
        "spark.executor.memory": f"{_megabytes(memory) - 384}m",
        "spark.sql.shuffle.partitions": "4",
    }
    with (
        spark_cluster(data / "cluster", workers=workers, memory=memory) as cluster,
        spark_session(cluster.url, SparkSettings(conf=conf)) as session,
    ):

        def on_spark(connection: duckdb.DuckDBPyConnection, files: Sequence[Path]) -> None:
            store = SparkStore(data, data.as_uri(), data / "tables")
            shutil.rmtree(store.build, ignore_errors=True)
            store.build.mkdir()
            write_config(connection, _CONFIG)
            send_small_tables(connection, session, store)
            staged = {"staged_events": files, "staged_recordings": [], "staged_surveys": []}
            show_staged_files(session, store, staged)
            SparkModels(session, store, workers).make_all(models_of(_CONFIG), lambda _: None)

        _timed(small, on_spark)
        return _timed(small, on_spark, cluster), _timed(whole, on_spark, cluster)


def _timed(
    folder: Path,
    build: Callable[[duckdb.DuckDBPyConnection, Sequence[Path]], None],
    cluster: SparkCluster | None = None,
    *,
    threads: int = 1,
) -> Taken:
    """What a build over a folder of staged days takes."""
    with open_warehouse(None, EngineSettings(threads=threads)) as connection:
        files = sorted(folder.glob("*.parquet"))
        empty_lake(connection)
        empty_reports(connection)
        connection.execute("drop table lake.staged_events")
        connection.execute(f"create view lake.staged_events as from read_parquet({file_list(files)})")
        write_days(connection, [_landed(path) for path in files])
        events = connection.execute("select count(*) from lake.staged_events").fetchall()[0][0]
        begun, used = time.monotonic(), cluster.cpu_seconds() if cluster else 0.0
        build(connection, files)
        cpu_seconds = (cluster.cpu_seconds() if cluster else 0.0) - used
        return Taken(int(events), time.monotonic() - begun, cpu_seconds)


def _landed(path: Path) -> dict[str, object]:
    day = date.fromisoformat(path.stem)
    ends = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    return {"source": SOURCE, "day": day, "ends_us": int(ends.timestamp()) * 1_000_000, "rows": 0} | {
        "is_complete": True,
        "is_settled": True,
    }


def _megabytes(memory: str) -> int:
    return int(memory[:-1]) * (1024 if memory.endswith("g") else 1)


if __name__ == "__main__":
    main()
