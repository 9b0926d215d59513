"""A segment that did worse than its own past: since when, by how much, and how sure the counts are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy.special import expit

from models.cohorts import CountCube
from models.evidence import signed_root_deviance
from models.reference import LEAST_BASELINE_DAYS, Reference
from models.slices import Bools, Floats, Slice, SliceSet
from models.windows import followed

ONSET_SPREAD = 1.5  # standard deviation of the first day, in days that together prove a change at z = 1
MOST_ONSET_DAYS = 4.0


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
        if np.array_equal(each.leaves, chosen.leaves):
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
        if np.array_equal(each.leaves, chosen.leaves):
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
