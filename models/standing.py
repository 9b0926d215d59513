"""Standing gaps: a transition that converts below the ideal the journey sets."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.baseline import PRIOR_AUTOCORRELATION
from models.cohorts import CountCube
from models.evidence import lower_tail, signed_root_deviance
from models.slices import Bools, Slice, SliceSet

STANDING_DAYS = 28
LEAST_DAYS = 7
LEAST_EXPECTED = 12.0
LEAST_FAILURES = 5.0
SCREEN = -2.5
MOST_SEGMENTS = 3
MATURE = 0.999  # of a day's arrivals were seen
NEARLY = 0.98  # of a leaf's, on such a day
# of a long sum of shocks with lag-1 autocorrelation r: its variance over that of independent ones
INFLATION = (1 + PRIOR_AUTOCORRELATION) / (1 - PRIOR_AUTOCORRELATION)


@dataclass(frozen=True)
class Gap:
    """A slice below its ideal in the cells (leaves, days) of the last 28 mature days."""

    slice: Slice
    cells: Bools
    expected: float
    variance: float
    p_value: float
    days: int
    already_found: tuple[Slice, ...] = ()


def mature_cells(cube: CountCube) -> Bools:
    """The cells (leaves, days) of the last 28 days whose cohorts were seen to their end.

    A day is over when it is for most of its attempts: some leaves are usually quicker, and a day of
    theirs alone would say little of the whole.
    """
    nearly = cube.share >= NEARLY
    trials, seen = (np.where(cells, cube.trials, 0).sum(axis=0) for cells in (nearly, cube.share > 0))
    over = np.where(nearly, cube.exposure, 0).sum(axis=0) >= MATURE * trials
    mature = np.asarray(nearly & (over & (trials > 0.5 * seen))[None, :])
    days = np.flatnonzero(mature.any(axis=0))
    recent = np.zeros(len(cube.days), dtype=np.bool_)
    if len(days):
        recent[max(days[-1] + 1 - STANDING_DAYS, 0) : days[-1] + 1] = True
    return np.asarray(mature & recent[None, :])


def scan_standing_gaps(
    cube: CountCube,
    slices: SliceSet,
    explained: Bools,
    *,
    ideal: float,
    shock: float,
    margin: float,
    least_p: float,
) -> list[Gap]:
    """Slices whose rate is below ``ideal``, apart from cells a regression already ``explained``.

    Where the whole falls short the whole is the finding, unless everyone outside one segment meets the
    ideal: then that segment is. Otherwise single segments may fall short on their own.
    """
    usable = ~explained & mature_cells(cube)
    days = int(usable.any(axis=0).sum())
    if days < LEAST_DAYS:
        return []
    found: list[Gap] = []
    while len(found) < MOST_SEGMENTS:
        judged = _judge(cube, slices, usable, ideal, shock, margin, days)
        passing = [gap for gap in judged if gap.p_value <= least_p]
        if not passing:
            break
        best = min(passing, key=lambda gap: (gap.p_value, -gap.expected))
        already = tuple(each.slice for each in found)
        whole = next((gap for gap in passing if gap.slice.depth == 0), None)
        if whole is not None and not _meets_ideal_outside(cube, best.slice, usable, ideal, margin):
            return [*found, replace(whole, already_found=already)]
        found.append(replace(best, already_found=already))
        usable = usable & ~best.slice.leaves[:, None]
    return found


def _judge(
    cube: CountCube,
    slices: SliceSet,
    usable: Bools,
    ideal: float,
    shock: float,
    margin: float,
    days: int,
) -> list[Gap]:
    """The slices that look short of the ideal, with their p-values."""
    by_day = slices.sums(np.where(usable, cube.trials, 0))
    n, k = by_day.sum(axis=1), slices.sums(np.where(usable, cube.successes, 0).sum(axis=1))
    tolerated = n * ideal * (1 - margin)
    information = n * ideal * (1 - ideal)
    common = shock**2 * INFLATION * ((by_day * ideal * (1 - ideal)) ** 2).sum(axis=1)
    variance = information + common
    inflation = np.maximum(variance / np.maximum(information, 1e-9), 1)
    z = signed_root_deviance(k, n, tolerated) / np.sqrt(inflation)
    enough = (tolerated >= LEAST_EXPECTED) & (n * (1 - ideal) >= LEAST_FAILURES)
    gaps = []
    for index in np.flatnonzero(enough & (z < SCREEN)).tolist():
        each = slices.slices[index]
        # many slices are asked, the whole once
        tests = len(slices.slices) if each.depth else 1
        p = min(1.0, lower_tail(k[index], n[index], tolerated[index], variance[index]) * tests)
        cells = usable & each.leaves[:, None]
        gaps.append(Gap(each, cells, float(n[index] * ideal), float(variance[index]), p, days))
    return gaps


def _meets_ideal_outside(cube: CountCube, inside: Slice, usable: Bools, ideal: float, margin: float) -> bool:
    cells = usable & ~inside.leaves[:, None]
    trials = float(cube.trials[cells].sum())
    return inside.depth > 0 and trials > 0 and cube.successes[cells].sum() >= trials * ideal * (1 - margin)
