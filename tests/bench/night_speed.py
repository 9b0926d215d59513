"""Time nights beside whole ones: a new day with late rows in the two before it, twice, and nothing new.

python tests/bench/night_speed.py [--events 18e6] [--days 60] [--data bench-data]

From staged day files on: tables, detection (the first time of 46 nights), the published file, the report.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
from bench_ours import gather, gather_files, journey_texts
from contract import Task
from world import make_world
from world_columns import SOURCE

from pipelines.build_base import forget_base
from pipelines.detecting import detect_nights
from pipelines.finding_store import make_state
from pipelines.publishing import publish
from pipelines.renewed_tables import renew_tables
from pipelines.report import write_report
from pipelines.steps import world_config
from pipelines.warehouse import open_warehouse
from pipelines.workspace import Workspace, open_workspace

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
    parser.add_argument("--once", action="store_true", help="hold the night against the first build")
    asked = parser.parse_args()
    world = make_world(asked.data, asked.events, asked.days, asked.seed)
    scratch = world / "night.scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    workspace = _workspace(scratch, asked)
    task = Task(world / "events", scratch / "none", scratch, asked.threads, asked.memory_gb)
    days = sorted(task.events.glob("*.parquet"))
    landed = [_landed_by(days[:number], scratch) for number in (len(days) - 2, len(days) - 1, len(days))]
    config = world_config(workspace)
    with open_warehouse(workspace.warehouse, workspace.settings.engine) as connection:

        def build() -> str:
            return "renewed" if renew_tables(connection, config, fewest_events=0) else "whole"

        def judge() -> str:
            make_state(connection)
            return f"nights: {len(detect_nights(connection, workspace, lambda _: None))}"

        def publishes() -> str:
            publish(connection, workspace.published)
            return f"{workspace.published.stat().st_size / 1e9:.2f} GB"

        def reports() -> str:
            write_report(workspace)
            return ""

        def all_of_it(name: str) -> tuple[float, float]:
            print(name)
            took = [
                _shown(f"  {each.__name__.replace('_', ' ')}", each)
                for each in (build, judge, publishes, reports)
            ]
            built.append(took[0])
            total = sum(each[0] for each in took), sum(each[1] for each in took)
            print(f"  {'together':<12} {total[0]:7.1f} s {total[1]:7.1f} cpu s", flush=True)
            return total

        built: list[tuple[float, float]] = []
        gather(connection, task)
        gather_files(connection, landed[0])
        whole = all_of_it("all anew, two days before")
        gather_files(connection, landed[1])
        all_of_it("the night after it, which copies the published file")
        gather_files(connection, landed[2])
        night = all_of_it("a night: a new day, late rows")
        all_of_it("a night: nothing new")
        if not asked.once:
            gather_files(connection, days)
            forget_base(connection)
            workspace.published.unlink()
            whole = all_of_it("all anew, the same days")
    for name, dear, cheap in (
        ("the build of a night", built[-1 if not asked.once else 0], built[2]),
        ("all of a night", whole, night),
    ):
        print(
            f"{name} costs 1/{dear[0] / cheap[0]:.1f} of the time, 1/{dear[1] / cheap[1]:.1f} of the CPU time"
        )
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB")
    shutil.rmtree(scratch)


def _landed_by(days: Sequence[Path], folder: Path) -> list[Path]:
    """The days as they are on the last of them: of it and of those before some rows are to come."""
    return [*days[:-LATE_DAYS], *(_without_late(day, folder) for day in days[-LATE_DAYS:])]


def _without_late(day: Path, folder: Path) -> Path:
    """The day as it was landed first."""
    target = folder / f"{day.stem}-first.parquet"
    if target.exists():
        return target
    with duckdb.connect() as db:
        db.execute(
            f"copy (select * from read_parquet('{day}') where event_number % {LATE_SHARE} <> 0) "
            f"to '{target}' (format parquet, compression zstd)"
        )
    return target


def _workspace(folder: Path, asked: argparse.Namespace) -> Workspace:
    """A workspace whose warehouse and published file are made here; its lake is the world's."""
    (folder / "painpoints.toml").write_text(
        'timezone = "Europe/Madrid"\ncurrency = "EUR"\n'
        f'[sources.{SOURCE}]\nkind = "mixpanel"\nfiles = "exports/*.jsonl"\n'
        f'[engine]\nthreads = {asked.threads}\nmemory_limit = "{asked.memory_gb}GB"\n'
    )
    (folder / "journeys").mkdir()
    for name, text in journey_texts(asked.journeys.split(",")).items():
        (folder / "journeys" / f"{name}.yaml").write_text(text)
    return open_workspace(folder)


def _shown(name: str, work: Callable[[], str]) -> tuple[float, float]:
    started, cpu = time.perf_counter(), _cpu_seconds()
    remark = work()
    took = time.perf_counter() - started, _cpu_seconds() - cpu
    print(f"{name:<14} {took[0]:7.1f} s {took[1]:7.1f} cpu s  {remark}", flush=True)
    return took


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
