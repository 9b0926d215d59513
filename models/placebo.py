"""The honesty gauge: groups of users that mean nothing are scanned like segments; are they ever blamed?

What is found among random groups is found by chance, or because days, users and stages vary in a way
the scan does not know of. On the user's own data that is the one check that needs no truth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.campaign_calendar import named_cells
from models.cohorts import CohortCube
from models.detector_settings import DetectorSettings
from models.reference import make_reference, reference_cells
from models.scan import LEAST_EXPECTED, LEAST_FAILURES, scan_regressions
from models.shortfall import explain_away
from models.windows import log_tails, windowed

PLACEBO_GROUP = "placebo_group"
WINDOW = 7  # days in which each group is compared with the others
LEVEL = 0.05  # at which a comparison looks low


@dataclass(frozen=True)
class PlaceboCount:
    """What one night said of random groups.

    Of ``comparisons`` (a group against the others at one transition, over a week) ``looked_low`` are those
    with a one-sided p-value of at most ``LEVEL``; ``blamed`` are the groups that the whole scan, at the level
    of findings, would have told as a fall.
    """

    comparisons: int
    looked_low: int
    blamed: int


def gauge(cubes: Sequence[CohortCube], settings: DetectorSettings) -> PlaceboCount:
    """Scan cubes whose only column is the group a user falls into by chance; they end with the night.

    A fall of everybody is no blame: it is expected of each group once it is seen, and a group is held
    against the others. Nothing of this reaches the findings.
    """
    comparisons = looked_low = blamed = 0
    for cube in cubes:
        named = named_cells(cube, settings.calendar)
        cells = reference_cells(cube.trials.shape, cube.observed & ~named, [])
        if cells is None or len(cube.leaf_values) < 2:
            continue
        slices = cube.slices(1)
        counts = cube.counts(cube.delays(cells)).without(named)
        reference = make_reference(counts, slices, cells)
        falls = scan_regressions(
            counts,
            reference,
            slices,
            margin=settings.margin,
            least_log_p=math.log(settings.alpha),
            tests=len(cubes),
        )
        blamed += sum(each.slice.depth == 1 for each in falls)
        rates = reference.rates
        for each in falls:
            if not each.slice.depth:
                rates = explain_away(rates, each)
        window = min(WINDOW, reference.tested_days)
        judged = windowed(counts, reference, rates, slices, (window,))
        few = np.minimum(judged.expected, judged.usual) < LEAST_EXPECTED
        usable = ~few & (judged.exposure - judged.expected >= LEAST_FAILURES)
        usable &= (slices.depths() == 1)[:, None]
        low = log_tails(judged.z, judged.degrees) <= math.log(LEVEL)
        comparisons += int(usable.sum())
        looked_low += int((usable & low).sum())
    return PlaceboCount(comparisons, looked_low, blamed)
