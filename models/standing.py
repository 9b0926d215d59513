"""Standing gaps: a transition that converts below the ideal the journey sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.baseline import AUTOCORRELATION_INFLATION
from models.cube import Bools, Slice, TransitionCube
from models.evidence import lower_tail, signed_root_deviance

STANDING_DAYS = 28
LEAST_DAYS = 7
LEAST_EXPECTED = 12.0
LEAST_FAILURES = 5.0
SCREEN = -2.5
MOST_SEGMENTS = 3


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


def scan_standing_gaps(
    cube: TransitionCube,
    slices: Sequence[Slice],
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
    recent = np.zeros(len(cube.days), dtype=np.bool_)
    recent[-STANDING_DAYS:] = True
    usable = ~explained & (recent & cube.seen)[None, :]
    days = int(usable.any(axis=0).sum())
    if days < LEAST_DAYS:
        return []
    found: list[Gap] = []
    remaining = list(slices)
    while remaining and len(found) < MOST_SEGMENTS:
        judged = [
            gap
            for each in remaining
            if (gap := _judge(cube, each, usable, ideal, shock, margin, len(slices), days)) is not None
        ]
        passing = [gap for gap in judged if gap.p_value <= least_p]
        if not passing:
            break
        best = min(passing, key=lambda gap: (gap.p_value, -gap.expected))
        whole = next((gap for gap in passing if gap.slice.depth == 0), None)
        if whole is not None and not _meets_ideal_outside(cube, best.slice, usable, ideal, margin):
            return [*found, replace(whole, already_found=tuple(each.slice for each in found))]
        found.append(replace(best, already_found=tuple(each.slice for each in found)))
        usable = usable & ~best.slice.leaves[:, None]
        remaining = [each for each in remaining if (each.leaves & ~best.slice.leaves).any()]
    return found


def _judge(
    cube: TransitionCube,
    each: Slice,
    usable: Bools,
    ideal: float,
    shock: float,
    margin: float,
    tests: int,
    days: int,
) -> Gap | None:
    cells = usable & each.leaves[:, None]
    n, k = float(cube.matured[cells].sum()), float(cube.advanced[cells].sum())
    tolerated = n * ideal * (1 - margin)
    if tolerated < LEAST_EXPECTED or n * (1 - ideal) < LEAST_FAILURES or k >= tolerated:
        return None
    information = n * ideal * (1 - ideal)
    by_day = np.where(cells, cube.matured, 0).sum(axis=0) * ideal * (1 - ideal)
    variance = information + shock**2 * AUTOCORRELATION_INFLATION * float((by_day**2).sum())
    inflation = variance / max(information, 1e-9)
    z = signed_root_deviance(np.array([k]), np.array([n]), np.array([tolerated]))[0] / inflation**0.5
    if z > SCREEN:
        return None
    p = min(1.0, lower_tail(k, n, tolerated, variance) * (tests if each.depth else 1))
    return Gap(each, cells, n * ideal, variance, p, days)


def _meets_ideal_outside(
    cube: TransitionCube, inside: Slice, usable: Bools, ideal: float, margin: float
) -> bool:
    cells = usable & ~inside.leaves[:, None]
    trials = float(cube.matured[cells].sum())
    return inside.depth > 0 and trials > 0 and cube.advanced[cells].sum() >= trials * ideal * (1 - margin)
