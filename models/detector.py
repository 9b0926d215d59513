"""From the daily cube to the night's findings: a pure function, the seat of the method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from models.baseline import PRIOR_SHOCK
from models.cube import Bools, Floats, Slice, SliceSet, TransitionCube
from models.evidence import benjamini_hochberg
from models.finding import Exclusion, Finding, Kind, OpenFinding
from models.losses import loss_of
from models.scan import (
    Recent,
    Reference,
    Shortfall,
    explain_away,
    make_reference,
    recent_counts,
    scan_regressions,
    since,
    sure_gap,
)
from models.standing import STANDING_DAYS, Gap, scan_standing_gaps

SEGMENT_DEPTH = 2
RECENT_DAYS = 7
FULL_BASELINE_DAYS = 28
SAME_SEGMENT_OVERLAP = 0.5
SAME_START = timedelta(days=4)


@dataclass(frozen=True)
class DetectorSettings:
    """``false_discovery_rate`` of one night, ``margin`` the relative shortfall too small to matter."""

    false_discovery_rate: float = 0.0005
    margin: float = 0.02


@dataclass(frozen=True)
class Explained:
    """What is expected of a transition once tonight's findings are known: rates (leaves, days), or None
    with too little history, and the cells of the regressions found."""

    rates: Floats | None
    cells: Bools


@dataclass(frozen=True)
class Judgement:
    """The findings of a night, strongest lower bound of loss first, and what they explain."""

    findings: tuple[Finding, ...]
    explained: Mapping[tuple[str, str, str, str], Explained]


def find_pain_points(
    cubes: Sequence[TransitionCube],
    ideals: Mapping[tuple[str, str, str], float],
    open_findings: Sequence[OpenFinding],
    settings: DetectorSettings,
    slices: Mapping[tuple[str, str, str, str], SliceSet] | None = None,
) -> Judgement:
    """The findings of one night.

    ``cubes`` hold matured attempts only, up to the night; ``ideals`` maps (journey, persona, stage b)
    to the ideal conversion at b. ``slices`` may be given, per transition, to spare making them again
    for every night of a replay.
    """
    scans = [
        _scan(
            cube,
            slices[cube.transition] if slices is not None else cube.slices(SEGMENT_DEPTH),
            ideals.get((cube.journey, cube.persona, cube.next_stage)),
            [each for each in open_findings if each.transition == cube.transition],
            settings,
        )
        for cube in cubes
    ]
    # scans that found nothing belong to the family as well: their p-values count as 1
    p_values = [each.finding.p_value for scan in scans for each in scan.candidates]
    quiet = max(sum(scan.tests for scan in scans) - len(p_values), 0)
    q_values = iter(benjamini_hochberg(np.array(p_values + [1.0] * quiet)).tolist())
    findings = []
    explained = {}
    for cube, scan in zip(cubes, scans, strict=True):
        told = []
        for each in scan.candidates:
            finding = replace(each.finding, q_value=next(q_values))
            sure = finding.q_value <= settings.false_discovery_rate and finding.lost_low > 0
            if sure and not finding.is_over:
                findings.append(finding)
                told.append(each)
        explained[cube.transition] = _explained_by(cube, scan, told)
    return Judgement(tuple(sorted(findings, key=lambda each: -each.lost_low)), explained)


@dataclass(frozen=True)
class _Candidate:
    """A finding before the night's other tests are known, and the regression it stands on, if it does."""

    finding: Finding
    fall: Shortfall | None


@dataclass(frozen=True)
class _Scan:
    """What the scans of one transition brought; ``tests`` is how many there were."""

    candidates: tuple[_Candidate, ...]
    tests: int
    reference: Reference | None


def _explained_by(cube: TransitionCube, scan: _Scan, told: Sequence[_Candidate]) -> Explained:
    # only what is told explains: a finding that is not told again must not hide in its own effect
    cells: Bools = np.zeros(cube.matured.shape, dtype=np.bool_)
    if scan.reference is None:
        return Explained(None, cells)
    rates = scan.reference.rates
    for fall in (each.fall for each in told if each.fall is not None):
        rates = explain_away(cube, rates, fall)
        cells |= fall.cells
    return Explained(rates, cells)


def _scan(
    cube: TransitionCube,
    slices: SliceSet,
    ideal: float | None,
    earlier: Sequence[OpenFinding],
    settings: DetectorSettings,
) -> _Scan:
    frozen = [each.started_on for each in earlier if each.started_on is not None and not each.is_resolved]
    least_p = 4 * settings.false_discovery_rate
    explained: Bools = np.zeros(cube.matured.shape, dtype=np.bool_)
    exclusions: list[Exclusion] = []
    candidates: list[_Candidate] = []
    tests, shock = 0, PRIOR_SHOCK
    reference = make_reference(cube, min(frozen, default=None))
    if reference is not None:
        tests += 1
        shock = reference.baseline.shock
        falls = scan_regressions(cube, reference, slices, margin=settings.margin, least_p=least_p)
        taken: set[str] = set()
        for fall in falls:
            older = _older(cube, "regression", fall.slice, fall.started, earlier)
            if older is not None and older.pain_point_id in taken:
                continue  # it fell again: the finding that is told already covers all days since it began
            if older is not None:
                taken.add(older.pain_point_id)
            if older is not None and older.is_settled and not older.is_resolved and older.started_on:
                fall = since(cube, reference.rates, reference, fall.slice, older.started_on, fall.p_value)
            explained |= fall.cells
            exclusions.append((fall.slice.conditions, fall.started))
            finding = _finding(
                cube,
                "regression",
                fall,
                started=fall.started,
                ideal=ideal,
                recent=recent_counts(cube, reference.rates, fall.slice, RECENT_DAYS, fall.started),
                provisional=reference.baseline.days < FULL_BASELINE_DAYS,
                excluded=(),
                older=older,
            )
            candidates.append(_Candidate(finding, fall))
    if ideal is not None:
        tests += 1
        ideal_rates = np.full(cube.matured.shape, ideal)
        for gap in scan_standing_gaps(
            cube, slices, explained, ideal=ideal, shock=shock, margin=settings.margin, least_p=least_p
        ):
            finding = _finding(
                cube,
                "below_ideal",
                gap,
                started=None,
                ideal=ideal,
                recent=recent_counts(cube, ideal_rates, gap.slice, RECENT_DAYS),
                provisional=gap.days < STANDING_DAYS,
                excluded=(*exclusions, *((each.conditions, None) for each in gap.already_found)),
                older=_older(cube, "below_ideal", gap.slice, None, earlier),
            )
            candidates.append(_Candidate(finding, None))
    return _Scan(tuple(candidates), tests, reference)


def _older(
    cube: TransitionCube,
    kind: Kind,
    found: Slice,
    started: date | None,
    earlier: Sequence[OpenFinding],
) -> OpenFinding | None:
    """The earlier finding that goes on in this one.

    It has the same attempts under a near-equal segment; or, as long as it is young, it began at the
    same time in a wider or narrower segment: the first nights often see a drop before they see whose.
    """
    best: tuple[float, bool, int, str] | None = None
    chosen = None
    for each in (each for each in earlier if each.kind == kind):
        slice_then = cube.slice_of(each.conditions)
        overlap = cube.overlap(found, slice_then)
        if overlap < SAME_SEGMENT_OVERLAP and not (
            _is_nested(found, slice_then) and _began_together(each, started)
        ):
            continue
        # of equals the one that was there first
        rank = (overlap, not each.is_resolved, -each.first_seen.toordinal(), each.pain_point_id)
        if best is None or rank > best:
            best, chosen = rank, each
    return chosen


def _is_nested(one: Slice, other: Slice) -> bool:
    both = one.leaves & other.leaves
    return bool(both.any() and ((both == one.leaves).all() or (both == other.leaves).all()))


def _began_together(older: OpenFinding, started: date | None) -> bool:
    return (
        not older.is_settled
        and not older.is_resolved
        and older.started_on is not None
        and started is not None
        and abs(older.started_on - started) <= SAME_START
    )


def _finding(
    cube: TransitionCube,
    kind: Kind,
    found: Shortfall | Gap,
    *,
    started: date | None,
    ideal: float | None,
    recent: Recent,
    provisional: bool,
    excluded: tuple[Exclusion, ...],
    older: OpenFinding | None,
) -> Finding:
    chosen, cells, expected = found.slice, found.cells, found.expected
    loss = loss_of(cube, chosen, cells, expected, found.variance)
    attempts, successes = int(cube.matured[cells].sum()), int(cube.advanced[cells].sum())
    days = [day for day, used in zip(cube.days, np.asarray(cells.any(axis=0)), strict=True) if used]
    first, last = started or days[0], cube.days[-1]
    covered = {first + timedelta(days=n) for n in range((last - first).days + 1)}
    unseen = [day for day, seen in zip(cube.days, cube.seen, strict=True) if not seen and day in covered]
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
        unseen_days=tuple(unseen),
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
        is_over=recent.has_made_good(sure_gap(gap, loss.low, loss.conversions)),
        carries=older.pain_point_id if older else None,
    )
