"""The smallest drop of a whole transition that would have been told: what silence is worth."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from models.campaign_calendar import named_cells
from models.cohorts import CohortCube
from models.detector_settings import DetectorSettings
from models.reference import make_reference, reference_cells
from models.slices import SliceSet
from models.windows import WINDOWS, windowed

POWER = 0.9
WEEKS = 14  # days in which the drop has been there


def smallest_drop(cube: CohortCube, settings: DetectorSettings, tests: float) -> float | None:
    """The relative drop of everyone, in [0, 1], that two weeks show nine times in ten; None without a past.

    The drop at which the scan's own test, at its own level among ``tests`` scans, has that power.
    """
    named = named_cells(cube, settings.calendar)
    cells = reference_cells(cube.trials.shape, cube.observed & ~named, [])
    if cells is None:
        return None
    counts = cube.counts(cube.delays(cells)).without(named)
    whole = SliceSet.of([cube.slice_of(())])
    reference = make_reference(counts, whole, cells)
    window = min(WEEKS, reference.tested_days)
    judged = windowed(counts, reference, reference.rates, whole, (window,))
    expected, deviation = float(judged.expected[0, 0]), math.sqrt(float(judged.variance[0, 0]))
    if expected <= 0:
        return None
    level = settings.alpha / (len(WINDOWS) * tests)
    far = stats.t.isf(level, float(judged.degrees[0, 0])) + stats.norm.isf(1 - POWER)
    return float(np.clip(max(far * deviation / expected, settings.margin), 0, 1))
