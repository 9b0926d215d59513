"""Time publishing: a file that is new, one in which nothing changed, and one in which two days did.

python tests/bench/publishing_speed.py [--events 18e6] [--data bench-data]
"""

from __future__ import annotations

import argparse
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
from bench_ours import gather, world_config
from contract import Task
from world import make_world

from connectors.durable_files import sha256_of
from pipelines.engine_settings import EngineSettings
from pipelines.journey_tables import build_tables
from pipelines.publishing import publish
from pipelines.renewing import remember_file
from pipelines.warehouse import open_warehouse


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("bench-data"))
    parser.add_argument("--events", type=lambda text: int(float(text)), default=18_000_000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-gb", type=float, default=4.0)
    asked = parser.parse_args()
    world = make_world(asked.data, asked.events, asked.days, asked.seed)
    scratch = world / "publishing.scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    engine = EngineSettings(threads=asked.threads, memory_limit=f"{asked.memory_gb}GB")
    target = scratch / "painpoints.duckdb"
    task = Task(world / "events", scratch / "none", scratch, asked.threads, asked.memory_gb)
    with open_warehouse(scratch / "warehouse.duckdb", engine) as connection:
        gather(connection, task)
        files = sorted(map(str, task.events.glob("*.parquet")))
        _shown("build", lambda: build_tables(connection, world_config(("session",))))
        _shown("publish, new", lambda: publish(connection, target))
        _shown("publish, nothing changed", lambda: publish(connection, target))
        _forget_two_days(target, files[-1])
        remember_file(connection, sha256_of(target))  # else the file would be nobody's
        _shown("publish, two days changed", lambda: publish(connection, target))
    print(f"published file: {target.stat().st_size / 1e6:,.0f} MB")
    shutil.rmtree(scratch)


def _forget_two_days(published: Path, newest_file: str) -> None:
    """Leave the file as if the rows of the last two days had changed, and the newest staged file were new."""
    with duckdb.connect(str(published)) as db:
        db.execute(
            "update about.row_days set digest = 'another' "
            "where day_number >= (select max(day_number) - 1 from about.row_days)"
        )
        db.execute("delete from about.staged_files where file = ?", [newest_file])


def _shown(name: str, work: Callable[[], None]) -> None:
    started, cpu = time.perf_counter(), _cpu_seconds()
    work()
    print(
        f"{name:<28} {time.perf_counter() - started:7.1f} s {_cpu_seconds() - cpu:7.1f} cpu s",
        flush=True,
    )


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
