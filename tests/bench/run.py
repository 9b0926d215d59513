"""Time every contender on the same world, one after another, and check that all say the same per session.

python tests/bench/run.py [--events 18e6] [--only ours,polars] [--python polars=/path/to/python]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from contenders import CONTENDERS, OURS
from measured import HERE, Limits, Measured, compared, environment, is_installed, measure
from shown import print_profile, print_results


def main() -> None:
    asked = _arguments()
    folder: Path = asked.data
    world = _world(asked, min(CONTENDERS[name].share for name in asked.only))
    about = json.loads((world / "world.json").read_text("utf-8"))
    print(
        f"{about['events']:,} events, {about['users']:,} users, {about['days']} days, {asked.threads} threads"
    )
    results: dict[str, Measured] = {}
    for name in asked.only:
        print(f"{name} …", end="", flush=True)
        results[name] = each = _best_of(asked.repeat, name, asked, world, about["events"])
        print(f" {each.problem}" if each.seconds is None else f" {each.seconds:.1f} s", flush=True)
    _check(results, world)
    print_results(list(results.values()), OURS)
    if asked.profile:
        print_profile([each for each in results.values() if each.tables])
    told = {
        "world": about,
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        },
        "threads": asked.threads,
        "memory_gb": asked.memory_gb,
        "contenders": {name: asdict(each) for name, each in results.items()},
    }
    (folder / "results.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    print(f"\n{folder / 'results.json'}")
    if any(each.differing for each in results.values()):
        sys.exit("the contenders do not agree")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--data", type=Path, default=Path("bench-data"), help="where worlds and results are kept"
    )
    parser.add_argument("--events", type=lambda text: int(float(text)), default=18_000_000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--memory-gb", type=float, default=6.0, help="limit of engines that take one, 1e9 bytes"
    )
    parser.add_argument("--repeat", type=int, default=1, help="runs of each contender; the fastest counts")
    parser.add_argument("--profile", action="store_true", help="show the seconds of each of our tables")
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(CONTENDERS), metavar="A,B")
    parser.add_argument(
        "--python",
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="interpreter of a contender or library",
    )
    asked = parser.parse_args()
    asked.python = dict(each.split("=", 1) for each in asked.python)
    known = {*CONTENDERS, *(each.library for each in CONTENDERS.values())}
    unknown = [name for name in asked.only if name not in CONTENDERS] + sorted(asked.python.keys() - known)
    if unknown:
        parser.error(f"no such contender: {', '.join(unknown)}; there are {', '.join(CONTENDERS)}")
    return asked


def _world(asked: argparse.Namespace, share: float) -> Path:
    """The world's folder, from a process of its own: memory used here would count as a contender's."""
    command = [sys.executable, str(HERE / "world.py"), str(asked.data), "--share", str(share)]
    command += ["--events", str(asked.events), "--days", str(asked.days), "--seed", str(asked.seed)]
    return Path(subprocess.check_output(command, text=True, env=environment()).strip())


def _best_of(times: int, name: str, asked: argparse.Namespace, world: Path, events: int) -> Measured:
    contender = CONTENDERS[name]
    # a library's interpreter serves all contenders that need it
    python = asked.python.get(name) or asked.python.get(contender.library, sys.executable)
    if not is_installed(python, contender.library):
        return Measured(name, problem="not installed")
    if events > contender.most_events:
        return Measured(name, problem="for small worlds only")
    limits = Limits(asked.threads, asked.memory_gb)
    events_of = world / ("events" if contender.share >= 1 else f"events-{contender.share:g}")
    runs = [
        measure(name, contender, python, events_of, world / f"{name}.parquet", limits) for _ in range(times)
    ]
    return min(runs, key=lambda each: float("inf") if each.seconds is None else each.seconds)


def _check(results: dict[str, Measured], world: Path) -> None:
    """Compare each result with ours, session by session."""
    if OURS not in results or results[OURS].problem:
        return
    for name, each in results.items():
        if each.problem or not CONTENDERS[name].is_checked:
            continue
        told: dict[str, Any] = compared(world / f"{OURS}.parquet", world / f"{name}.parquet", each.share)
        each.differing, each.sessions, each.reached = told["differing"], told["sessions"], told["reached"]


if __name__ == "__main__":
    main()
