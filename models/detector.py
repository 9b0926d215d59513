"""From cohorts to the night's findings: a pure function, the seat of the method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.baseline import Baseline
from models.cohorts import CohortCube, CountCube
from models.consequences import is_consequence
from models.detector_settings import DetectorSettings
from models.evidence import benjamini_hochberg
from models.finding import Finding, Kind, OpenFinding
from models.friction_scan import friction_scans, scan_friction
from models.mix_shift import MixShift
from models.shortfall import explain_away
from models.slices import Bools, Floats, SliceSet
from models.traffic import Burst
from models.transition_scan import Candidate, TransitionScan, scan_transition

__all__ = ["DetectorSettings", "Explained", "Judgement", "find_pain_points", "scans_of_night"]

SEGMENT_DEPTH = 3
MEMORY_DAYS = 120  # of the past are looked at: the baseline of a finding open for weeks, and its days

Transition = tuple[str, str, str, str]


@dataclass(frozen=True)
class Explained:
    """What is expected of a transition once tonight's findings are known: its counts as far as seen and
    rates (leaves, days), or None with too little history, and the cells of the regressions found."""

    counts: CountCube
    rates: Floats | None
    cells: Bools
    baseline: Baseline | None = None


@dataclass(frozen=True)
class Judgement:
    """The findings of a night, strongest lower bound of loss first, and what they explain, per transition
    and kind (of a detour its measure). ``bursts`` of traffic without customers were left out; ``mixes``
    moved a whole without anybody doing worse."""

    findings: tuple[Finding, ...]
    explained: Mapping[tuple[Transition, str], Explained]
    bursts: Mapping[Transition, tuple[Burst, ...]]
    mixes: Mapping[Transition, MixShift]


def find_pain_points(
    cubes: Sequence[CohortCube],
    ideals: Mapping[tuple[str, str, str], float],
    open_findings: Sequence[OpenFinding],
    settings: DetectorSettings,
    slices: Mapping[tuple[str, str, str, str], SliceSet] | None = None,
    friction: Sequence[CohortCube] = (),
) -> Judgement:
    """The findings of one night.

    ``cubes`` end with the night; ``ideals`` maps (journey, persona, stage b) to the ideal conversion at
    b. ``slices`` may be given, per transition, to spare making them again for every night of a replay.
    ``friction`` are cubes of recordings and answers (models.friction_table), which end with the night too.
    """
    tests = scans_of_night(cubes, friction)
    scans = [
        scan_transition(
            cube,
            slices[cube.transition] if slices is not None else cube.slices(SEGMENT_DEPTH),
            ideals.get((cube.journey, cube.persona, cube.next_stage)),
            _earlier(open_findings, cube),
            settings,
            tests,
        )
        for cube in cubes
    ]
    scans += [
        scan_friction(
            cube, cube.slices(SEGMENT_DEPTH), _earlier(open_findings, cube, "friction"), settings, tests
        )
        for cube in friction
    ]
    # scans that found nothing belong to the family as well: their p-values count as 1
    gaps = [each.finding.p_value for scan in scans for each in scan.candidates if each.fall is None]
    quiet = max(sum(scan.standing_tests for scan in scans) - len(gaps), 0)
    q_values = iter(benjamini_hochberg(np.array(gaps + [1.0] * quiet)).tolist())
    told_of: list[list[Candidate]] = []
    for scan in scans:
        told = []
        for each in scan.candidates:
            if each.fall is None:
                finding = replace(each.finding, q_value=next(q_values))
                is_sure = finding.q_value <= settings.false_discovery_rate
            else:
                finding = replace(each.finding, q_value=min(each.finding.p_value, 1.0))
                least = settings.alpha_to_stay if finding.carries else settings.alpha
                is_sure = finding.p_value <= least
            costs = finding.lost_low > 0 or finding.kind in ("slow", "detour", "friction")
            if is_sure and costs and not finding.is_over:
                told.append(replace(each, finding=finding))
        told_of.append(told)
    every = [each.finding for told in told_of for each in told]
    findings = []
    explained: dict[tuple[Transition, str], Explained] = {}
    for cube, scan, told in zip([*cubes, *friction], scans, told_of, strict=True):
        kept = [each for each in told if not is_consequence(each.finding, every)]
        findings += [each.finding for each in kept]
        for kind, known in _explained_by(scan, kept).items():
            explained[(cube.transition, kind)] = known
    of_cubes = list(zip(cubes, scans[: len(cubes)], strict=True))
    bursts = {cube.transition: scan.bursts for cube, scan in of_cubes}
    ranked = sorted(findings, key=lambda each: -each.lost_low)
    mixes = {cube.transition: scan.mix for cube, scan in of_cubes if scan.mix is not None}
    return Judgement(tuple(ranked), explained, bursts, mixes)


def scans_of_night(cubes: Sequence[CohortCube], friction: Sequence[CohortCube] = ()) -> int:
    """How many scans compete for the night's attention: falls, slow-downs, each detour, each friction."""
    return sum(2 + len(cube.turns) for cube in cubes) + sum(friction_scans(cube) for cube in friction)


def _earlier(
    open_findings: Sequence[OpenFinding], cube: CohortCube, only: Kind | None = None
) -> list[OpenFinding]:
    """Earlier findings of a cube's transition: of friction alone, or all but those of friction."""
    own = [each for each in open_findings if each.transition == cube.transition]
    return [each for each in own if (each.kind == "friction") == (only == "friction")]


def _explained_by(scan: TransitionScan, told: Sequence[Candidate]) -> dict[str, Explained]:
    # only what is told explains: a finding that is not told again must not hide in its own effect
    explained: dict[str, Explained] = {}
    for kind, (counts, reference) in scan.families.items():
        cells: Bools = np.zeros(counts.trials.shape, dtype=np.bool_)
        rates = None if reference is None else reference.rates
        for each in told:
            if (
                each.fall is not None
                and (each.finding.measure or each.finding.kind) == kind
                and rates is not None
            ):
                rates = explain_away(rates, each.fall)
                cells |= each.fall.cells
        explained[kind] = Explained(counts, rates, cells, None if reference is None else reference.baseline)
    return explained
