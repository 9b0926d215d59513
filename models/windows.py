"""Counts of every slice in every window, and how far each lies from what is expected of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.special import expit, logit

from models.cohorts import CountCube
from models.evidence import signed_root_deviance
from models.reference import Reference
from models.slices import Floats, SliceSet

WINDOWS = (2, 3, 5, 7, 10, 14, 21, 28)
LEAST_SHOCK = 0.02  # common shocks are at least believed to be this large when segments are compared


@dataclass(frozen=True)
class Windowed:
    """All arrays have shape (slices, windows); the windows end with the newest day seen.

    ``exposure``, ``hits`` and ``usual`` (expected by the past alone), ``expected`` (given what everyone
    else did in the same days) and its ``variance``, ``chance`` the binomial part of it; ``trials`` the
    size of the binomial with that mean and chance; ``z`` the signed root deviance over the extra
    variance, ``degrees`` the degrees of freedom of that variance. ``relief`` is how much less surprising
    (log-probability) the common shift is once the slice is set apart: what is wrong with most of the
    traffic makes the rest look good, and only relief tells which of the two is odd.
    """

    windows: tuple[int, ...]
    exposure: Floats
    hits: Floats
    usual: Floats
    expected: Floats
    variance: Floats
    chance: Floats
    trials: Floats
    z: Floats
    degrees: Floats
    relief: Floats


def newest_day(cube: CountCube) -> int:
    """The place of the last day of which anything could be seen."""
    seen = np.flatnonzero((cube.share > 0).any(axis=0))
    return int(seen[-1]) if len(seen) else len(cube.days) - 1


def windowed(
    cube: CountCube, reference: Reference, rates: Floats, slices: SliceSet, windows: tuple[int, ...]
) -> Windowed:
    """Judge each slice against everyone else in the same days, so that common shocks cancel.

    The common shift is believed as far as the others are many enough to know it (a normal prior with
    the day shocks' variance); the whole has no others and keeps the shocks in its variance.
    """
    end = newest_day(cube) + 1
    recent = slice(max(end - max(windows), 0), end)
    p, share, n = rates[:, recent], cube.share[:, recent], cube.trials[:, recent]
    x = n * share
    e, info = x * p, x * p * (1 - p)
    q = np.minimum(share * p, 1.0)
    parts = (x, np.where(share > 0, cube.successes[:, recent], 0), e, info, n * q * (1 - q))
    back = [np.cumsum(part[:, ::-1], axis=1)[:, [w - 1 for w in windows]] for part in parts]
    exposure, hits, expected, information, chance, leaf_squares = np.moveaxis(
        slices.sums(np.stack([*back, back[3] ** 2], axis=1)), 1, 0
    )
    by_day = slices.sums(info)
    squares = np.cumsum(by_day[:, ::-1] ** 2, axis=1)[:, [w - 1 for w in windows]]
    usual = reference.recalibrated(exposure, expected)
    adjusted, variance, degrees, relief = _given_the_others(
        reference, slices, windows, exposure, hits, usual, information, chance, squares, leaf_squares
    )
    # a binomial of this size has the usual mean and the variance of the sum over cells of unequal chances;
    # a common shift changes how many of them succeed, not how many they are
    size = usual**2 / np.maximum(usual - np.minimum(chance, usual * (1 - 1e-6)), 1e-12)
    # where it makes more of them succeed, chance is not believed to have become smaller
    binomial = np.minimum(chance * adjusted / np.maximum(usual, 1e-9), adjusted * (1 - 1e-6))
    spread = adjusted**2 / np.maximum(adjusted - binomial, 1e-12)
    trials = np.maximum(np.maximum(size, spread), hits)
    z = signed_root_deviance(hits, trials, adjusted) / np.sqrt(
        np.maximum(variance / np.maximum(chance, 1e-9), 1)
    )
    return Windowed(windows, exposure, hits, usual, adjusted, variance, chance, trials, z, degrees, relief)


def _given_the_others(
    reference: Reference,
    slices: SliceSet,
    windows: tuple[int, ...],
    x: Floats,
    k: Floats,
    e: Floats,
    info: Floats,
    chance: Floats,
    squares: Floats,
    leaf_squares: Floats,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Expected successes, their variance, its degrees of freedom and relief, (slices, windows) each."""
    baseline, whole = reference.baseline, slices.whole
    own = chance + info**2 / np.maximum(reference.information[:, None], 1e-9)
    # leaves stray by themselves, in the window as in the baseline's days
    weeks = np.array([baseline.leaf_shock**2 * 7 * (1 / w + 1 / max(baseline.days, 1)) for w in windows])
    own = own + leaf_squares * weeks
    common = np.stack(
        [baseline.shock_variance(squares[:, i], info[:, i], w) for i, w in enumerate(windows)], axis=1
    )
    rest_x, rest_k, rest_e = x[whole] - x, k[whole] - k, e[whole] - e
    rest_info = np.maximum(info[whole] - info, 0)
    rest_own = np.maximum(own[whole] - own, 0)
    others = np.clip((rest_k + 0.5) / (rest_x + 1), 1e-4, 1 - 1e-4)
    usual = np.clip((rest_e + 0.5) / (rest_x + 1), 1e-4, 1 - 1e-4)
    # variances of log-odds: of the common shift, and of what the others know of it
    shift_spread = np.maximum(common[whole] / np.maximum(info[whole], 1e-9) ** 2, LEAST_SHOCK**2 / 7)
    rest_spread = np.where(rest_info > 0, rest_own / np.maximum(rest_info, 1e-9) ** 2, np.inf)
    moved = logit(others) - logit(usual)
    shock_degrees = baseline.days / 3 + 6
    surprise = _surprise(moved / np.sqrt(shift_spread + rest_spread), shock_degrees)
    # a shift far beyond the usual shocks is no shock: it is taken as it is
    shift_spread = np.maximum(shift_spread, moved**2 - np.minimum(rest_spread, 1e9))
    shift_spread = np.maximum(shift_spread, moved**2 - np.minimum(rest_spread, 1e9))
    trust = shift_spread / (shift_spread + rest_spread)
    p = np.clip(e / np.maximum(x, 1e-9), 1e-6, 1 - 1e-6)
    # nobody knows on which scale a change is common to all: what either explains is no evidence
    one, other = (x * shifted(p, usual, moved * trust, room) for room in (0.0, np.inf))
    adjusted = np.clip(k, np.minimum(one, other), np.maximum(one, other))
    left = shift_spread * (1 - trust)  # what stays unknown of the common shift
    variance = own + info**2 * left
    adjusted[whole], variance[whole] = e[whole], own[whole] + common[whole]
    whole_x = np.maximum(x[whole], 1e-9)
    moved_all = logit(np.clip((k[whole] + 0.5) / (whole_x + 1), 1e-4, 1 - 1e-4)) - logit(
        np.clip((e[whole] + 0.5) / (whole_x + 1), 1e-4, 1 - 1e-4)
    )
    spread_all = variance[whole] / np.maximum(info[whole], 1e-9) ** 2
    relief = _surprise(moved_all / np.sqrt(np.maximum(spread_all, 1e-9)), shock_degrees) - surprise
    relief[whole] = 0.0
    degrees = np.full(x.shape, 1e6)
    degrees[whole] = shock_degrees * (variance[whole] / np.maximum(common[whole], 1e-9)) ** 2
    return adjusted, variance, degrees, relief


def shifted(rates: Floats, usual: Floats, moved: Floats, room: Floats | float) -> Floats:
    """Rates under a common change that moves the log-odds of the ``usual`` rate by ``moved``.

    Up to ``room`` it is a shock, which moves everyone's log-odds alike. What is beyond is no shock: a
    fall takes the same share of everyone's successes, a rise the same share of everyone's failures.
    """
    shock = np.clip(moved, -room, room)
    here, then = expit(logit(usual) + shock), expit(logit(usual) + moved)
    rates = np.asarray(expit(logit(rates) + shock))
    falls, rises = np.minimum(then / here, 1.0), np.minimum((1 - then) / (1 - here), 1.0)
    return np.asarray(np.clip(1 - (1 - rates * falls) * rises, 1e-6, 1 - 1e-6))


def followed(x: Floats, e: Floats, others: Floats, shock: float) -> Floats:
    """The expected successes ``e`` of a slice, moved by the common shift as far as everyone else shows it.

    ``x`` is its exposure; ``others`` (4, ...) are exposure, successes, expected successes and information
    of those outside; the rest has the shape of ``e``, days or sums of days.
    """
    rx, rk, re, ri = others
    shock = max(shock, LEAST_SHOCK)
    then = np.clip((rk + 0.5) / (rx + 1), 1e-4, 1 - 1e-4)
    usual = np.clip((re + 0.5) / (rx + 1), 1e-4, 1 - 1e-4)
    noise = 1 / np.maximum(ri, 1e-9)
    apart = (logit(then) - logit(usual)) ** 2 - 4 * noise
    spread = np.maximum(apart, shock**2)
    moved = (logit(then) - logit(usual)) * spread / (spread + noise)
    p = np.clip(e / np.maximum(x, 1e-9), 1e-6, 1 - 1e-6)
    return np.asarray(x * shifted(p, usual, moved, 2 * shock))


def _surprise(z: Floats, degrees: float) -> Floats:
    """Minus the logarithm of the two-sided p-value of a shift, (...)."""
    return -np.asarray(np.log(2) + stats.t.logcdf(-np.abs(np.nan_to_num(z)), degrees))


def log_tails(z: Floats, degrees: Floats) -> npt.NDArray[np.float64]:
    """Logarithm of P(Z <= z): of Student's t where the variance was estimated from few days."""
    few = degrees < 1e4
    tails = stats.norm.logcdf(z)
    if few.any():
        tails[few] = stats.t.logcdf(z[few], degrees[few])
    return np.asarray(tails)
