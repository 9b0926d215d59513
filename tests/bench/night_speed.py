"""Time a night beside a whole build: a new day with late rows in the two before it, and nothing new.

python tests/bench/night_speed.py [--events 18e6] [--data bench-data]
"""

from __future__ import annotations

import argparse
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
from bench_ours import gather, gather_files, world_config
from contract import Task
from world import make_world

from pipelines.build_base import forget_base
from pipelines.engine_settings import EngineSettings
from pipelines.publishing import publish
from pipelines.renewed_tables import renew_tables
from pipelines.warehouse import open_warehouse

LATE_DAYS = 2
LATE_SHARE = 50  # one event in so many comes after its day was landed first


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("bench-data"))
    parser.add_argument("--events", type=lambda text: int(float(text)), default=18_000_000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-gb", type=float, default=4.0)
    parser.add_argument("--journeys", default="session", help="session, user, or both: session,user")
    asked = parser.parse_args()
    world = make_world(asked.data, asked.events, asked.days, asked.seed)
    scratch = world / "night.scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    engine = EngineSettings(threads=asked.threads, memory_limit=f"{asked.memory_gb}GB")
    task = Task(world / "events", scratch / "none", scratch, asked.threads, asked.memory_gb)
    days = sorted(task.events.glob("*.parquet"))
    before = [*days[: -1 - LATE_DAYS], *(_without_late(day, scratch) for day in days[-1 - LATE_DAYS : -1])]
    config = world_config(tuple(asked.journeys.split(",")))
    published = scratch / "painpoints.duckdb"
    with open_warehouse(scratch / "warehouse.duckdb", engine) as connection:

        def build() -> str:
            renewed = renew_tables(connection, config, fewest_events=0)
            return "renewed" if renewed else "whole"

        def publishes() -> str:
            publish(connection, published)
            return ""

        gather(connection, task)
        gather_files(connection, before)
        _shown("whole build, the day before", build)
        _shown("  published", publishes)
        gather_files(connection, days)
        night = _shown("night: a new day, late rows", build)
        night_published = _shown("  published", publishes)
        _shown("night: nothing new", build)
        _shown("  published", publishes)
        forget_base(connection)
        published.unlink()
        whole = _shown("whole build, the same days", build)
        whole_published = _shown("  published", publishes)
    for name, dear, cheap in (
        ("the build of a night", whole, night),
        ("with publishing", _sum(whole, whole_published), _sum(night, night_published)),
    ):
        print(
            f"{name} costs 1/{dear[0] / cheap[0]:.1f} of the time, 1/{dear[1] / cheap[1]:.1f} of the CPU time"
        )
    shutil.rmtree(scratch)


def _without_late(day: Path, folder: Path) -> Path:
    """The day as it was landed first."""
    target = folder / f"{day.stem}-first.parquet"
    with duckdb.connect() as db:
        db.execute(
            f"copy (select * from read_parquet('{day}') where event_number % {LATE_SHARE} <> 0) "
            f"to '{target}' (format parquet, compression zstd)"
        )
    return target


def _sum(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    return one[0] + other[0], one[1] + other[1]


def _shown(name: str, work: Callable[[], str]) -> tuple[float, float]:
    started, cpu = time.perf_counter(), _cpu_seconds()
    remark = work()
    took = time.perf_counter() - started, _cpu_seconds() - cpu
    print(f"{name:<28} {took[0]:7.1f} s {took[1]:7.1f} cpu s  {remark}", flush=True)
    return took


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
