"""Find the segments in which a transition falls short, each explained only once.

Greedy conditional scan: of all slices and windows take the one with the strongest evidence, multiply its
effect into the expectation, scan again. What a narrower or wider segment already explains is then
expected, so nested segments do not fill the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import expit, logit

from models.baseline import Baseline, fit_baseline, weekdays_of
from models.cube import Bools, Floats, Slice, SliceSet, TransitionCube
from models.evidence import lower_tail, signed_root_deviance

WINDOWS = (3, 5, 7, 10, 14, 21)
BASELINE_DAYS = 42
LEAST_BASELINE_DAYS = 14
LEAST_EXPECTED = 12.0
LEAST_FAILURES = 5.0
SCREEN = -2.5  # candidates beyond this many standard deviations are looked at
EXACT_TAILS = 8  # of them the strongest get an exact tail
SURE = 1.645  # one-sided 95 %


@dataclass(frozen=True)
class Shortfall:
    """A slice whose rate fell: ``p_value`` is that of the whole scan that found it.

    ``cells`` (leaves, days) are its attempts since ``started``; ``expected`` and ``variance`` are those
    of the successes in them.
    """

    slice: Slice
    started: date
    cells: Bools
    expected: float
    variance: float
    p_value: float


@dataclass(frozen=True)
class Reference:
    """Where the baseline of a scan comes from and which days it may judge."""

    baseline: Baseline
    rates: Floats
    tested_days: int


def make_reference(cube: TransitionCube, frozen_from: date | None) -> Reference | None:
    """Baseline and tested days of a cube, or None with too little history.

    The baseline ends before the longest window; while a finding is open (``frozen_from``) it ends
    before that finding began.
    """
    total = len(cube.days)
    tested = min(WINDOWS[-1], total - LEAST_BASELINE_DAYS)
    if tested < WINDOWS[0]:
        return None
    end = total - tested
    if frozen_from is not None and cube.days:
        end = min(end, max((frozen_from - cube.days[0]).days, LEAST_BASELINE_DAYS))
    days = np.arange(total)
    used = (days >= end - BASELINE_DAYS) & (days < end) & cube.seen
    if used.sum() < LEAST_BASELINE_DAYS:
        return None
    baseline = fit_baseline(cube, np.broadcast_to(used, cube.matured.shape))
    return Reference(baseline, baseline.rates(weekdays_of(cube)), tested)


def scan_regressions(
    cube: TransitionCube,
    reference: Reference,
    slices: SliceSet,
    *,
    margin: float,
    least_p: float,
    most: int = 6,
) -> list[Shortfall]:
    """Slices that convert below their own past, strongest first, down to a scan p-value of ``least_p``."""
    rates = reference.rates.copy()
    penalties = _penalties(slices)
    found: list[Shortfall] = []
    while len(found) < most:
        best = _strongest(cube, reference, rates, slices, penalties, margin, least_p)
        if best is None:
            break
        found.append(best)
        rates = explain_away(cube, rates, best)
    return found


def _penalties(slices: SliceSet) -> Floats:
    """For each slice, how many tests it competes with: those of its depth, in every window."""
    depths = slices.depths()
    return np.asarray(np.bincount(depths)[depths] * len(WINDOWS) * 2.0, dtype=np.float64)


@dataclass(frozen=True)
class _Sums:
    """Per slice and day: trials, successes, expected successes and their binomial information."""

    trials: Floats
    hits: Floats
    expected: Floats
    information: Floats


def _sums(cube: TransitionCube, rates: Floats, member: Floats, days: slice) -> _Sums:
    seen = cube.seen[days]
    trials = np.where(seen, cube.matured[:, days], 0)
    expected = trials * rates[:, days]
    return _Sums(
        member @ trials,
        member @ np.where(seen, cube.advanced[:, days], 0),
        member @ expected,
        member @ (expected * (1 - rates[:, days])),
    )


@dataclass(frozen=True)
class _Candidate:
    """A slice and window that looks short: its counts and its rank (the lowest explains best).

    The rank is the logarithm of the normal tail's p-value, with half the logarithm of the attempts added
    for every condition (Schwarz 1978): a narrower segment must fit better than by the luck of its draw.
    """

    rank: float
    index: int
    hits: float
    trials: float
    expected: float
    variance: float


def _strongest(
    cube: TransitionCube,
    reference: Reference,
    rates: Floats,
    slices: SliceSet,
    penalties: Floats,
    margin: float,
    least_p: float,
) -> Shortfall | None:
    days = slice(len(cube.days) - reference.tested_days, len(cube.days))
    sums = _sums(cube, rates, slices.member, days)
    baseline_weight = slices.member @ reference.baseline.attempts
    candidates: list[_Candidate] = []
    for window in (each for each in WINDOWS if each <= reference.tested_days):
        n, k, e, info = (
            array[:, -window:].sum(axis=1)
            for array in (sums.trials, sums.hits, sums.expected, sums.information)
        )
        squares = (sums.information[:, -window:] ** 2).sum(axis=1)
        adjusted, variance = _against_others(
            n, k, e, info, squares, slices.whole, reference.baseline, baseline_weight
        )
        enough = (np.minimum(e, adjusted) >= LEAST_EXPECTED) & (n - e >= LEAST_FAILURES)
        falls = (k < e * (1 - margin)) & (k < adjusted * (1 - margin))
        inflation = np.maximum(variance / np.maximum(info, 1e-9), 1)
        z = signed_root_deviance(k, n, adjusted) / np.sqrt(inflation)
        rank = stats.norm.logcdf(z) + np.log(penalties) + 0.5 * np.log(np.maximum(n, 2)) * slices.depths()
        for index in np.flatnonzero(enough & falls & (z < SCREEN)).tolist():
            candidates.append(
                _Candidate(rank[index], index, k[index], n[index], adjusted[index], variance[index])
            )
    if not candidates:
        return None
    for each in sorted(candidates, key=lambda each: each.rank)[:EXACT_TAILS]:
        p = lower_tail(each.hits, each.trials, each.expected, each.variance) * penalties[each.index]
        if p <= least_p:
            break
    else:
        return None
    chosen = slices.slices[each.index]
    started = _onset(cube, rates, chosen, reference.tested_days)
    return since(cube, rates, reference, chosen, started, p)


def _against_others(
    n: Floats,
    k: Floats,
    e: Floats,
    info: Floats,
    squares: Floats,
    whole: int,
    baseline: Baseline,
    baseline_weight: Floats,
) -> tuple[Floats, Floats]:
    """Expected successes and their variance for each slice of one window.

    The whole is judged against its past, with the day shocks in its variance. A segment is judged
    against what everyone else did in the same days, so that common shocks cancel, with the others'
    own uncertainty added.
    """
    rest_n, rest_k, rest_e = n[whole] - n, k[whole] - k, e[whole] - e
    rest_info = info[whole] - info
    others = np.clip((rest_k + 0.5) / (rest_n + 1), 1e-4, 1 - 1e-4)
    usual = np.clip((rest_e + 0.5) / (rest_n + 1), 1e-4, 1 - 1e-4)
    # the others' shift counts as far as they are many enough to know it
    trust = rest_info / (rest_info + 1 / max(baseline.shock, 0.02) ** 2)
    shift = (logit(others) - logit(usual)) * trust
    p = np.clip((e + 1e-9) / (n + 2e-9), 1e-6, 1 - 1e-6)
    adjusted = n * expit(logit(p) + shift)
    shift_variance = trust**2 / np.maximum(rest_info, 1e-9) * (rest_info > 0)
    common = baseline.shock_variance(squares, info)
    variance = info + info**2 * shift_variance + (1 - trust) ** 2 * common
    adjusted[whole], variance[whole] = e[whole], info[whole] + common[whole]
    # the baseline's own uncertainty: its rate came from finitely many attempts
    return adjusted, variance + info * n / np.maximum(baseline_weight, 1)


def _onset(cube: TransitionCube, rates: Floats, chosen: Slice, tested: int) -> date:
    """The first day of the change: the step in log-likelihood that fits the tested days best."""
    days = slice(len(cube.days) - tested, len(cube.days))
    sums = _sums(cube, rates, chosen.leaves[None, :].astype(float), days)
    n = np.cumsum(sums.trials[0, ::-1])[::-1]
    k = np.cumsum(sums.hits[0, ::-1])[::-1]
    e = np.cumsum(sums.expected[0, ::-1])[::-1]
    gain = np.where(k < e, signed_root_deviance(k, n, e) ** 2, 0.0)
    return cube.days[len(cube.days) - tested + int(np.argmax(gain))]


def since(
    cube: TransitionCube, rates: Floats, reference: Reference, chosen: Slice, started: date, p: float
) -> Shortfall:
    """The shortfall of a slice over all days from ``started`` on."""
    after = np.array([day >= started for day in cube.days])
    cells: Bools = chosen.leaves[:, None] & (after & cube.seen)[None, :]
    expected = np.where(cells, cube.matured * rates, 0)
    information = np.where(cells, cube.matured * rates * (1 - rates), 0)
    by_day = information.sum(axis=0)
    weight = float(reference.baseline.attempts[chosen.leaves].sum())
    own = float(information.sum()) * (1 + float(cube.matured[cells].sum()) / max(weight, 1.0))
    common = reference.baseline.shock_variance((by_day**2).sum(), by_day.sum())
    variance = own + float(common)
    return Shortfall(chosen, started, cells, float(expected.sum()), variance, p)


def explain_away(cube: TransitionCube, rates: Floats, found: Shortfall) -> Floats:
    """Rates with the effect of a finding multiplied into its cells, on the log-odds scale."""
    trials = cube.matured[found.cells].sum()
    observed = np.clip((cube.advanced[found.cells].sum() + 0.5) / (trials + 1), 1e-4, 1 - 1e-4)
    usual = np.clip(found.expected / max(trials, 1), 1e-4, 1 - 1e-4)
    shift = logit(observed) - logit(usual)
    clipped: npt.NDArray[np.float64] = np.clip(rates, 1e-6, 1 - 1e-6)
    return np.where(found.cells, expit(logit(clipped) + shift), rates)


@dataclass(frozen=True)
class Recent:
    """Trials, successes and expected successes of a slice in its last days."""

    trials: float
    hits: float
    expected: float

    def has_made_good(self, gap: float) -> bool:
        """Whether the rate is surely (one-sided 95 %) back over half of a relative ``gap``."""
        halfway = self.halfway(gap)
        if self.expected < LEAST_EXPECTED:
            return False
        z = signed_root_deviance(np.array([self.hits]), np.array([self.trials]), np.array([halfway]))
        return float(z[0]) > SURE

    def halfway(self, gap: float) -> float:
        return self.expected * (1 - gap / 2)


def sure_gap(gap: float, lost_low: float, lost: float) -> float:
    """The part of a relative gap that the lower end of its loss's interval leaves."""
    return gap * max(lost_low, 0.0) / lost if lost > 0 else gap


def recent_counts(
    cube: TransitionCube, rates: Floats, chosen: Slice, days: int, started: date | None = None
) -> Recent:
    """Counts of a slice in the last ``days`` seen days, none of them before ``started``."""
    start = cube.days[-1] - timedelta(days=days - 1)
    start = start if started is None else max(start, started)
    recent = np.array([day >= start for day in cube.days]) & cube.seen
    cells = chosen.leaves[:, None] & recent[None, :]
    return Recent(
        float(cube.matured[cells].sum()),
        float(cube.advanced[cells].sum()),
        float((cube.matured * rates)[cells].sum()),
    )
