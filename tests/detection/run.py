"""Let contenders judge worlds of the benchmark and print their scores in one table.

python tests/detection/run.py [--seeds 20] [--volume 20k] [--kinds null,pain] [--contender ours,daily_z]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path

# one thread a process: the matrices are small, and --processes says how many cores are used
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# the contender under test lives in the project, wherever this is started from
sys.path.insert(1, str(Path(__file__).resolve().parents[2]))

from detection.contenders import NAMED, maker_of
from detection.grid import KINDS, REPORTING_SEEDS, TUNING_SEEDS, VOLUMES
from detection.scoring import Score, run
from detection.shown import Row, as_json, print_table
from detection.summary import Measured, summarise
from detection.world import make_world

Task = tuple[str, str, int, tuple[str, ...]]  # kind, volume, seed, contenders


def main() -> None:
    asked = _arguments()
    seeds, about = _seeds(asked)
    tasks: list[Task] = [
        (kind, volume, seed, tuple(asked.contender))
        for volume in asked.volume
        for kind in asked.kinds
        for seed in seeds
    ]
    if not asked.json:
        print(f"{len(tasks)} worlds, seeds {about}\n", flush=True)
    began = time.perf_counter()
    groups: dict[tuple[str, str, str], list[Score]] = defaultdict(list)
    for done, ((kind, volume, _, _), scores) in enumerate(
        zip(tasks, _judged(tasks, asked.processes), strict=True), 1
    ):
        for each in scores:
            groups[volume, each.contender, kind].append(each)
        if sys.stderr.isatty():
            print(f"\r{done} of {len(tasks)} worlds", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    order = sorted(groups, key=lambda key: (asked.volume.index(key[0]), asked.contender.index(key[1])))
    rows: dict[Row, Mapping[str, Measured]] = {
        (*key, len(groups[key])): summarise(groups[key]) for key in order
    }
    if asked.json:
        print(as_json(rows, about))
    else:
        print_table(rows)
        print(f"seeds {about}; {time.perf_counter() - began:.0f} s")


def _judged(tasks: Sequence[Task], processes: int) -> Iterator[list[Score]]:
    """The scores of every task, in their order."""
    if processes == 1:
        yield from map(_judge, tasks)
        return
    with get_context("spawn").Pool(processes) as pool:
        yield from pool.imap(_judge, tasks)


def _judge(task: Task) -> list[Score]:
    kind, volume, seed, names = task
    return run({name: maker_of(name) for name in names}, make_world(kind, VOLUMES[volume], seed))


def _seeds(asked: argparse.Namespace) -> tuple[range, str]:
    """The seeds and a text that says which they are."""
    text: str = asked.seeds
    if "-" in text:
        first, last = (int(part) for part in text.split("-"))
        seeds = range(first, last + 1)
    else:
        kept = REPORTING_SEEDS if asked.report else TUNING_SEEDS
        seeds = kept[: int(text)]
    for name, kept in (("tuning", TUNING_SEEDS), ("reporting", REPORTING_SEEDS)):
        if seeds and seeds[0] in kept and seeds[-1] in kept:
            return seeds, f"{seeds[0]}-{seeds[-1]} ({name})"
    sys.exit(
        f"seeds must lie in {TUNING_SEEDS[0]}-{TUNING_SEEDS[-1]} (tuning) "
        f"or {REPORTING_SEEDS[0]}-{REPORTING_SEEDS[-1]} (reporting)"
    )


def _arguments() -> argparse.Namespace:
    def names(text: str) -> list[str]:
        return text.split(",")

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", default="20", metavar="N|A-B", help="how many, or from and to")
    parser.add_argument("--report", action="store_true", help="reporting seeds instead of tuning seeds")
    parser.add_argument("--volume", type=names, default=["20k"], help=f"of {','.join(VOLUMES)}")
    parser.add_argument("--kinds", type=names, default=["null", "pain"], help=f"all, or of {','.join(KINDS)}")
    parser.add_argument(
        "--contender", type=names, default=list(NAMED), help="names, or module:callable, with commas"
    )
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if asked.kinds == ["all"]:
        asked.kinds = list(KINDS)
    for given, known in ((asked.volume, VOLUMES), (asked.kinds, KINDS)):
        if unknown := [each for each in given if each not in known]:
            parser.error(f"no such {', '.join(unknown)}; there are {', '.join(known)}")
    return asked


if __name__ == "__main__":
    main()
