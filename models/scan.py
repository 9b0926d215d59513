"""Find the segments in which a transition falls short, each explained only once.

Greedy conditional scan: of all slices and windows take the one with the strongest evidence, multiply its
effect into the expectation, scan again. What a narrower or wider segment already explains is then
expected, so nested segments do not fill the list. Rises are explained away too, but not told: a sale in
one channel makes no drop of the others.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy.special import expit

from models.cohorts import CountCube
from models.evidence import lower_tail, signed_root_deviance
from models.reference import LEAST_BASELINE_DAYS, Reference
from models.slices import Bools, Conditions, Floats, Slice, SliceSet
from models.windows import WINDOWS, Windowed, followed, log_tails, windowed

LEAST_EXPECTED = 12.0
LEAST_FAILURES = 5.0
FEW = 60.0  # counts below this get an exact tail
EXACT_TAILS = 8  # of the strongest candidates
DEPTH_PENALTY = 1.0  # of log-evidence, for every condition: most causes have few
ONSET_SPREAD = 1.5  # standard deviation of the first day, in days that together prove a change at z = 1
MOST_ONSET_DAYS = 4.0
STAYS = 3.0  # of log-evidence by which another segment must explain better than the one told last night


@dataclass(frozen=True)
class Shortfall:
    """A slice whose rate changed: ``log_p`` is the logarithm of the p-value of the scan that found it.

    ``cells`` (leaves, days) are its attempts since ``started``; ``expected`` and ``variance`` are those
    of the successes in them that could have been seen. ``change`` is the factor on successes of a fall;
    of a rise it is that on failures, negative.
    """

    slice: Slice
    started: date
    cells: Bools
    expected: float
    variance: float
    change: float
    log_p: float

    @property
    def is_fall(self) -> bool:
        return self.change >= 0

    @property
    def p_value(self) -> float:
        return float(np.exp(min(self.log_p, 0.0)))


def scan_regressions(
    cube: CountCube,
    reference: Reference,
    slices: SliceSet,
    *,
    margin: float,
    least_log_p: float,
    tests: float = 1.0,
    told: Collection[Conditions] = (),
    most: int = 6,
) -> list[Shortfall]:
    """Slices that do worse than their own past, strongest first, down to a scan p-value of e^least_log_p.

    ``tests`` is how many scans (transitions, families) compete for the night's attention; of segments
    that explain about equally well those ``told`` the night before are taken.
    """
    rates = reference.rates.copy()
    windows = tuple(each for each in WINDOWS if each <= reference.tested_days)
    depths = slices.depths()
    penalties = np.log(np.bincount(depths)[depths] * len(windows) * tests)
    handicap = DEPTH_PENALTY * depths - STAYS * np.array([each.conditions in told for each in slices.slices])
    found: list[Shortfall] = []
    for _ in range(2 * most):
        judged = windowed(cube, reference, rates, slices, windows)
        best = _strongest(judged, slices, penalties, handicap, margin, least_log_p)
        if best is None:
            break
        index, log_p, rises = best
        chosen = slices.slices[index]
        change = shortfall_of(cube, reference, rates, slices, chosen, None, log_p, rises=rises)
        rates = explain_away(rates, change)
        if not rises:
            found.append(change)
        if len(found) == most:
            break
    return found


def _strongest(
    judged: Windowed, slices: SliceSet, penalties: Floats, handicap: Floats, margin: float, least: float
) -> tuple[int, float, bool] | None:
    """The slice with the strongest evidence, the logarithm of its p-value and whether it rose; or None."""
    k, e, usual, x = judged.hits, judged.expected, judged.usual, judged.exposure
    enough = (np.minimum(e, usual) >= LEAST_EXPECTED) & (x - e >= LEAST_FAILURES)
    falls = (k < e * (1 - margin)) & (k < usual * (1 - margin / 2))
    # what only looks good beside the others did not rise: they fell
    rises = (k > e * (1 + margin)) & (k - usual > (k - e) / 2) & (slices.depths() > 0)[:, None]
    tails = np.where(falls | rises, log_tails(-np.abs(judged.z), judged.degrees), 0.0)
    evidence = np.where(enough, tails + penalties[:, None], 0.0)
    rank = np.where(evidence <= least, evidence - judged.relief + handicap[:, None], np.inf)
    order = np.argsort(rank, axis=None)[:EXACT_TAILS]
    best: tuple[float, int, float, bool] | None = None
    for place in order.tolist():
        row, column = np.unravel_index(place, rank.shape)
        at = (row, column)
        value = float(evidence[at])
        if value > least:
            break
        if falls[at] and min(k[at], x[at] - k[at]) < FEW:
            counts = (float(each[at]) for each in (k, judged.trials, e, judged.variance))
            exact = lower_tail(*counts)
            value = max(value, float(np.log(max(exact, 1e-300)) + penalties[row]))
        ranked = value - float(judged.relief[at]) + float(handicap[row])
        if value <= least and (best is None or ranked < best[0]):
            best = ranked, int(row), value, bool(rises[at])
    return None if best is None else best[1:]


def shortfall_of(
    cube: CountCube,
    reference: Reference,
    rates: Floats,
    slices: SliceSet,
    chosen: Slice,
    started: date | None,
    log_p: float,
    *,
    rises: bool = False,
    since: date | None = None,
) -> Shortfall:
    """The shortfall of a slice since ``started``; None finds the day on which the change best begins, of
    the days tested, or of all from ``since`` on where that is earlier.

    A rise is not a shortfall: it is taken for the days on which it lasts.
    """
    history = _history(cube, reference, rates, slices, chosen)
    tested = len(cube.days) - reference.tested_days
    if since is not None:
        tested = min(tested, max((since - cube.days[0]).days, LEAST_BASELINE_DAYS))
    end = len(cube.days)
    if rises:
        start, end = (tested + place for place in _burst(history[:, tested:]))
    elif started is None:
        start = tested + _step(history[:, tested:])
    else:
        start = max((started - cube.days[0]).days, 0)
    day = np.arange(len(cube.days))
    after = (day >= start) & (day < end)
    x, k, e, info = history[:, after].sum(axis=1)
    cells: Bools = chosen.leaves[:, None] & (after[None, :] & (cube.share > 0))
    own = np.where(cells, cube.exposure * rates * (1 - rates), 0)
    behind = _information_behind(reference, chosen, slices)
    by_day = own.sum(axis=0)
    variance = info + info**2 / max(behind, 1e-9)
    days = float(max((by_day > 0).sum(), 1))
    baseline = reference.baseline
    # leaves stray by themselves, in the days judged as in those of the baseline
    strayed = baseline.leaf_shock**2 * 7 * float((own**2).sum())
    variance += strayed * (1 + days / max(baseline.days, 1))
    common = float(baseline.shock_variance((by_day**2).sum(), by_day.sum(), days))
    if chosen.depth == 0:
        variance += common
    else:
        rest = max(float((cube.exposure * rates * (1 - rates))[~chosen.leaves][:, after].sum()), 1.0)
        # of a common shift the others tell as much as they are many; the rest of it stays unknown
        spread = common / max(info, 1e-9) ** 2
        variance += info**2 * spread / (1 + spread * rest)
    # the day of the change is known the worse the less each day shows: half a day's proof, half a day
    missing = abs(e - k) / days
    variance += min(ONSET_SPREAD * info / days / max(missing, 1e-9), MOST_ONSET_DAYS * missing) ** 2
    change = float((k + 0.5) / (e + 0.5)) if k < e else -float((x - k + 0.5) / (max(x - e, 0) + 0.5))
    return Shortfall(chosen, cube.days[min(start, len(cube.days) - 1)], cells, e, variance, change, log_p)


def _information_behind(reference: Reference, chosen: Slice, slices: SliceSet) -> float:
    for index, each in enumerate(slices.slices):
        if each.conditions == chosen.conditions:
            return float(reference.information[index])
    rate = expit(reference.baseline.leaf_log_odds[chosen.leaves])
    return float((reference.baseline.attempts[chosen.leaves] * rate * (1 - rate)).sum())


def _history(cube: CountCube, reference: Reference, rates: Floats, slices: SliceSet, chosen: Slice) -> Floats:
    """Exposure, successes, expected successes and information of a slice by day, shape (4, days).

    What is expected follows the common shift of each day, as far as everyone else shows it.
    """
    x_all, k_all = cube.exposure, np.where(cube.share > 0, cube.successes, 0)
    e_all, i_all = x_all * rates, x_all * rates * (1 - rates)
    inside = chosen.leaves.astype(float)
    x, k, e, info = (inside @ each for each in (x_all, k_all, e_all, i_all))
    for index, each in enumerate(slices.slices):
        if each.conditions == chosen.conditions:
            only = np.zeros((len(slices.slices), len(x)))
            only[index] = e
            wide = np.zeros_like(only)
            wide[index] = x
            e = reference.recalibrated(wide, only)[index]
    if chosen.depth:
        e = followed(x, e, (1 - inside) @ np.stack([x_all, k_all, e_all, i_all]), reference.baseline.shock)
    return np.array([x, k, e, info])


def _step(history: Floats) -> int:
    """The first day of the fall: the step in log-likelihood that fits these days best."""
    x, k, e, _ = np.cumsum(history[:, ::-1], axis=1)[:, ::-1]
    return int(np.argmin(signed_root_deviance(k, np.maximum(x, k), e)))


def _burst(history: Floats) -> tuple[int, int]:
    """The first day of a rise and the day after its last, where these fit the days best."""
    sums = np.concatenate([np.zeros((4, 1)), np.cumsum(history, axis=1)], axis=1)
    x, k, e, _ = np.maximum(sums[:, None, :] - sums[:, :, None], 0)
    start, end = np.unravel_index(int(np.argmax(signed_root_deviance(k, np.maximum(x, k), e))), x.shape)
    return int(start), int(end)


def explain_away(rates: Floats, found: Shortfall) -> Floats:
    """Rates with the effect of a finding multiplied into its cells."""
    changed = rates * found.change if found.is_fall else 1 + (1 - rates) * found.change
    return np.where(found.cells, np.clip(changed, 1e-6, 1 - 1e-6), rates)
