"""A fall or a gap told as a finding: its counts, its cost, the days and people it is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from models.blind_cells import unseen_cells
from models.cohorts import SETTLE_DAYS, CohortCube, CountCube
from models.finding import Exclusion, Finding, Kind, OpenFinding, Unseen
from models.losses import Loss, loss_of
from models.recent import Recent, sure_gap
from models.reference import Reference
from models.shortfall import Shortfall
from models.slices import Bools, Floats, Slice
from models.standing import Gap

COMPLETION_DAYS = 28


def finding_of(
    cube: CohortCube,
    counts: CountCube,
    kind: Kind,
    found: Shortfall | Gap,
    *,
    loss: Loss,
    started: date | None,
    ideal: float | None,
    recent: Recent,
    provisional: bool,
    excluded: tuple[Exclusion, ...],
    older: OpenFinding | None,
) -> Finding:
    chosen, cells, expected = found.slice, found.cells, found.expected
    attempts, successes = int(counts.trials[cells].sum()), int(counts.successes[cells].sum())
    days = [day for day, used in zip(cube.days, np.asarray(cells.any(axis=0)), strict=True) if used]
    first, last = started or days[0], days[-1] if days else cube.days[-1]
    covered = {first + timedelta(days=n) for n in range((last - first).days + 1)}
    gap = 1 - successes / max(expected, 1e-9)
    short = recent.expected - recent.hits
    trend = short / recent.expected / gap if recent.expected > 0 and gap > 0 else 1.0
    return Finding(
        kind=kind,
        journey=cube.journey,
        persona=cube.persona,
        stage=cube.stage,
        next_stage=cube.next_stage,
        segment=chosen.name,
        conditions=chosen.conditions,
        started_on=started,
        first_day=first,
        last_day=last,
        unseen_days=tuple(sorted(covered - set(days))),
        excluded=excluded,
        attempts=attempts,
        successes=successes,
        expected=expected / max(attempts, 1),
        ideal=ideal,
        lost_conversions=loss.conversions,
        lost_low=loss.low,
        lost_high=loss.high,
        lost_per_week=loss.per_week,
        order_value=loss.order_value,
        p_value=found.p_value,
        q_value=1.0,
        provisional=provisional,
        trend=trend,
        gap=gap,
        is_over=recent.has_made_good(sure_gap(gap, loss.low, loss.conversions)),
        carries=older.pain_point_id if older else None,
        seen_until=cube.days[-1] - timedelta(days=SETTLE_DAYS),
        unseen=_unseen(cube, chosen, cells | ~between(cube, first, last)[None, :], cube.trials > 0),
        unseen_arrivals=()
        if kind == "below_ideal"
        else _unseen(cube, chosen, cube.observed, _may_come(cube)),
    )


def as_detour(finding: Finding, measure: str | None) -> Finding:
    """The finding counted the other way: of what did not go well, as detours and friction are told."""
    return replace(
        finding,
        measure=measure,
        successes=finding.attempts - finding.successes,
        expected=1 - finding.expected,
    )


def loss_of_fall(
    cube: CohortCube,
    counts: CountCube,
    reference: Reference,
    fall: Shortfall,
    delays: Floats,
    left_out: Bools,
) -> Loss:
    """The loss of a fall, of everyone who could have come by the night, the newest day included.

    Of the cells ``left_out`` (leaves, days) nobody knows what was to be expected: no loss is counted there.
    """
    since = np.array([day >= fall.started for day in cube.days])
    cells = fall.slice.leaves[:, None] & since[None, :] & ~left_out
    exposed = cube.counts(delays, settle=0).exposure
    seen = (counts.exposure * reference.rates)[cells].sum()
    whole = (exposed * reference.rates)[cells].sum()
    return loss_of(
        cube,
        fall.slice,
        cells,
        expected=fall.expected,
        observed=float(counts.successes[fall.cells].sum()),
        variance=fall.variance,
        in_full=fall.expected * float(whole / max(seen, 1e-9)),
        usual=_told_of_completion(cube, since),
    )


def _told_of_completion(cube: CohortCube, since: Bools) -> Bools:
    """Cells whose arrivals tell who completes: those since the change, or the last weeks while it is new."""
    old = np.arange(len(cube.days)) < len(cube.days) - cube.ages
    if (since & old).sum() < 7:
        since = np.arange(len(cube.days)) >= len(cube.days) - cube.ages - COMPLETION_DAYS
    return np.broadcast_to(since[None, :], cube.trials.shape)


def between(cube: CohortCube, first: date, last: date) -> Bools:
    """The days (days,) from ``first`` to ``last``."""
    return np.array([first <= day <= last for day in cube.days])


def _unseen(cube: CohortCube, chosen: Slice, observed: Bools, people: Bools) -> tuple[Unseen, ...]:
    return unseen_cells(observed, chosen, cube.days, cube.columns, cube.leaf_values, people)


def _may_come(cube: CohortCube) -> Bools:
    """Whether anybody of a leaf could come to the next stage on a day, (leaves, days)."""
    began = cube.trials > 0
    came = began.copy()
    for age in range(1, min(cube.ages, began.shape[1])):
        came[:, age:] |= began[:, :-age]
    return came
