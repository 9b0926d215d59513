"""What silence is worth: for each transition without a finding, the smallest drop that would have shown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.cohorts import CohortCube
from models.detector import scans_of_night
from models.detector_settings import DetectorSettings
from models.headline import percent
from models.pain_point import PainPoint
from models.smallest_drop import smallest_drop


def quiet_stages(
    cubes: Sequence[CohortCube],
    friction: Sequence[CohortCube],
    standing: Sequence[PainPoint],
    detector: DetectorSettings,
) -> list[dict[str, object]]:
    """Rows of the table ``notes``, from the cubes of the night and the pain points that stand after it."""
    loud = {each.transition for each in standing if each.is_open and each.kind != "friction"}
    notes: list[dict[str, object]] = []
    tests = scans_of_night(cubes, friction)
    for cube in cubes:
        counts = cube.counts(cube.delays(np.ones_like(cube.observed)))
        n, k = counts.exposure[:, -15:].sum(), counts.successes[:, -15:].sum()
        if cube.transition in loud or n < 1 or k < 1:
            continue
        drop = smallest_drop(cube, detector, tests)
        told = f"{cube.stage} to {cube.next_stage} converts {percent(float(k / n))}; "
        if drop is None:
            told += "its history is too short to tell a drop"
        else:
            told += f"a drop of {percent(drop)} of that over two weeks would have been seen"
        notes.append(
            {
                "kind": "quiet_stage",
                "journey": cube.journey,
                "persona": cube.persona,
                "stage": cube.stage,
                "next_stage": cube.next_stage,
                "segment": "all",
                "note": told,
            }
        )
    return notes
