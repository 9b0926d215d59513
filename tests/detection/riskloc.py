"""Localisation on real incidents: per minute and leaf, stalled viewers of viewers, and which segment it was.

python tests/detection/riskloc.py [--data FOLDER] [--contender largest_z,detection.ours:localise]

The 68 labelled incidents of RobustSpot as kept by github.com/shaido987/riskloc are no part of the
repository: ``--data`` or PAINPOINTS_RISKLOC names their folder.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(1, str(Path(__file__).resolve().parents[2]))

from detection.claims import Ints
from detection.segments import Conditions, conjunctions, leaf_f1, mask_of

PROJECT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("PAINPOINTS_RISKLOC", PROJECT.parent / "shared" / "data" / "riskloc_rs"))
HALVES = {"files 1-34": slice(0, 34), "files 35-68": slice(34, 68)}
_MOST_CONDITIONS = 3
_LEAST_SHARE = 0.01


@dataclass(frozen=True)
class Case:
    """One incident: L leaves, M minutes; the last is the one to explain, nothing later is shown.

    ``trials`` and ``failures`` (L, M): viewers, and those of them who stalled; the usual success is not
    to stall. ``causes``: the true segments (mostly one), conditions in the order of ``columns``.
    """

    name: str
    columns: tuple[str, ...]
    leaf_values: tuple[tuple[str, ...], ...]
    trials: Ints
    failures: Ints
    causes: tuple[Conditions, ...]


Localise = Callable[[Case], Sequence[Conditions]]
"""Segments that explain the last minute, the best first; it must not read ``Case.causes``."""


def read_cases(folder: Path) -> list[Case]:
    """The cases in the order of ``anomaly.yaml``."""
    listed = yaml.safe_load((folder / "anomaly.yaml").read_text("utf-8"))
    return [_read(folder, each) for each in listed]


def _read(folder: Path, told: dict[str, Any]) -> Case:
    frame = pd.read_csv(folder / str(told["file"]), dtype=str)
    frame = frame.astype({"min": "int64", "value": "int64", "cnt": "int64"})
    columns = tuple(sorted(set(frame.columns) - {"min", "value", "cnt"}))
    frame = frame[frame["min"] <= told["timestamp"]].fillna("")
    minutes = sorted(set(frame["min"]))
    assert minutes[-1] == told["timestamp"], f"{told['file']} has no such minute"
    keys = list(frame[list(columns)].itertuples(index=False, name=None))
    leaves = tuple(sorted(set(keys)))
    rows = np.array([leaves.index(key) for key in keys])
    places = np.searchsorted(minutes, frame["min"].to_numpy())
    trials, failures = np.zeros((2, len(leaves), len(minutes)), dtype=np.int64)
    np.add.at(trials, (rows, places), frame["cnt"].to_numpy())
    np.add.at(failures, (rows, places), frame["value"].to_numpy())
    causes = told["cause"] if isinstance(told["cause"], list) else [told["cause"]]
    ordered = tuple(tuple((c, str(each[c])) for c in columns if c in each) for each in causes)
    return Case(str(told["file"]), columns, leaves, trials, np.minimum(failures, trials), ordered)


def largest_z(case: Case) -> list[Conditions]:
    """The segment whose failures rose most surely against the minutes before: two proportions, any depth."""
    found = []
    now_n, now_k = case.trials[:, -1], case.failures[:, -1]
    n, k = case.trials[:, :-1].sum(axis=1), case.failures[:, :-1].sum(axis=1)
    for depth in range(1, min(_MOST_CONDITIONS, len(case.columns)) + 1):
        for conditions in conjunctions(depth, case.columns, case.leaf_values):
            mask = mask_of(conditions, case.columns, case.leaf_values)
            if now_n[mask].sum() < _LEAST_SHARE * now_n.sum() or not n[mask].sum():
                continue
            a, b = now_n[mask].sum(), n[mask].sum()
            pooled = (now_k[mask].sum() + k[mask].sum()) / (a + b)
            spread = np.sqrt(max(pooled * (1 - pooled), 1e-9) * (1 / a + 1 / b))
            found.append(((now_k[mask].sum() / a - k[mask].sum() / b) / spread, conditions))
    return [conditions for _, conditions in sorted(found, key=lambda each: -each[0])]


@dataclass(frozen=True)
class Told:
    """Over some cases: ``hits``, first answers that are a true segment; ``f1`` = 2 hits / (answers +
    true segments); ``leaves``: mean F1 of leaves of the first answer with all leaves of the causes."""

    cases: int
    hits: int
    f1: float
    leaves: float


def judge(cases: Sequence[Case], localise: Localise) -> Told:
    """Score the first answers; none is allowed and costs recall only."""
    hits = answers = 0
    leaves = []
    for case in cases:
        first = next(iter(localise(case)), None)
        if first is None:
            leaves.append(0.0)
            continue
        answers += 1
        hits += any(set(first) == set(cause) for cause in case.causes)
        truth = np.any([mask_of(each, case.columns, case.leaf_values) for each in case.causes], axis=0)
        leaves.append(leaf_f1(mask_of(first, case.columns, case.leaf_values), truth))
    causes = sum(len(case.causes) for case in cases)
    return Told(len(cases), hits, 2 * hits / (answers + causes), float(np.mean(leaves)))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--contender", type=lambda text: text.split(","), default=["largest_z"])
    parser.add_argument("--half", choices=("1", "2", "both"), default="both", help="tune on 1, report 2")
    parser.add_argument("--cases", action="store_true", help="show every first answer beside the truth")
    asked = parser.parse_args()
    if not (asked.data / "anomaly.yaml").exists():
        sys.exit(f"no incidents in {asked.data}; --data or PAINPOINTS_RISKLOC names their folder")
    cases = read_cases(asked.data)
    print(f"{'contender':<32}{'cases':<14}{'hits':>6}{'top-1 F1':>10}{'leaf F1':>9}")
    for name in asked.contender:
        module, _, attribute = name.partition(":")
        localise = getattr(import_module(module), attribute) if attribute else {"largest_z": largest_z}[name]
        for half, part in list(HALVES.items()) + ([("all", slice(None))] if asked.half == "both" else []):
            if asked.half != "both" and half != list(HALVES)[int(asked.half) - 1]:
                continue
            told = judge(cases[part], localise)
            print(f"{name:<32}{half:<14}{told.hits:>6}{told.f1:>10.3f}{told.leaves:>9.3f}")
            for case in cases[part] if asked.cases and half != "all" else ():
                print(f"  {case.name}: {_text(list(localise(case))[:1])}; truth {_text(case.causes)}")


def _text(segments: Sequence[Conditions]) -> str:
    return " or ".join(" & ".join(f"{column}={value}" for column, value in each) for each in segments)


if __name__ == "__main__":
    main()
