"""The program's own detector as a contender: a night's counts as cohorts, its findings as claims."""

from __future__ import annotations

import json
from datetime import date, timedelta

import numpy as np

from detection.claims import Claim, NightView
from detection.grid import FIRST_DAY
from detection.riskloc import Case
from detection.segments import Conditions
from detection.vanished import recorded_days
from models.cohorts import CohortCube, CountCube
from models.detector import DetectorSettings, find_pain_points
from models.finding import Finding
from models.lifecycle import continue_findings, open_findings, silent
from models.localise import likeliest_segments
from models.pain_point import PainPoint
from models.reference import make_reference
from models.slices import SliceSet, slices_of

JOURNEY, PERSONA = "shop", "default"
DEPTH = 3


class Ours:
    """Judges one world night after night, remembering its findings as the program does."""

    def __init__(self, settings: DetectorSettings | None = None) -> None:
        self._settings = settings or DetectorSettings()
        self._standing: list[PainPoint] = []
        self._slices: dict[tuple[str, str, str, str], SliceSet] = {}

    def judge(self, view: NightView) -> list[Claim]:
        night = view.days[-1]
        cubes = cohort_cubes(view)
        for cube in cubes:
            if cube.transition not in self._slices:
                self._slices[cube.transition] = cube.slices(DEPTH)
        judgement = find_pain_points(
            cubes, {}, open_findings(self._standing, night), self._settings, self._slices
        )
        continued = continue_findings(judgement.findings, self._standing, night)
        rest = silent(self._standing, continued, judgement.explained, night)
        tonight = [
            remembered(each.finding, each.pain_point_id, each.status, each.first_seen, night)
            for each in continued
        ]
        self._standing = tonight + rest
        places = {(JOURNEY, PERSONA, *pair): index for index, pair in enumerate(view.transitions)}
        return [
            Claim(
                places[each.transition],
                tuple((column, str(value)) for column, value in each.conditions),
                each.kind,
                each.started_on,
                each.lost_conversions,
                each.lost_low,
                each.lost_high,
                each.pain_point_id,
            )
            for each in self._standing
            if each.is_open
        ]


def cohort_cubes(view: NightView) -> list[CohortCube]:
    """One cube per transition of what a night knows."""
    return [
        CohortCube(
            JOURNEY,
            PERSONA,
            *pair,
            view.days,
            view.columns,
            view.leaf_values,
            view.trials[index].astype(float),
            view.arrivals[index].astype(float),
            view.converted[index].astype(float),
            view.value[index].astype(float),
            recorded_days(view.stage_events[index + 1].astype(float), view.columns, view.leaf_values),
        )
        for index, pair in enumerate(view.transitions)
    ]


def remembered(finding: Finding, identity: str, status: str, first_seen: date, night: date) -> PainPoint:
    """A finding as the state of the next night remembers it: what no scan asks for is left out."""
    return PainPoint(
        pain_point_id=identity,
        kind=finding.kind,
        journey=finding.journey,
        persona=finding.persona,
        stage=finding.stage,
        next_stage=finding.next_stage,
        segment=finding.segment,
        segment_filter="",
        status=status,
        first_seen=first_seen,
        started_on=finding.started_on,
        last_seen=night,
        attempts=finding.attempts,
        observed=finding.observed,
        expected=finding.expected,
        ideal=finding.ideal,
        lost_conversions=finding.lost_conversions,
        lost_low=finding.lost_low,
        lost_high=finding.lost_high,
        lost_per_week=finding.lost_per_week,
        lost_value=None,
        currency="EUR",
        q_value=finding.q_value,
        owner=None,
        headline="",
        evidence=json.dumps(finding.evidence()),
        sql="",
        lost_value_low=None,
        lost_value_high=None,
        provisional=finding.provisional,
    )


def localise(case: Case) -> list[Conditions]:
    """Segments that explain the last minute of an incident, the likeliest first, by what came before it."""
    minutes = case.trials.shape[1]
    trials = case.trials.astype(float)
    # a week apart, since minutes know no weekdays
    days = tuple(FIRST_DAY + timedelta(weeks=minute) for minute in range(minutes))
    counts = CountCube(
        JOURNEY,
        PERSONA,
        "watch",
        "watch on",
        "advance",
        days,
        case.columns,
        case.leaf_values,
        trials,
        trials - case.failures,
        np.ones_like(trials),
    )
    before = np.ones(trials.shape, dtype=np.bool_)
    before[:, -1] = False
    slices = slices_of(case.columns, case.leaf_values, trials[:, -1], DEPTH)
    usual = make_reference(counts, slices, before).rates[:, -1]
    told = likeliest_segments(slices, case.failures[:, -1].astype(float), trials[:, -1] * (1 - usual))
    return [tuple((column, str(value)) for column, value in each.slice.conditions) for each in told]
