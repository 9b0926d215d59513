"""What a scan holds a night against: the usual rates of every cell and slice, from their own past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.baseline import Baseline, fit_baseline, usual_days, weekdays_of
from models.cohorts import CountCube
from models.slices import Bools, Floats, SliceSet

TESTED_DAYS, LEAST_TESTED_DAYS = 28, 21
BASELINE_DAYS = 63
LEAST_BASELINE_DAYS = 14
RECALIBRATION_PRIOR = 20.0  # expected outcomes of the rarer kind that a slice's own history must outweigh


@dataclass(frozen=True)
class OpenCells:
    """The leaves (leaves,) of a finding that is open, and the place of the day it began on."""

    leaves: Bools
    start: int


@dataclass(frozen=True)
class Reference:
    """The usual ``rates`` (leaves, days), and how each slice's past differs from what they say of it.

    ``factor`` (slices,) multiplies a slice's expected outcomes of its rarer kind (``of_failures`` where
    that is failing). ``information`` (slices,) is the binomial information behind a slice's own past.
    """

    baseline: Baseline
    rates: Floats
    tested_days: int
    factor: Floats
    of_failures: Bools
    information: Floats

    def recalibrated(self, exposure: Floats, expected: Floats) -> Floats:
        """Expected successes (slices, ...) corrected by each slice's own past."""
        extra = (slice(None),) + (None,) * (expected.ndim - 1)
        factor, failures = self.factor[extra], self.of_failures[extra]
        corrected = np.where(failures, exposure - (exposure - expected) * factor, expected * factor)
        return np.clip(corrected, 1e-9, np.maximum(exposure - 1e-9, 1e-9))


def tested_days(total: int) -> int:
    """How many of the last of ``total`` days are judged: four weeks, three while the past is no longer."""
    most = TESTED_DAYS if total >= 2 * TESTED_DAYS + 7 else LEAST_TESTED_DAYS
    return min(most, total - LEAST_BASELINE_DAYS)


def reference_cells(shape: tuple[int, int], observed: Bools, opened: Sequence[OpenCells]) -> Bools | None:
    """The cells (leaves, days) to learn from: 42 days ending 21 days back, None with too little history.

    The baseline of a leaf in an open finding ends where that began, and stays there.
    """
    leaves, total = shape
    tested = tested_days(total)
    if tested < 2:
        return None
    end = np.full(leaves, total - tested)
    for each in opened:
        end = np.where(each.leaves, np.minimum(end, max(each.start, LEAST_BASELINE_DAYS)), end)
    day = np.arange(total)[None, :]
    cells = (day >= end[:, None] - BASELINE_DAYS) & (day < end[:, None]) & observed
    if cells.any(axis=0).sum() < LEAST_BASELINE_DAYS:
        return None
    return np.asarray(cells)


def make_reference(cube: CountCube, slices: SliceSet, cells: Bools) -> Reference:
    """Fit the usual rates on ``cells``, leaving out days that were unusual for everyone."""
    cells = cells & usual_days(cube, cells)[None, :]
    baseline = fit_baseline(cube, cells)
    rates = baseline.rates(weekdays_of(cube))
    exposure = np.where(cells, cube.exposure, 0)
    x = slices.sums(exposure.sum(axis=1))
    k = slices.sums(np.where(cells, cube.successes, 0).sum(axis=1))
    e = slices.sums((exposure * rates).sum(axis=1))
    info = slices.sums((exposure * rates * (1 - rates)).sum(axis=1))
    failures = e > 0.5 * x
    had, should = np.where(failures, np.maximum(x - k, 0), k), np.where(failures, x - e, e)
    factor = (had + RECALIBRATION_PRIOR) / (should + RECALIBRATION_PRIOR)
    prior = RECALIBRATION_PRIOR * np.maximum(e, x - e) / np.maximum(x, 1e-9)
    return Reference(baseline, rates, tested_days(len(cube.days)), factor, np.asarray(failures), info + prior)
