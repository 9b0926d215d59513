"""Traffic of no customers: a segment's volume jumps for a day and its conversions do not follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np

from models.cohorts import CountCube
from models.slices import Bools, Conditions, Floats, SliceSet

JUMP = 1.25  # times the usual volume, beside what everyone else's volume did
SURE_JUMP = 4.0  # standard deviations
SURE_FALL = -3.5
SLACK = 3.0  # standard deviations below the usual number of conversions that still count as not down
DAYS_BEFORE = 14
NEVER = 1e12  # times the others: what has too short a past jumps never
VOLUME_NOISE = 0.08  # of a segment's volume, beyond chance
MOST = 40


@dataclass(frozen=True)
class Burst:
    """A segment and day with ``attempts`` where ``usual`` were expected, whose conversions did not rise."""

    conditions: Conditions
    day: date
    attempts: float
    usual: float


def foreign_traffic(
    cube: CountCube, usual_rates: Callable[[], Floats], slices: SliceSet
) -> tuple[Bools, tuple[Burst, ...]]:
    """Cells (leaves, days) that are no evidence of a fall, and the bursts that say why.

    ``usual_rates`` gives the rates (leaves, days) to expect, where they are needed. A burst has more
    attempts than usual and a rate that is not: lower, with as many conversions as the usual attempts would
    have brought, so that nobody was lost; or higher, as of programs that all take the same step.
    """
    people = cube.trials.copy()
    masked = np.zeros(people.shape, dtype=np.bool_)
    bursts: list[Burst] = []
    rates: Floats | None = None
    n = slices.sums(people)
    usual = _usual_share(n, slices.whole)
    deep = slices.depths() > 0
    for _ in range(MOST):
        normal = usual * np.maximum(n[slices.whole] - n, 1e-9)
        jump = (n - normal) / np.sqrt(np.maximum(normal, 1) + (VOLUME_NOISE * normal) ** 2)
        jumps = deep[:, None] & (n > JUMP * normal) & (jump > SURE_JUMP)
        if not jumps.any():
            break  # most nights have none, and the rates need not be asked
        rates = usual_rates() if rates is None else rates
        open_ = ~masked & (cube.share > 0)
        exposure = np.where(open_, cube.exposure, 0)
        x, e = slices.sums(exposure), slices.sums(exposure * rates)
        k = slices.sums(np.where(open_, cube.successes, 0))
        fall = (k - e) / np.sqrt(np.maximum(e * (1 - e / np.maximum(x, 1e-9)), 1e-9))
        should = e * normal / np.maximum(n, 1e-9)
        follows = k >= should - SLACK * np.sqrt(np.maximum(should, 1) + (VOLUME_NOISE * should) ** 2)
        is_burst = jumps & (((fall < SURE_FALL) & follows) | (fall > -SURE_FALL))
        if not is_burst.any():
            break
        row, day = np.unravel_index(int(np.argmax(np.where(is_burst, jump * np.abs(fall), 0))), n.shape)
        leaves = slices.slices[row].leaves
        bursts.append(
            Burst(slices.slices[row].conditions, cube.days[day], float(n[row, day]), float(normal[row, day]))
        )
        masked[leaves, day] = True
        people[leaves, day] *= normal[row, day] / n[row, day]
        n = slices.sums(people)
    return masked, tuple(bursts)


def _usual_share(n: Floats, whole: int) -> Floats:
    """What a slice's volume (slices, days) usually is beside all others': the median of the days before.

    A segment that grows for good is no burst: after a week its volume is the usual one.
    """
    share = n / np.maximum(n[whole] - n, 1e-9)
    usual = np.full(n.shape, NEVER)
    if n.shape[1] > DAYS_BEFORE:
        before = np.lib.stride_tricks.sliding_window_view(share, DAYS_BEFORE, axis=1)[:, :-1]
        usual[:, DAYS_BEFORE:] = np.median(before, axis=2)
    return usual
