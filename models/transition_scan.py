"""All scans of one transition in one night: what fell below its own past, what stands below its ideal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from models.baseline import PRIOR_SHOCK
from models.campaign_calendar import days_left_out, named_cells
from models.carrying import SAME_START, older_of
from models.cohorts import CohortCube, CountCube, Family, Slower
from models.detector_settings import DetectorSettings
from models.finding import Exclusion, Finding, Kind, OpenFinding
from models.losses import NO_LOSS, loss_of
from models.mix_shift import MixShift, mix_shift
from models.recent import recent_counts
from models.reference import OpenCells, Reference, make_reference, reference_cells
from models.scan import scan_regressions
from models.shortfall import Shortfall, shortfall_of
from models.slices import Bools, Floats, SliceSet
from models.standing import STANDING_DAYS, scan_standing_gaps
from models.telling import as_detour, between, finding_of, loss_of_fall
from models.traffic import Burst, foreign_traffic

RECENT_DAYS = 7
STILL_BAD = 0.25  # of its whole gap that a finding must show in its last days to be told anew
FULL_BASELINE_DAYS = 28
KINDS: dict[Family, Kind] = {
    "advance": "regression",
    "slow": "slow",
    "detour": "detour",
    "friction": "friction",
}


@dataclass(frozen=True)
class Candidate:
    """A finding before the night's other tests are known, and the regression it stands on, if it does."""

    finding: Finding
    fall: Shortfall | None


@dataclass(frozen=True)
class TransitionScan:
    """What the scans of one transition brought; ``standing_tests`` is how many gaps were looked for,
    ``families`` what each kind was judged by, ``bursts`` what of the traffic was left out,
    ``mix`` how far the whole moved because others came."""

    candidates: tuple[Candidate, ...]
    standing_tests: int
    families: Mapping[str, tuple[CountCube, Reference | None]]
    bursts: tuple[Burst, ...] = ()
    mix: MixShift | None = None


def scan_transition(
    cube: CohortCube,
    slices: SliceSet,
    ideal: float | None,
    earlier: Sequence[OpenFinding],
    settings: DetectorSettings,
    tests: float,
) -> TransitionScan:
    """Scan one cube; ``tests`` is how many scans compete tonight, ``ideal`` the conversion there should be.

    Slow-downs come first: who is late is not missing yet. Standing gaps come last, in what no fall explains.
    Who reached the stage on a named day of the calendar is no past and no evidence; arrivals on such a day
    of people who reached it earlier count as ever.
    """
    opened = [
        OpenCells(cube.slice_of(each.conditions).leaves, (each.started_on - cube.days[0]).days)
        for each in earlier
        if each.started_on is not None and not each.is_resolved
    ]
    named = named_cells(cube, settings.calendar)
    cells = reference_cells(cube.trials.shape, cube.observed & ~named, opened)
    delays = cube.delays(np.ones_like(cube.observed) if cells is None else cells)
    explained: Bools = np.zeros(cube.trials.shape, dtype=np.bool_)
    exclusions: list[Exclusion] = []
    candidates: list[Candidate] = []
    counts = cube.counts(delays).without(named)
    reference = None
    families: dict[str, tuple[CountCube, Reference | None]] = {}
    bursts: tuple[Burst, ...] = ()
    mix: MixShift | None = None
    if cells is not None:
        masked, bursts = foreign_traffic(counts, partial(_usual_rates, counts, slices, cells), slices)
        if masked.any():
            cells = cells & ~masked
        masked = masked | named
        slower: list[Slower] = []
        punctual = cube.punctual(delays)
        if punctual is not None:
            punctual = punctual.without(masked)
            late, past = scan_family(cube, punctual, slices, cells, delays, earlier, settings, tests, None)
            families["slow"] = punctual, past
            candidates += late
            # the newest cohorts cannot show yet that they are slow, but they are expected to be
            slower = [
                Slower(
                    each.fall.slice.leaves[:, None] & between(cube, each.fall.started, cube.days[-1]),
                    each.fall.change,
                )
                for each in late
                if each.fall is not None
            ]
        counts = cube.counts(delays, slower=slower).without(masked)
        falls, reference = scan_family(cube, counts, slices, cells, delays, earlier, settings, tests, ideal)
        candidates += falls
        for measure in cube.turns:
            turned = cube.turned(measure).without(masked)
            detours, past = scan_family(cube, turned, slices, cells, delays, earlier, settings, tests, None)
            families[measure] = turned, past
            candidates += detours
        # a campaign brings others for its days; where it is only some people's, the shares would shift by it
        on_usual_days = replace(counts, trials=counts.trials * ~named.any(axis=0))
        mix = mix_shift(on_usual_days, reference, cells)
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
            finding = finding_of(
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
                older=older_of(cube, "below_ideal", gap.slice, None, earlier),
            )
            candidates.append(Candidate(_with_calendar(finding, settings), None))
    families["regression"] = counts, reference
    return TransitionScan(tuple(candidates), int(ideal is not None), families, bursts, mix)


def scan_family(
    cube: CohortCube,
    counts: CountCube,
    slices: SliceSet,
    cells: Bools,
    delays: Floats,
    earlier: Sequence[OpenFinding],
    settings: DetectorSettings,
    tests: float,
    ideal: float | None,
) -> tuple[list[Candidate], Reference]:
    """What fell below its own past in one family of counts; ``tests`` is how many scans compete tonight."""
    kind: Kind = KINDS[counts.family]
    own = [each for each in earlier if each.measure == counts.measure]
    reference = make_reference(counts, slices, cells)
    falls = scan_regressions(
        counts,
        reference,
        slices,
        margin=settings.margin,
        least_log_p=math.log(settings.alpha_to_stay),
        tests=tests,
        told={each.conditions for each in own if each.kind == kind and not each.is_resolved},
    )
    taken: set[str] = set()
    candidates = []
    for fall in falls:
        older = older_of(cube, kind, fall.slice, fall.started, own)
        if older is not None and older.pain_point_id in taken:
            continue  # it fell again: the finding that is told already covers all days since it began
        if (older is None or older.is_resolved) and fall.p_value > settings.alpha:
            continue  # what has recovered needs as much to come back as a new one
        if older is not None:
            taken.add(older.pain_point_id)
        if older is not None and not older.is_resolved and older.started_on:
            # its days may reach back beyond those that are tested anew
            known = older.started_on if older.is_settled else None
            early = older.started_on - SAME_START
            fall = shortfall_of(
                counts, reference, reference.rates, slices, fall.slice, known, fall.log_p, since=early
            )
        loss = NO_LOSS
        if kind == "regression":
            loss = loss_of_fall(cube, counts, reference, fall, delays, named_cells(cube, settings.calendar))
        finding = finding_of(
            cube,
            counts,
            kind,
            fall,
            loss=loss,
            started=fall.started,
            ideal=ideal,
            recent=recent_counts(
                counts, reference.rates, fall.slice, RECENT_DAYS, fall.started, reference.baseline
            ),
            provisional=reference.baseline.days < FULL_BASELINE_DAYS,
            excluded=(),
            older=older,
        )
        if (older is None or older.is_resolved) and finding.trend < STILL_BAD:
            continue  # the days are long enough ago to be over: that is no news
        if kind == "slow":
            usual = cells & fall.slice.leaves[:, None]
            finding = replace(
                finding,
                prompt_age=cube.prompt_age(delays),
                seconds=cube.mean_seconds(fall.cells),
                usual_seconds=cube.mean_seconds(usual),
            )
        if kind in ("detour", "friction"):
            finding = as_detour(finding, counts.measure)
        candidates.append(Candidate(_with_calendar(finding, settings), fall))
    return candidates, reference


def _with_calendar(finding: Finding, settings: DetectorSettings) -> Finding:
    days = finding.first_day, finding.last_day
    return replace(finding, left_out=days_left_out(settings.calendar, finding.conditions, *days))


def _usual_rates(counts: CountCube, slices: SliceSet, cells: Bools) -> Floats:
    return make_reference(counts, slices, cells).rates
