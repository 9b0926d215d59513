"""What a transition normally does: a rate per leaf and weekday from its own past, and how much it varies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from models.cohorts import CountCube
from models.slices import Bools, Floats

# What is believed of a day's common shock (log-odds) before seeing a shop, and how many days it weighs.
PRIOR_SHOCK, PRIOR_DEGREES = 0.05, 6.0
PRIOR_AUTOCORRELATION, AUTOCORRELATION_DEGREES = 0.5, 40.0
# What is believed of a leaf's own shock over a week (log-odds): it is small, and few shops can show it.
PRIOR_LEAF_SHOCK = 0.015
WEEKDAY_PRIOR = 0.05  # standard deviation of a weekday's effect: a few per cent of the odds
WEEK = 7
TRIMMED_VARIANCE = 0.77  # of a normal whose largest 5 % by size are cut off
SHARED_DAYS = 2.0  # the level fitted to days that move together hides more of their spread than one day


@dataclass(frozen=True)
class Baseline:
    """Expected log-odds per leaf and weekday, and how uncertain they are.

    ``leaf_log_odds`` (leaves,), ``weekday_log_odds`` (7,), ``attempts`` (leaves,) behind each leaf's
    rate, ``shock`` the standard deviation of a day's common log-odds shock, ``autocorrelation`` that of
    neighbouring days, ``leaf_shock`` the standard deviation of a leaf's own shock over a week, ``days``
    used.
    """

    leaf_log_odds: Floats
    weekday_log_odds: Floats
    attempts: Floats
    shock: float
    autocorrelation: float
    leaf_shock: float
    days: int

    def inflation(self, days: float) -> float:
        """How many times more the sum of so many days' shocks varies than that of independent ones."""
        r, n = self.autocorrelation, max(days, 1.0)
        return float((1 + r) / (1 - r) - 2 * r * (1 - r**n) / (n * (1 - r) ** 2))

    def shock_variance(self, squares: Floats, information: Floats, days: float) -> Floats:
        """Variance that common day shocks add to a count's difference from its expectation.

        ``squares`` is the sum over ``days`` of the squared binomial information, ``information`` its
        sum. The days judged have their own shocks, and the baseline's days had theirs.
        """
        judged = squares * self.inflation(days)
        usual = information**2 / max(self.days, 1) * self.inflation(self.days)
        return self.shock**2 * (judged + usual)

    def rates(self, weekdays: npt.NDArray[np.int64]) -> Floats:
        """Expected rates, shape (leaves, len(weekdays))."""
        return np.asarray(expit(self.leaf_log_odds[:, None] + self.weekday_log_odds[weekdays][None, :]))


def weekdays_of(cube: CountCube) -> npt.NDArray[np.int64]:
    return np.array(cube.weekdays, dtype=np.int64)


def fit_baseline(cube: CountCube, cells: Bools) -> Baseline:
    """Fit on the cells of a (leaves, days) mask.

    A leaf's rate is a main-effects logistic fit over the segments, pulled toward the leaf's own counts
    as far as these allow (empirical Bayes: beta prior around the fit, its strength by moments).
    """
    trials = np.where(cells, cube.exposure, 0)
    hits = np.where(cells, cube.successes, 0)
    n, k = trials.sum(axis=1), hits.sum(axis=1)
    fitted = _main_effects(cube, n, k)
    strength = _prior_strength(n, k, fitted)
    rate = np.clip((k + strength * fitted) / (n + strength), 1e-4, 1 - 1e-4)
    leaf = np.asarray(logit(rate))
    weekday = _weekday_effects(cube, trials, hits, leaf)
    attempts, days = n + strength, int((trials > 0).any(axis=0).sum())
    draft = Baseline(leaf, weekday, attempts, 0.0, PRIOR_AUTOCORRELATION, 0.0, days)
    shock, autocorrelation, daily = _day_shock(cube, trials, hits, draft)
    own = _leaf_shock(cube, trials, hits, draft, daily)
    return Baseline(leaf, weekday, attempts, shock, autocorrelation, own, days)


def usual_days(cube: CountCube, cells: Bools) -> Bools:
    """The days of ``cells`` (leaves, days) on which the whole was as usual, shape (days,).

    A sale, a holiday or a broken day must not become what is normal: days far from the median of
    their log-odds, by its own spread, are left out.
    """
    n = np.where(cells, cube.exposure, 0).sum(axis=0)
    k = np.clip(np.where(cells, cube.successes, 0).sum(axis=0), 0, n)
    used = n >= 1
    if used.sum() < WEEK:
        return np.asarray(used)
    level = logit((k + 0.5) / (n + 1))
    chance = np.sqrt(1 / (k + 0.5) + 1 / (n - k + 0.5))
    apart = level - np.median(level[used])
    spread = 1.4826 * np.median(np.abs(apart[used]))
    return np.asarray(used & (np.abs(apart) <= 3.5 * np.maximum(np.maximum(spread, chance), 0.02)))


def _main_effects(cube: CountCube, n: Floats, k: Floats) -> Floats:
    """Fitted rate per leaf of a ridge logistic regression on one-hot segment values (IRLS)."""
    columns = [np.ones(len(n))]
    for index in range(len(cube.columns)):
        values = sorted({leaf[index] for leaf in cube.leaf_values}, key=str)
        columns += [np.array([leaf[index] == value for leaf in cube.leaf_values], float) for value in values]
    design = np.column_stack(columns)
    overall = np.clip((k.sum() + 0.5) / (n.sum() + 1), 1e-6, 1 - 1e-6)
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


def _weekday_effects(cube: CountCube, trials: Floats, hits: Floats, leaf: Floats) -> Floats:
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


def _day_shock(
    cube: CountCube, trials: Floats, hits: Floats, baseline: Baseline
) -> tuple[float, float, Floats]:
    """Standard deviation and lag-1 autocorrelation of the common shock, and each day's estimate of it."""
    rates = baseline.rates(weekdays_of(cube))
    surplus = (hits - trials * rates).sum(axis=0)
    information = (trials * rates * (1 - rates)).sum(axis=0)
    used = information > 0
    if used.sum() < WEEK:
        return PRIOR_SHOCK, PRIOR_AUTOCORRELATION, np.zeros(len(surplus))
    # a day of an incident must not make every later one look normal
    order = np.argsort(np.abs(surplus[used]) / np.sqrt(information[used]))
    keep = order[: max(WEEK, int(0.95 * used.sum()))]
    # the leaves' rates and the weekdays were fitted to these same days and took their part of the spread
    days = weekdays_of(cube)[used]
    by_weekday = np.bincount(days, weights=information[used], minlength=WEEK)
    fitted = float((by_weekday / (by_weekday + 1 / WEEKDAY_PRIOR**2)).sum())
    degrees = max(len(keep) - max(fitted, 1.0) - SHARED_DAYS, 1.0)
    trimmed = TRIMMED_VARIANCE if len(keep) < used.sum() else 1.0
    spread = float((surplus[used][keep] ** 2).sum()) * len(keep) / degrees / trimmed
    excess = max(spread - float(information[used][keep].sum()), 0.0)
    variance = excess / float((information[used][keep] ** 2).sum())
    # few days know a variance badly, and one taken too small calls a usual week a regression
    pooled = (degrees * variance + PRIOR_DEGREES * PRIOR_SHOCK**2) / (degrees + PRIOR_DEGREES)
    trust = pooled / (pooled + 1 / np.maximum(information, 1e-9))
    level = np.where(used, surplus / np.maximum(information, 1e-9), 0.0)
    return float(np.sqrt(pooled)), _autocorrelation(level, used, pooled), np.asarray(level * trust)


def _autocorrelation(level: Floats, used: Bools, variance: float) -> float:
    """Lag-1 autocorrelation by moments, pulled toward what is usual: a month knows it badly."""
    pairs = used[1:] & used[:-1]
    both = np.clip(level, -3 * np.sqrt(variance), 3 * np.sqrt(variance))
    raw = float((both[1:] * both[:-1])[pairs].mean() / variance) if pairs.any() else PRIOR_AUTOCORRELATION
    weight = float(pairs.sum())
    pooled = (weight * raw + AUTOCORRELATION_DEGREES * PRIOR_AUTOCORRELATION) / (
        weight + AUTOCORRELATION_DEGREES
    )
    return float(np.clip(pooled, 0.0, 0.8))


def _leaf_shock(cube: CountCube, trials: Floats, hits: Floats, baseline: Baseline, daily: Floats) -> float:
    """Standard deviation of a leaf's own log-odds shock over a week, beyond chance and common shocks."""
    log_odds = baseline.leaf_log_odds[:, None] + baseline.weekday_log_odds[weekdays_of(cube)] + daily
    rates = np.asarray(expit(log_odds))
    surplus, information = hits - trials * rates, trials * rates * (1 - rates)
    weeks = np.arange(trials.shape[1]) // WEEK
    by_week = np.eye(weeks.max() + 1)[weeks]
    surplus, information = surplus @ by_week, information @ by_week
    # each leaf's own rate was fitted to these weeks and hides its part of their spread
    own = information / np.maximum(baseline.attempts * _unit(baseline), 1e-9)[:, None]
    chance = information * np.clip(1 - own, 0.1, 1)
    room = max(float((information**2).sum()), 1e-9)
    told = float((surplus**2 - chance).sum()) / room
    # the square of a normal varies by twice its variance squared: so badly is the shock known
    noise = 2 * float((chance**2).sum()) / room**2
    trust = PRIOR_LEAF_SHOCK**4 / (PRIOR_LEAF_SHOCK**4 + noise)
    return float(np.sqrt(max(trust * told + (1 - trust) * PRIOR_LEAF_SHOCK**2, 0.0)))


def _unit(baseline: Baseline) -> Floats:
    rate = expit(baseline.leaf_log_odds)
    return np.asarray(rate * (1 - rate))
