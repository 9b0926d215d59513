"""Scans of one stage's recordings or answers in one night: who shows more friction than they used to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.campaign_calendar import named_cells
from models.cohorts import SETTLE_DAYS, CohortCube, CountCube
from models.detector_settings import DetectorSettings
from models.finding import OpenFinding
from models.reference import TESTED_DAYS, OpenCells, Reference, reference_cells
from models.scan import LEAST_EXPECTED, LEAST_FAILURES
from models.slices import SliceSet
from models.transition_scan import Candidate, TransitionScan, scan_family


def friction_scans(cube: CohortCube) -> int:
    """How many scans a cube of recordings brings tonight: none while it has too few for any finding."""
    recent = cube.trials[:, -TESTED_DAYS - SETTLE_DAYS :].sum()
    return len(cube.turns) if recent >= LEAST_EXPECTED + LEAST_FAILURES else 0


def scan_friction(
    cube: CohortCube,
    slices: SliceSet,
    earlier: Sequence[OpenFinding],
    settings: DetectorSettings,
    tests: float,
) -> TransitionScan:
    """Scan each measure of a friction cube against its own past; ``tests`` is how many scans compete.

    A recording is over when it is there, so nothing is censored but the newest day, which still fills up.
    Everyone else's recordings of the same days take away what is common to all, a change of what the tool
    records among it.
    """
    named = named_cells(cube, settings.calendar)
    candidates: list[Candidate] = []
    families: dict[str, tuple[CountCube, Reference | None]] = {}
    for measure in cube.turns if friction_scans(cube) else ():
        own = [each for each in earlier if each.measure == measure]
        opened = [
            OpenCells(cube.slice_of(each.conditions).leaves, (each.started_on - cube.days[0]).days)
            for each in own
            if each.started_on is not None and not each.is_resolved
        ]
        cells = reference_cells(cube.trials.shape, ~named & (cube.trials > 0), opened)
        if cells is None:
            continue
        counts = cube.felt(measure).without(named)
        delays = np.ones((len(cube.leaf_values), 1))
        found, past = scan_family(cube, counts, slices, cells, delays, own, settings, tests, None)
        families[measure] = counts, past
        candidates += found
    return TransitionScan(tuple(candidates), 0, families)
