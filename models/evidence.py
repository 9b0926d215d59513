"""How surprising a count is: signed root deviance, exact over-dispersed tails, Benjamini-Hochberg."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats = npt.NDArray[np.float64]


def signed_root_deviance(successes: Floats, trials: Floats, expected: Floats) -> Floats:
    """Signed square root of the binomial deviance, negative for fewer successes than expected.

    Follows a standard normal where nothing is wrong, also for rates near 0 or 1, where (k - e)/sd does
    not (McCullagh & Nelder, Generalized Linear Models, section 4.4). All arguments share a shape.
    """
    k, n = np.asarray(successes, float), np.asarray(trials, float)
    e = np.clip(np.asarray(expected, float), 1e-9, np.maximum(n - 1e-9, 1e-9))
    k = np.clip(k, 0, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        hit = np.where(k > 0, k * np.log(k / e), 0.0)
        miss = np.where(n - k > 0, (n - k) * np.log((n - k) / (n - e)), 0.0)
    deviance = np.maximum(2 * (hit + miss), 0)
    return np.where(n > 0, np.sign(k - e) * np.sqrt(deviance), 0.0)


def lower_tail(successes: float, trials: float, expected: float, variance: float) -> float:
    """P(K <= successes) for a count of the given mean and variance: exact, no normal approximation.

    Binomial where ``variance`` is the binomial's or less, else beta-binomial with the parameters that
    have this mean and variance (Skellam 1948).
    """
    n, k = round(trials), round(successes)
    p = min(max(expected / max(trials, 1e-9), 1e-9), 1 - 1e-9)
    inflation = variance / max(n * p * (1 - p), 1e-12)
    if n <= 1 or inflation <= 1.0001:
        return float(stats.binom.cdf(k, n, p))
    correlation = min((inflation - 1) / (n - 1), 0.999)
    strength = 1 / correlation - 1
    return _beta_binomial_cdf(k, n, p * strength, (1 - p) * strength)


def _beta_binomial_cdf(k: int, n: int, a: float, b: float) -> float:
    # summed in logs from the far end of the tail that is small, so nothing cancels
    counts = np.arange(0, min(k, n) + 1)
    return float(min(1.0, np.exp(stats.betabinom.logpmf(counts, n, a, b)).sum()))


def benjamini_hochberg(p_values: Floats) -> Floats:
    """q-values of p-values, in their order (Benjamini & Hochberg 1995)."""
    p = np.asarray(p_values, float)
    if not p.size:
        return p
    order = np.argsort(p)
    scaled = p[order] * p.size / np.arange(1, p.size + 1)
    q = np.empty_like(p)
    q[order] = np.minimum(1.0, np.minimum.accumulate(scaled[::-1])[::-1])
    return q
