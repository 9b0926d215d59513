"""The detect step: judge every night not judged yet, from the cube of the last build."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import duckdb

from models.cohort_table import cohort_cubes
from models.cohorts import CohortCube
from models.detector import MEMORY_DAYS, SEGMENT_DEPTH, DetectorSettings, find_pain_points
from models.friction_table import followers, friction_cubes
from models.journey import Journey, segment_columns
from models.lifecycle import continue_findings, open_findings, silent
from models.pain_point import PainPoint
from models.slices import SliceSet
from pipelines.auto_ideals import proposed_ideals, say_proposed
from pipelines.blind_days import observed_days
from pipelines.cohort_rows import read_cohorts
from pipelines.finding_rows import pain_point_of
from pipelines.finding_store import (
    forget_nights_after,
    judged_nights,
    make_state,
    make_state_marts,
    pain_points_of,
    read_frame,
    save_night,
    save_notes,
)
from pipelines.night_notes import calendar_notes, notes_of
from pipelines.placebo_nights import placebo_cubes, save_placebo
from pipelines.quiet_stages import quiet_stages
from pipelines.sql_models import Progress
from pipelines.workspace import Workspace

STAYS_AT = 10.0  # times alpha: a finding that is told stays on weaker evidence than it came on


@dataclass(frozen=True)
class JourneyNight:
    """A journey's part of a night: its cubes, those of recordings and of random groups, and the last day."""

    journey: Journey
    columns: tuple[str, ...]
    cubes: tuple[CohortCube, ...]
    horizon_day: date
    friction: tuple[CohortCube, ...] = ()
    placebo: tuple[CohortCube, ...] = ()

    @property
    def first_night(self) -> date:
        """The first night of which a cohort could be over."""
        days = 1 if self.journey.scope == "session" else math.ceil(self.journey.window / timedelta(days=1))
        return min(cube.days[0] for cube in self.cubes) + timedelta(days=days)

    def until(self, night: date) -> list[CohortCube]:
        """What was known of its transitions when the data ended with ``night``."""
        return self._until(self.cubes, night)

    def friction_until(self, night: date) -> list[CohortCube]:
        """The recordings and answers that were there when the data ended with ``night``."""
        return self._until(self.friction, night)

    def placebo_until(self, night: date) -> list[CohortCube]:
        """What was known of its random groups of users when the data ended with ``night``."""
        return self._until(self.placebo, night)

    def _until(self, cubes: Sequence[CohortCube], night: date) -> list[CohortCube]:
        last = min(night, self.horizon_day)
        return [cube.until(last, MEMORY_DAYS) for cube in cubes if cube.days[0] <= last]


def detect_nights(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, progress: Progress
) -> list[date]:
    """Judge the night of the data's end and every night before it that was not judged; returns them.

    On the first connection the past ``replay_nights`` are judged one after the other, as they would
    have been: a night sees only attempts that were over by then.
    """
    make_state(connection)
    settings = workspace.settings.detection
    last_days = _last_days(connection, workspace)
    night = max(last_days.values())
    forget_nights_after(connection, night)  # a source that came later may end earlier
    # a night before the last judged one (data that went back in time) starts from the one before it
    judged = [each for each in judged_nights(connection) if each < night]
    first = night - timedelta(days=settings.replay_nights)
    if judged:
        first = max(first, judged[-1] + timedelta(days=1))
    since = min(first, *last_days.values()) - timedelta(days=MEMORY_DAYS)
    journeys = _journeys(connection, workspace, last_days, since)
    columns_of = {field: column for column, field in segment_columns(workspace.journeys).items()}
    detector = DetectorSettings(
        settings.false_discovery_rate,
        settings.margin,
        settings.alpha,
        min(STAYS_AT * settings.alpha, 0.5),
        tuple(each.named_days(columns_of) for each in settings.calendar),
    )
    ideals = _ideals(workspace.journeys)
    slices = {cube.transition: cube.slices(SEGMENT_DEPTH) for each in journeys for cube in each.cubes}
    if not judged:
        earliest = min((each.first_night for each in journeys if each.cubes), default=night)
        first = max(first, min(earliest, night))
    nights = [first + timedelta(days=n) for n in range((night - first).days + 1)]
    standing = pain_points_of(connection, judged[-1]) if judged else []
    notes: list[dict[str, object]] = []
    for each in nights:
        proposals = proposed_ideals(
            connection, workspace.journeys, {j.journey.name: min(each, j.horizon_day) for j in journeys}
        )
        offered = {key: proposal.conversion for key, proposal in proposals.items()} | ideals
        standing, notes = _judge(journeys, offered, standing, each, detector, slices, workspace)
        standing = say_proposed(standing, proposals)
        save_night(connection, each, standing)
        chance = [cube for journey in journeys for cube in journey.placebo_until(each)]
        save_placebo(connection, each, chance, detector)
    shown = f"{nights[0]} to {nights[-1]}" if len(nights) > 1 else f"{nights[0]}"
    progress(f"judged {len(nights)} nights, {shown}: {sum(p.is_open for p in standing)} open pain points")
    notes += calendar_notes(detector.calendar, [each.journey.name for each in journeys], night)
    cubes = [cube for each in journeys for cube in each.until(night)]
    felt = [cube for each in journeys for cube in each.friction_until(night)]
    save_notes(connection, night, notes + quiet_stages(cubes, felt, standing, detector))
    make_state_marts(connection)
    return nights


def _last_days(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> dict[str, date]:
    """By journey, the last whole day of its data: one that ends within a day leaves that day unfinished."""
    zone = ZoneInfo(workspace.settings.timezone)
    rows = connection.execute(
        "select j.journey, h.horizon_us from intermediate.horizons as h "
        "inner join config.journeys as j on h.journey_number = j.journey_number"
    ).fetchall()
    return {
        name: datetime.fromtimestamp(horizon / 1e6, zone).date() - timedelta(days=1) for name, horizon in rows
    }


def _journeys(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, last_days: Mapping[str, date], since: date
) -> list[JourneyNight]:
    """The part of every journey; days before ``since`` count only in which slices are asked."""
    frame = read_cohorts(connection, since)
    names = segment_columns(workspace.journeys)
    columns = {
        journey.name: tuple(column for column, field in names.items() if field in journey.segments)
        for journey in workspace.journeys
    }
    observed = observed_days(connection)
    made = cohort_cubes(frame, columns, last_days, observed)
    chance = placebo_cubes(connection, last_days, observed)
    felt = friction_cubes(
        read_frame(connection, "select * from marts.stage_friction"),
        columns,
        {
            (journey.name, stage): following
            for journey in workspace.journeys
            for stage, following in followers(journey).items()
        },
        last_days,
    )
    return [
        JourneyNight(
            journey,
            columns[journey.name],
            tuple(cube for cube in made if cube.journey == journey.name),
            last_days[journey.name],
            tuple(cube for cube in felt if cube.journey == journey.name),
            tuple(cube for cube in chance if cube.journey == journey.name),
        )
        for journey in workspace.journeys
    ]


def _ideals(journeys: Sequence[Journey]) -> dict[tuple[str, str, str], float]:
    """Ideal conversion per (journey, persona, stage b), where one is written down."""
    ideals = {}
    for journey in journeys:
        for persona in journey.persona_names():
            for stage in journey.required_stages_of(persona):
                conversion = journey.ideal_of(persona, stage.name).conversion
                if conversion is not None and conversion > 0:
                    ideals[(journey.name, persona, stage.name)] = conversion
    return ideals


def _judge(
    journeys: Sequence[JourneyNight],
    ideals: Mapping[tuple[str, str, str], float],
    previous: Sequence[PainPoint],
    night: date,
    detector: DetectorSettings,
    slices: Mapping[tuple[str, str, str, str], SliceSet],
    workspace: Workspace,
) -> tuple[list[PainPoint], list[dict[str, object]]]:
    """A night's pain points, and its notes on traffic and mix."""
    seen = [cube for each in journeys for cube in each.until(night)]
    felt = [cube for each in journeys for cube in each.friction_until(night)]
    known = _transitions(journeys)
    previous = [each for each in previous if _is_of(each, known)]
    judgement = find_pain_points(seen, ideals, open_findings(previous, night), detector, slices, felt)
    continued = continue_findings(judgement.findings, previous, night)
    by_name = {each.journey.name: each.journey for each in journeys}
    tonight = [
        pain_point_of(each, by_name, night, workspace.settings.currency, continued) for each in continued
    ]
    standing = tonight + silent(previous, continued, judgement.explained, night)
    return standing, notes_of(judgement, night)


def _transitions(
    journeys: Sequence[JourneyNight],
) -> dict[tuple[tuple[str, str, str, str], str | None], tuple[str, ...]]:
    """The transitions that the journeys have now, each with its segment columns; of friction by measure.

    A finding of a transition or a segment that was edited away ends with it, and so does one of recordings
    that are there no longer.
    """
    found: dict[tuple[tuple[str, str, str, str], str | None], tuple[str, ...]] = {}
    for each in journeys:
        for persona in each.journey.persona_names():
            for stage, following in pairwise(each.journey.required_stages_of(persona)):
                found[(each.journey.name, persona, stage.name, following.name), None] = each.columns
        for cube in each.friction:
            found |= {(cube.transition, measure): cube.columns for measure in cube.turns}
    return found


def _is_of(
    each: PainPoint, known: Mapping[tuple[tuple[str, str, str, str], str | None], tuple[str, ...]]
) -> bool:
    columns = known.get((each.transition, each.measure if each.kind == "friction" else None))
    return columns is not None and {column for column, _ in each.conditions} <= set(columns)
