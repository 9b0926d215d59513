"""Traffic of no customers: a segment's volume jumps for a day and its conversions do not follow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from models.cohorts import CountCube
from models.reference import Reference
from models.slices import Bools, Conditions, Floats, SliceSet

JUMP = 1.25  # times the usual volume, beside what everyone else's volume did
SURE_JUMP = 4.0  # standard deviations
SURE_FALL = -3.5
SLACK = 3.0  # standard deviations below the usual number of conversions that still count as not down
VOLUME_NOISE = 0.05  # of a segment's volume, beyond chance
MOST = 40


@dataclass(frozen=True)
class Burst:
    """A segment and day with ``attempts`` where ``usual`` were expected, whose conversions did not rise."""

    conditions: Conditions
    day: date
    attempts: float
    usual: float


def foreign_traffic(
    cube: CountCube, reference: Reference, cells: Bools, slices: SliceSet
) -> tuple[Bools, tuple[Burst, ...]]:
    """Cells (leaves, days) that are no evidence of a fall, and the bursts that say why.

    ``cells`` are those the reference was made of. A burst has more attempts than usual and a rate that is
    not: lower, with as many conversions as the usual attempts would have brought, so that nobody was lost;
    or higher, as of programs that all take the same step.
    """
    days = np.maximum(cells.sum(axis=1), 1)
    usual_leaf = np.where(cells, cube.trials, 0).sum(axis=1) / days
    masked = np.zeros(cube.trials.shape, dtype=np.bool_)
    bursts: list[Burst] = []
    usual = slices.sums(usual_leaf)
    deep = slices.depths() > 0
    if not _may_hold(cube, usual_leaf, slices):
        return masked, ()
    for _ in range(MOST):
        open_ = ~masked & (cube.share > 0)
        n = slices.sums(np.where(masked, usual_leaf[:, None], cube.trials))
        x = slices.sums(np.where(open_, cube.exposure, 0))
        k = slices.sums(np.where(open_, cube.successes, 0))
        e = slices.sums(np.where(open_, cube.exposure * reference.rates, 0))
        others = (n[slices.whole] - n) / np.maximum(usual[slices.whole] - usual, 1e-9)[:, None]
        normal = np.maximum(usual[:, None] * others, 1e-9)
        jump = (n - normal) / np.sqrt(normal + (VOLUME_NOISE * normal) ** 2)
        fall = (k - e) / np.sqrt(np.maximum(e * (1 - e / np.maximum(x, 1e-9)), 1e-9))
        should = e * normal / np.maximum(n, 1e-9)
        follows = k >= should - SLACK * np.sqrt(np.maximum(should, 1) + (VOLUME_NOISE * should) ** 2)
        odd = ((fall < SURE_FALL) & follows) | (fall > -SURE_FALL)
        is_burst = deep[:, None] & (n > JUMP * normal) & (jump > SURE_JUMP) & odd
        if not is_burst.any():
            break
        row, day = np.unravel_index(int(np.argmax(np.where(is_burst, jump * np.abs(fall), 0))), n.shape)
        masked[slices.slices[row].leaves, day] = True
        bursts.append(
            Burst(slices.slices[row].conditions, cube.days[day], float(n[row, day]), float(normal[row, day]))
        )
    return masked, tuple(bursts)


def _may_hold(cube: CountCube, usual_leaf: Floats, slices: SliceSet) -> bool:
    """Whether any slice's volume jumped at all: most nights have none, and the rest need not be asked."""
    n, usual = slices.sums(cube.trials), slices.sums(usual_leaf)
    level = n[slices.whole] / max(float(usual[slices.whole]), 1e-9)
    return bool((n > JUMP * np.outer(usual, level) + SURE_JUMP * np.sqrt(np.outer(usual, level) + 1)).any())
