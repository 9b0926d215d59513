"""What a shortfall costs: lost conversions and money, with 90 % intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from models.cube import Bools, Slice, TransitionCube

Z90 = 1.6448536269514722  # two-sided 90 %
COMPLETION_PRIOR = 30.0  # attempts that the whole transition's completion rate is worth
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


def loss_of(cube: TransitionCube, chosen: Slice, cells: Bools, expected: float, variance: float) -> Loss:
    """Loss in ``cells``: (expected - observed arrivals at b) x probability of completing from b.

    The completion probability is the slice's own, shrunk toward the transition's. The interval is the
    delta method's: the variance of the shortfall (``variance``: of the expectation and the chance in
    it) and that of the completion probability.
    """
    missing = expected - float(cube.advanced[cells].sum())
    completion, completion_variance = _completion(cube, chosen)
    conversions = missing * completion
    sd = math.sqrt(completion**2 * variance + missing**2 * completion_variance)
    days = max(int(cells.any(axis=0).sum()), 1)
    return Loss(
        conversions,
        conversions - Z90 * sd,
        conversions + Z90 * sd,
        conversions / days * 7,
        _order_value(cube, chosen),
    )


def _completion(cube: TransitionCube, chosen: Slice) -> tuple[float, float]:
    advanced, converted = cube.advanced.sum(), cube.converted.sum()
    overall = (converted + 0.5) / (advanced + 1)
    own_advanced = float(cube.advanced[chosen.leaves].sum())
    own_converted = float(cube.converted[chosen.leaves].sum())
    rate = (own_converted + COMPLETION_PRIOR * overall) / (own_advanced + COMPLETION_PRIOR)
    return float(rate), float(rate * (1 - rate) / (own_advanced + COMPLETION_PRIOR))


def _order_value(cube: TransitionCube, chosen: Slice) -> float | None:
    converted, value = float(cube.converted.sum()), float(np.nansum(cube.value))
    if converted == 0 or value <= 0:
        return None
    own_converted = float(cube.converted[chosen.leaves].sum())
    own_value = float(np.nansum(cube.value[chosen.leaves]))
    return (own_value + VALUE_PRIOR * value / converted) / (own_converted + VALUE_PRIOR)
