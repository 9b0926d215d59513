"""What a shortfall costs: lost conversions and money, with 90 % intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.cohorts import CohortCube
from models.slices import Bools, Floats, Slice

Z90 = 1.6448536269514722  # two-sided 90 %
COMPLETION_PRIOR = 200.0  # arrivals that the whole transition's completion rate is worth
# How many times wider losses scatter than the variances say, since segment and first day were chosen by the
# same counts: 1.15 to 1.2 at every volume on the benchmark's tuning seeds 1000-1047.
SEARCHED = 1.15
LASTING = 3.0  # times the variance of the mean of independent days: a day's shock lasts into the next
VALUE_PRIOR = 20.0  # conversions that the whole journey's mean order value is worth


@dataclass(frozen=True)
class Loss:
    """Goal conversions lost and their money; ``low``/``high`` are the ends of a 90 % interval."""

    conversions: float
    low: float
    high: float
    per_week: float
    order_value: float | None

    @property
    def money(self) -> float | None:
        return None if self.order_value is None else self.conversions * self.order_value


NO_LOSS = Loss(0.0, 0.0, 0.0, 0.0, None)
"""Of those who come later, but come."""


def loss_of(
    cube: CohortCube,
    chosen: Slice,
    cells: Bools,
    *,
    expected: float,
    observed: float,
    variance: float,
    in_full: float,
    usual: Bools | None = None,
) -> Loss:
    """Loss in ``cells`` (leaves, days): missing arrivals at b x probability of completing from b.

    ``expected``, ``observed`` and ``variance`` are of the arrivals that could be seen so far; the
    missing share of them is taken of ``in_full``, those expected once all is over. The completion
    probability is the slice's own in its ``usual`` cells, shrunk toward the transition's. The interval
    is the delta method's: the variance of the shortfall and that of the completion probability, widened
    for the search that found it.
    """
    scale = in_full / max(expected, 1e-9)
    missing = (expected - observed) * scale
    completion, completion_variance = _completion(cube, chosen, usual, np.asarray(cells.any(axis=0)))
    conversions = missing * completion
    sd = SEARCHED * math.sqrt(completion**2 * variance * scale**2 + missing**2 * completion_variance)
    days = max(int(cells.any(axis=0).sum()), 1)
    return Loss(
        conversions,
        conversions - Z90 * sd,
        conversions + Z90 * sd,
        conversions / days * 7,
        _order_value(cube, chosen),
    )


def _completion(cube: CohortCube, chosen: Slice, usual: Bools | None, lost_on: Bools) -> tuple[float, float]:
    """The chance to complete from b on the days ``lost_on`` (days,), and its variance."""
    # who came to b late may still be on the way to the goal
    old = np.arange(len(cube.days))[None, :] < max(len(cube.days) - cube.ages, 1)
    cells = old & (np.ones_like(cube.observed) if usual is None else usual)
    came: Floats = np.where(cells, cube.advanced, 0)
    done: Floats = np.where(cells, cube.converted, 0)
    overall = (done.sum() + 0.5) / (came.sum() + 1)
    own_came, own_done = float(came[chosen.leaves].sum()), float(done[chosen.leaves].sum())
    rate = (own_done + COMPLETION_PRIOR * overall) / (own_came + COMPLETION_PRIOR)
    variance = rate * (1 - rate) / (own_came + COMPLETION_PRIOR)
    # the days that cannot tell yet have shocks of their own
    telling = cells.any(axis=0)
    silent = int((lost_on & ~telling).sum())
    if silent:
        part = silent / int(lost_on.sum())
        variance += part**2 * _day_variance(cube, old) * LASTING * (1 / silent + 1 / max(telling.sum(), 1))
    return float(rate), float(variance)


def _day_variance(cube: CohortCube, old: Bools) -> float:
    """How much the chance to complete varies from day to day beyond chance (variance, by moments)."""
    came = np.where(old, cube.advanced, 0).sum(axis=0)
    done = np.where(old, cube.converted, 0).sum(axis=0)
    rate = done.sum() / max(came.sum(), 1)
    excess = float(((done - came * rate) ** 2).sum() - (came * rate * (1 - rate)).sum())
    return max(excess, 0.0) / max(float((came**2).sum()), 1e-9)


def _order_value(cube: CohortCube, chosen: Slice) -> float | None:
    converted, value = float(cube.converted.sum()), float(np.nansum(cube.value))
    if converted == 0 or value <= 0:
        return None
    own_converted = float(cube.converted[chosen.leaves].sum())
    own_value = float(np.nansum(cube.value[chosen.leaves]))
    return (own_value + VALUE_PRIOR * value / converted) / (own_converted + VALUE_PRIOR)
