"""From rows of marts.stage_friction to cubes of recordings, and of survey answers, per stage."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
import pandas as pd

from models.cohort_table import leaves_of_rows, segment_texts
from models.cohorts import CohortCube
from models.journey import DEFAULT_PERSONA, Journey

RECORDING_SEGMENTS = ("device", "os", "browser", "country")
ANSWER_SEGMENTS = ("device",)  # countries of answers are written in another way than those of recordings
MEASURES = {
    "recordings": ("recordings_with_rage", "recordings_with_u_turns"),
    "answers": ("bad_answers",),
}
"""What is counted as bad, by the column that counts how many could be."""


def friction_cubes(
    frame: pd.DataFrame,
    segments: Mapping[str, tuple[str, ...]],
    followers: Mapping[tuple[str, str], str],
    last_days: Mapping[str, date],
) -> list[CohortCube]:
    """One cube per stage and thing counted: its trials are recordings or answers, its turns the bad ones.

    ``frame`` has the columns of marts.stage_friction; ``segments`` names the segment columns of each
    journey, ``followers`` the next required stage of each (journey, stage) that has one, ``last_days`` the
    last whole day of each journey's data. A recording knows no persona and nothing of what came later:
    the persona is the default one, and nobody arrives.
    """
    made = []
    for key, group in frame.groupby(["journey", "stage"], sort=True):
        journey, stage = (str(part) for part in key)
        if (journey, stage) not in followers or journey not in last_days:
            continue
        for counted, measures in MEASURES.items():
            if counted not in group:  # built before answers were counted
                continue
            known = RECORDING_SEGMENTS if counted == "recordings" else ANSWER_SEGMENTS
            columns = tuple(column for column in segments[journey] if column in known)
            rows = group[group[counted] > 0]
            cube = _cube(
                rows, (journey, stage, followers[(journey, stage)]), columns, counted, measures, last_days
            )
            if cube is not None:
                made.append(cube)
    return made


def followers(journey: Journey) -> dict[str, str]:
    """The next required stage of the default persona after each stage; none follows the goal."""
    required = {stage.name for stage in journey.required_stages_of(DEFAULT_PERSONA)}
    found: dict[str, str] = {}
    following: str | None = None
    for stage in reversed(journey.stages):
        if following is not None:
            found[stage.name] = following
        if stage.name in required:
            following = stage.name
    return found


def _cube(
    group: pd.DataFrame,
    place: tuple[str, str, str],
    columns: tuple[str, ...],
    counted: str,
    measures: tuple[str, ...],
    last_days: Mapping[str, date],
) -> CohortCube | None:
    journey, stage, following = place
    last = pd.Timestamp(last_days[journey])
    dates = pd.to_datetime(group["day"])
    group, dates = group[dates <= last], dates[dates <= last]
    if not len(group):
        return None
    days = tuple(each.date() for each in pd.date_range(dates.min(), last))
    rows, leaves = leaves_of_rows([segment_texts(group[column]) for column in columns], len(group))
    at = (rows, (dates - dates.min()).dt.days.to_numpy())
    flat = {name: np.zeros((len(leaves), len(days))) for name in (counted, *measures)}
    for name, matrix in flat.items():
        np.add.at(matrix, at, group[name].to_numpy(float))
    nothing = np.zeros_like(flat[counted])
    return CohortCube(
        journey,
        DEFAULT_PERSONA,
        stage,
        following,
        days,
        columns,
        leaves,
        flat[counted],
        nothing[:, :, None],
        nothing,
        nothing,
        np.ones(nothing.shape, dtype=np.bool_),
        None,
        {name: flat[name] for name in measures},
    )
