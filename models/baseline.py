"""What a transition normally does: a rate per leaf and weekday from its own past, and how much it varies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from models.cube import Bools, Floats, TransitionCube

# A run of days shares its ups and downs: with autocorrelation 0.5 the variance of a sum of daily
# shocks is three times that of independent ones.
AUTOCORRELATION_INFLATION = 3.0
# What is believed of a day's common shock (log-odds) before seeing a shop, and how many days it weighs.
PRIOR_SHOCK, PRIOR_DEGREES = 0.05, 6.0
WEEKDAY_PRIOR = 0.05  # standard deviation of a weekday's effect: a few per cent of the odds


@dataclass(frozen=True)
class Baseline:
    """Expected log-odds per leaf and weekday, and how uncertain they are.

    ``leaf_log_odds`` (leaves,), ``weekday_log_odds`` (7,), ``attempts`` (leaves,) behind each leaf's
    rate, ``shock`` the standard deviation of a day's common log-odds shock, ``days`` used.
    """

    leaf_log_odds: Floats
    weekday_log_odds: Floats
    attempts: Floats
    shock: float
    days: int

    def shock_variance(self, squares: Floats, information: Floats) -> Floats:
        """Variance that common day shocks add to a count's difference from its expectation.

        ``squares`` is the sum over days of the squared binomial information, ``information`` its sum.
        The days judged have their own shocks, and the baseline's days had theirs.
        """
        judged, usual = squares, information**2 / max(self.days, 1)
        return self.shock**2 * AUTOCORRELATION_INFLATION * (judged + usual)

    def rates(self, weekdays: npt.NDArray[np.int64]) -> Floats:
        """Expected rates, shape (leaves, len(weekdays))."""
        return np.asarray(expit(self.leaf_log_odds[:, None] + self.weekday_log_odds[weekdays][None, :]))


def weekdays_of(cube: TransitionCube) -> npt.NDArray[np.int64]:
    return np.array([day.weekday() for day in cube.days], dtype=np.int64)


def fit_baseline(cube: TransitionCube, cells: Bools) -> Baseline:
    """Fit on the cells of a (leaves, days) mask.

    A leaf's rate is a main-effects logistic fit over the segments, pulled toward the leaf's own counts
    as far as these allow (empirical Bayes: beta prior around the fit, its strength by moments).
    """
    trials = np.where(cells, cube.matured, 0)
    hits = np.where(cells, cube.advanced, 0)
    n, k = trials.sum(axis=1), hits.sum(axis=1)
    fitted = _main_effects(cube, n, k)
    strength = _prior_strength(n, k, fitted)
    rate = np.clip((k + strength * fitted) / (n + strength), 1e-4, 1 - 1e-4)
    leaf = np.asarray(logit(rate))
    weekday = _weekday_effects(cube, trials, hits, leaf)
    draft = Baseline(leaf, weekday, n + strength, 0.0, int(cells.any(axis=0).sum()))
    return Baseline(leaf, weekday, n + strength, _day_shock(cube, trials, hits, draft), draft.days)


def _main_effects(cube: TransitionCube, n: Floats, k: Floats) -> Floats:
    """Fitted rate per leaf of a ridge logistic regression on one-hot segment values (IRLS)."""
    columns = [np.ones(len(n))]
    for index in range(len(cube.columns)):
        values = sorted({leaf[index] for leaf in cube.leaf_values}, key=str)
        columns += [np.array([leaf[index] == value for leaf in cube.leaf_values], float) for value in values]
    design = np.column_stack(columns)
    overall = (k.sum() + 0.5) / (n.sum() + 1)
    beta = np.zeros(design.shape[1])
    beta[0] = logit(overall)
    ridge = np.full(design.shape[1], 2.0)
    ridge[0] = 1e-6
    for _ in range(12):
        eta = design @ beta
        mean = np.asarray(expit(eta))
        weight = np.maximum(n * mean * (1 - mean), 1e-9)
        gradient = design.T @ (k - n * mean) - ridge * np.where(np.arange(len(beta)) == 0, 0, beta)
        step = np.linalg.solve(design.T @ (design * weight[:, None]) + np.diag(ridge), gradient)
        beta += np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-6:
            break
    return np.asarray(expit(design @ beta))


def _prior_strength(n: Floats, k: Floats, fitted: Floats) -> float:
    """Attempts that the fit is worth, from how far leaves stray from it beyond chance."""
    variance = fitted * (1 - fitted)
    excess = float(((k - n * fitted) ** 2 - n * variance).sum())
    room = float((n * np.maximum(n - 1, 0) * variance).sum())
    correlation = excess / room if room > 0 else 0.0
    return float(np.clip(1 / max(correlation, 1e-9) - 1, 30, 5000))


def _weekday_effects(cube: TransitionCube, trials: Floats, hits: Floats, leaf: Floats) -> Floats:
    """Log-odds of each weekday against the mean of the week, shrunk toward 0."""
    mean = np.asarray(expit(leaf))[:, None]
    days = weekdays_of(cube)
    effects = np.zeros(7)
    for weekday in range(7):
        on = days == weekday
        surplus = float((hits[:, on] - trials[:, on] * mean).sum())
        information = float((trials[:, on] * mean * (1 - mean)).sum())
        effects[weekday] = surplus / (information + 1 / WEEKDAY_PRIOR**2)
    return effects


def _day_shock(cube: TransitionCube, trials: Floats, hits: Floats, baseline: Baseline) -> float:
    rates = baseline.rates(weekdays_of(cube))
    surplus = (hits - trials * rates).sum(axis=0)
    information = (trials * rates * (1 - rates)).sum(axis=0)
    used = information > 0
    if used.sum() < 7:
        return PRIOR_SHOCK
    # trimmed: a day of an incident must not make every later one look normal
    order = np.argsort(np.abs(surplus[used]) / np.sqrt(information[used]))
    keep = order[: max(7, int(0.95 * used.sum()))]
    # the leaves' rates and the weekdays were fitted to these same days and took their part of the spread
    days = weekdays_of(cube)[used]
    by_weekday = np.bincount(days, weights=information[used], minlength=7)
    fitted = float((by_weekday / (by_weekday + 1 / WEEKDAY_PRIOR**2)).sum())
    degrees = max(len(keep) - max(fitted, 1.0), 1.0)
    spread = float((surplus[used][keep] ** 2).sum()) * len(keep) / degrees
    excess = max(spread - float(information[used][keep].sum()), 0.0)
    variance = excess / float((information[used][keep] ** 2).sum())
    # few days know a variance badly, and one taken too small calls a usual week a regression
    pooled = (degrees * variance + PRIOR_DEGREES * PRIOR_SHOCK**2) / (degrees + PRIOR_DEGREES)
    return float(np.sqrt(pooled))
