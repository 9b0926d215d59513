"""Write event-level worlds, run the whole program on each, and score what it published.

python tests/detection/event_run.py [--seeds 2] [--report] [--kinds null,pain] [--keep DIR] [--json]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# the generator lives in the project, wherever this is started from
sys.path.insert(1, str(Path(__file__).resolve().parents[2]))

from connectors.shop_plants import attempts_per_user
from detection.event_plants import DAYS, EVENT_KINDS, NIGHTS, USERS
from detection.event_scoring import false_findings, read_told, score_events
from detection.event_world import LAST_DAY, EventWorld, write_world
from detection.grid import REPORTING_SEEDS, TUNING_SEEDS
from detection.scoring import Score
from detection.shown import as_json, print_table
from detection.summary import summarise

PROGRAM = Path(__file__).resolve().parents[2]


def main() -> None:
    asked = _arguments()
    kept, name = (REPORTING_SEEDS, "reporting") if asked.report else (TUNING_SEEDS, "tuning")
    seeds = kept[: asked.seeds]
    groups: dict[str, list[Score]] = defaultdict(list)
    for seed in seeds:
        for kind in asked.kinds:
            folder = Path(tempfile.mkdtemp(prefix=f"{kind}-{seed}-", dir=asked.keep))
            try:
                score, lines = judge(folder, kind, seed)
            finally:
                if asked.keep is None:
                    shutil.rmtree(folder)
            groups[kind].append(score)
            if not asked.json:
                print(*lines, sep="\n", flush=True)
    rows = {(_volume(), "program", kind, len(each)): summarise(each) for kind, each in groups.items()}
    about = f"{seeds[0]}-{seeds[-1]} ({name})"
    if asked.json:
        print(as_json(rows, about))
        return
    print()
    print_table(rows)
    print(f"\nHere oracle R: plants that a plain test at 4.5 sigma would rather see than not. seeds {about}")


def judge(
    folder: Path, kind: str, seed: int, *, days: int = DAYS, users: int = USERS
) -> tuple[Score, list[str]]:
    """Write a world into ``folder``, run `painpoints run` there, score it; and say how it went.

    Raises RuntimeError with the program's words where it failed.
    """
    world = write_world(folder, kind, seed, days=days, users=users)
    began = time.perf_counter()
    command = [
        sys.executable,
        "-c",
        "from pipelines.cli import main; main()",
        "run",
        "--workspace",
        str(folder),
    ]
    done = subprocess.run(command, cwd=PROGRAM, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{kind} {seed}: the program failed: {done.stderr[-2000:]}")
    _, told = read_told(folder / "painpoints.duckdb")
    score = score_events(world, told, LAST_DAY, users)
    score.seconds = time.perf_counter() - began
    lines = [f"{kind} {seed}: {score.hits} of {score.plants} planted, {score.claims} open on the last night, "
             f"{len({each.id for each in told})} ids in {NIGHTS} nights, {score.false_new} of them false; "
             f"{score.seconds:.0f} s"]  # fmt: skip
    lines += [f"  {_planted(world, number)}" for number in range(len(world.plants))]
    lines += [f"  false: {each.night} {each.kind}: {each.headline}" for each in false_findings(world, told)]
    return score, lines


def _planted(world: EventWorld, number: int) -> str:
    plant = world.plants[number]
    return (
        f"planted: {plant.stage} to {plant.next_stage}, {plant.segment}, {plant.relative_change:+.0%} "
        f"since {plant.started_on}, power {plant.power:.2f}, expected loss {world.lost[number]:.0f}"
    )


def _volume() -> str:
    return f"{USERS * attempts_per_user(DAYS) / DAYS / 1000:.1f}k"


def _arguments() -> argparse.Namespace:
    def kinds(text: str) -> list[str]:
        return list(EVENT_KINDS) if text == "all" else text.split(",")

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1, help="how many worlds of each kind")
    parser.add_argument("--report", action="store_true", help="reporting seeds instead of tuning seeds")
    parser.add_argument(
        "--kinds", type=kinds, default=list(EVENT_KINDS), help=f"all, or of {','.join(EVENT_KINDS)}"
    )
    parser.add_argument("--keep", type=Path, default=None, metavar="DIR", help="keep the workspaces there")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if unknown := [each for each in asked.kinds if each not in EVENT_KINDS]:
        parser.error(f"no such kind: {', '.join(unknown)}; there are {', '.join(EVENT_KINDS)}")
    if asked.keep is not None:
        asked.keep.mkdir(parents=True, exist_ok=True)
    return asked


if __name__ == "__main__":
    main()
