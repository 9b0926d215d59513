"""From cohorts to the night's findings: a pure function, the seat of the method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from models.baseline import PRIOR_SHOCK
from models.blind_cells import unseen_cells
from models.cohorts import SETTLE_DAYS, CohortCube, CountCube, Slower
from models.evidence import benjamini_hochberg
from models.finding import Exclusion, Finding, Kind, OpenFinding, Unseen
from models.losses import NO_LOSS, Loss, loss_of
from models.reference import OpenCells, Reference, make_reference, reference_cells
from models.scan import (
    Recent,
    Shortfall,
    explain_away,
    recent_counts,
    scan_regressions,
    shortfall_of,
    sure_gap,
)
from models.slices import Bools, Floats, Slice, SliceSet, containment, overlap
from models.standing import STANDING_DAYS, Gap, scan_standing_gaps
from models.traffic import foreign_traffic

SEGMENT_DEPTH = 3
RECENT_DAYS = 7
FULL_BASELINE_DAYS = 28
COMPLETION_DAYS = 28
SAME_SEGMENT_OVERLAP = 0.5
SAME_START = timedelta(days=4)
SAME_PEOPLE = 0.5
MEMORY_DAYS = 120  # of the past are looked at: the baseline of a finding open for weeks, and its days


Transition = tuple[str, str, str, str]


@dataclass(frozen=True)
class DetectorSettings:
    """How findings are judged.

    ``false_discovery_rate`` is the level of the Benjamini-Hochberg procedure on a night's standing gaps,
    ``margin`` the relative shortfall too small to matter. ``alpha`` is the p-value, over all that is
    scanned in a night, below which a fall is told; ``alpha_to_stay`` that of one already told.
    """

    false_discovery_rate: float = 0.0005
    margin: float = 0.02
    alpha: float = 0.002
    alpha_to_stay: float = 0.02


@dataclass(frozen=True)
class Explained:
    """What is expected of a transition once tonight's findings are known: its counts as far as seen and
    rates (leaves, days), or None with too little history, and the cells of the regressions found."""

    counts: CountCube
    rates: Floats | None
    cells: Bools


@dataclass(frozen=True)
class Judgement:
    """The findings of a night, strongest lower bound of loss first, and what they explain, per transition
    and kind."""

    findings: tuple[Finding, ...]
    explained: Mapping[tuple[Transition, str], Explained]


def find_pain_points(
    cubes: Sequence[CohortCube],
    ideals: Mapping[tuple[str, str, str], float],
    open_findings: Sequence[OpenFinding],
    settings: DetectorSettings,
    slices: Mapping[tuple[str, str, str, str], SliceSet] | None = None,
) -> Judgement:
    """The findings of one night.

    ``cubes`` end with the night; ``ideals`` maps (journey, persona, stage b) to the ideal conversion at
    b. ``slices`` may be given, per transition, to spare making them again for every night of a replay.
    """
    scans = [
        _scan(
            cube,
            slices[cube.transition] if slices is not None else cube.slices(SEGMENT_DEPTH),
            ideals.get((cube.journey, cube.persona, cube.next_stage)),
            [each for each in open_findings if each.transition == cube.transition],
            settings,
            len(cubes),
        )
        for cube in cubes
    ]
    # scans that found nothing belong to the family as well: their p-values count as 1
    gaps = [each.finding.p_value for scan in scans for each in scan.candidates if each.fall is None]
    quiet = max(sum(scan.standing_tests for scan in scans) - len(gaps), 0)
    q_values = iter(benjamini_hochberg(np.array(gaps + [1.0] * quiet)).tolist())
    findings = []
    explained: dict[tuple[Transition, str], Explained] = {}
    for cube, scan in zip(cubes, scans, strict=True):
        told = []
        for each in scan.candidates:
            if each.fall is None:
                finding = replace(each.finding, q_value=next(q_values))
                is_sure = finding.q_value <= settings.false_discovery_rate
            else:
                finding = replace(each.finding, q_value=min(each.finding.p_value, 1.0))
                least = settings.alpha_to_stay if finding.carries else settings.alpha
                is_sure = finding.p_value <= least
            costs = finding.lost_low > 0 or finding.kind == "slow"
            if is_sure and costs and not finding.is_over:
                findings.append(finding)
                told.append(each)
        for kind, known in _explained_by(scan, told).items():
            explained[(cube.transition, kind)] = known
    return Judgement(tuple(sorted(findings, key=lambda each: -each.lost_low)), explained)


@dataclass(frozen=True)
class _Candidate:
    """A finding before the night's other tests are known, and the regression it stands on, if it does."""

    finding: Finding
    fall: Shortfall | None


@dataclass(frozen=True)
class _Scan:
    """What the scans of one transition brought; ``standing_tests`` is how many gaps were looked for,
    ``families`` what each kind was judged by."""

    candidates: tuple[_Candidate, ...]
    standing_tests: int
    families: Mapping[Kind, tuple[CountCube, Reference | None]]


def _without(counts: CountCube, cells: Bools) -> CountCube:
    """The counts without what happened in some cells (leaves, days)."""
    return replace(counts, share=np.where(cells, 0, counts.share)) if cells.any() else counts


def _explained_by(scan: _Scan, told: Sequence[_Candidate]) -> dict[Kind, Explained]:
    # only what is told explains: a finding that is not told again must not hide in its own effect
    explained: dict[Kind, Explained] = {}
    for kind, (counts, reference) in scan.families.items():
        cells: Bools = np.zeros(counts.trials.shape, dtype=np.bool_)
        rates = None if reference is None else reference.rates
        for each in told:
            if each.fall is not None and each.finding.kind == kind and rates is not None:
                rates = explain_away(rates, each.fall)
                cells |= each.fall.cells
        explained[kind] = Explained(counts, rates, cells)
    return explained


def _scan(
    cube: CohortCube,
    slices: SliceSet,
    ideal: float | None,
    earlier: Sequence[OpenFinding],
    settings: DetectorSettings,
    transitions: int,
) -> _Scan:
    opened = [
        OpenCells(cube.slice_of(each.conditions).leaves, (each.started_on - cube.days[0]).days)
        for each in earlier
        if each.started_on is not None and not each.is_resolved
    ]
    cells = reference_cells(cube.trials.shape, cube.observed, opened)
    delays = cube.delays(np.ones_like(cube.observed) if cells is None else cells)
    explained: Bools = np.zeros(cube.trials.shape, dtype=np.bool_)
    exclusions: list[Exclusion] = []
    candidates: list[_Candidate] = []
    counts = cube.counts(delays)
    reference = None
    families: dict[Kind, tuple[CountCube, Reference | None]] = {}
    if cells is not None:
        bursts, _ = foreign_traffic(counts, make_reference(counts, slices, cells), cells, slices)
        if bursts.any():
            cells = cells & ~bursts
        slower: list[Slower] = []
        punctual = cube.punctual(delays)
        if punctual is not None:
            punctual = _without(punctual, bursts)
            late, past = _family(cube, punctual, slices, cells, delays, earlier, settings, transitions, None)
            families["slow"] = punctual, past
            candidates += late
            # the newest cohorts cannot show yet that they are slow, but they are expected to be
            slower = [
                Slower(
                    each.fall.slice.leaves[:, None] & _between(cube, each.fall.started, cube.days[-1]),
                    each.fall.change,
                )
                for each in late
                if each.fall is not None
            ]
        counts = _without(cube.counts(delays, slower=slower), bursts)
        falls, reference = _family(cube, counts, slices, cells, delays, earlier, settings, transitions, ideal)
        candidates += falls
        for fall in (each.fall for each in falls if each.fall is not None):
            explained |= fall.cells
            exclusions.append((fall.slice.conditions, fall.started))
    shock = PRIOR_SHOCK if reference is None else reference.baseline.shock
    if ideal is not None:
        ideal_rates = np.full(cube.trials.shape, ideal)
        for gap in scan_standing_gaps(
            counts,
            slices,
            explained,
            ideal=ideal,
            shock=shock,
            margin=settings.margin,
            least_p=4 * settings.false_discovery_rate,
        ):
            observed = float(counts.successes[gap.cells].sum())
            finding = _finding(
                cube,
                counts,
                "below_ideal",
                gap,
                loss=loss_of(
                    cube,
                    gap.slice,
                    gap.cells,
                    expected=gap.expected,
                    observed=observed,
                    variance=gap.variance,
                    in_full=gap.expected,
                ),
                started=None,
                ideal=ideal,
                recent=recent_counts(counts, ideal_rates, gap.slice, RECENT_DAYS),
                provisional=gap.days < STANDING_DAYS,
                excluded=(*exclusions, *((each.conditions, None) for each in gap.already_found)),
                older=_older(cube, "below_ideal", gap.slice, None, earlier),
            )
            candidates.append(_Candidate(finding, None))
    families["regression"] = counts, reference
    return _Scan(tuple(candidates), int(ideal is not None), families)


def _family(
    cube: CohortCube,
    counts: CountCube,
    slices: SliceSet,
    cells: Bools,
    delays: Floats,
    earlier: Sequence[OpenFinding],
    settings: DetectorSettings,
    transitions: int,
    ideal: float | None,
) -> tuple[list[_Candidate], Reference]:
    """What fell below its own past in one family of counts."""
    kind: Kind = "slow" if counts.family == "slow" else "regression"
    reference = make_reference(counts, slices, cells)
    falls = scan_regressions(
        counts,
        reference,
        slices,
        margin=settings.margin,
        least_log_p=math.log(settings.alpha_to_stay),
        tests=2 * transitions,
        told={each.conditions for each in earlier if each.kind == kind and not each.is_resolved},
    )
    taken: set[str] = set()
    candidates = []
    for fall in falls:
        older = _older(cube, kind, fall.slice, fall.started, earlier)
        if older is not None and older.pain_point_id in taken:
            continue  # it fell again: the finding that is told already covers all days since it began
        if older is None and fall.p_value > settings.alpha:
            continue
        if older is not None:
            taken.add(older.pain_point_id)
        if older is not None and not older.is_resolved and older.started_on:
            # its days may reach back beyond those that are tested anew
            known = older.started_on if older.is_settled else None
            early = older.started_on - SAME_START
            fall = shortfall_of(
                counts, reference, reference.rates, slices, fall.slice, known, fall.log_p, since=early
            )
        finding = _finding(
            cube,
            counts,
            kind,
            fall,
            loss=NO_LOSS if kind == "slow" else _loss_of_fall(cube, counts, reference, fall, delays),
            started=fall.started,
            ideal=ideal,
            recent=recent_counts(counts, reference.rates, fall.slice, RECENT_DAYS, fall.started),
            provisional=reference.baseline.days < FULL_BASELINE_DAYS,
            excluded=(),
            older=older,
        )
        if kind == "slow":
            usual = cells & fall.slice.leaves[:, None]
            finding = replace(
                finding,
                prompt_age=cube.prompt_age(delays),
                seconds=cube.mean_seconds(fall.cells),
                usual_seconds=cube.mean_seconds(usual),
            )
        candidates.append(_Candidate(finding, fall))
    return candidates, reference


def _loss_of_fall(
    cube: CohortCube, counts: CountCube, reference: Reference, fall: Shortfall, delays: Floats
) -> Loss:
    """The loss of a fall, of everyone who could have come by the night, the newest day included."""
    since = np.array([day >= fall.started for day in cube.days])
    cells = fall.slice.leaves[:, None] & since[None, :]
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


def _between(cube: CohortCube, first: date, last: date) -> Bools:
    return np.array([first <= day <= last for day in cube.days])


def _unseen(cube: CohortCube, chosen: Slice, observed: Bools) -> tuple[Unseen, ...]:
    return unseen_cells(observed, chosen, cube.days, cube.columns, cube.leaf_values)


def _older(
    cube: CohortCube,
    kind: Kind,
    found: Slice,
    started: date | None,
    earlier: Sequence[OpenFinding],
) -> OpenFinding | None:
    """The earlier finding that goes on in this one.

    It has the same attempts under a near-equal segment; or, as long as it is young, it began at the
    same time in a segment that shares half of its people: the first nights often see a drop before they
    see whose.
    """
    best: tuple[float, bool, int, str] | None = None
    chosen = None
    weight = cube.trials.sum(axis=1)
    for each in (each for each in earlier if each.kind == kind):
        slice_then = cube.slice_of(each.conditions)
        shared = overlap(weight, found, slice_then)
        is_near = found.is_nested_with(slice_then) or containment(weight, found, slice_then) >= SAME_PEOPLE
        if shared < SAME_SEGMENT_OVERLAP and not (is_near and _began_together(each, started)):
            continue
        # of equals the one that was there first
        rank = (shared, not each.is_resolved, -each.first_seen.toordinal(), each.pain_point_id)
        if best is None or rank > best:
            best, chosen = rank, each
    return chosen


def _began_together(older: OpenFinding, started: date | None) -> bool:
    return (
        not older.is_settled
        and not older.is_resolved
        and older.started_on is not None
        and started is not None
        and abs(older.started_on - started) <= SAME_START
    )


def _finding(
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
        is_over=recent.has_made_good(sure_gap(gap, loss.low, loss.conversions)),
        carries=older.pain_point_id if older else None,
        seen_until=cube.days[-1] - timedelta(days=SETTLE_DAYS),
        unseen=_unseen(cube, chosen, cells | ~_between(cube, first, last)[None, :]),
        unseen_arrivals=() if kind == "below_ideal" else _unseen(cube, chosen, cube.observed),
    )
