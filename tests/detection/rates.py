"""Traffic, step rates and delays of a world, before anybody is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from detection.grid import (
    AGES,
    BASE_RATES,
    COLUMN_EFFECT,
    DAY_SHOCK,
    DELAY_EFFECT,
    DELAY_SHOCK,
    LATER_DAYS_RATIO,
    LEAF_EFFECT,
    LEAF_NOISE,
    SAME_DAY,
    SEGMENTS,
    SHOCK_MEMORY,
    TRANSITIONS,
)
from detection.plants import Plant
from detection.segments import LEAF_VALUES, Floats

_WEEKDAY_VOLUME = np.array([1.05, 1.02, 1.0, 1.0, 0.98, 0.9, 1.05])  # of an average day, from Monday
_WEEKDAY_EFFECT = 0.05  # standard deviation of log-odds of each weekday
_VOLUME_NOISE = 0.05  # log scale, common to all leaves
_VOLUME_TREND = 0.2  # log scale, most over the whole time


@dataclass(frozen=True)
class Rates:
    """T transitions, L leaves, D days of the simulation.

    ``usual`` (T, L, D): rates with weekdays and confounders, without chance (shocks, noise) or plants.
    ``drops`` (plants, D): each plant's relative drop. ``rate`` (T, L, D): rates as they are, with all of
    it. ``delays`` (T, L, D, A): chance of each age, given one comes; ``usual_delays`` (T, L, A): without
    chance or plants.
    """

    usual: Floats
    drops: Floats
    rate: Floats
    delays: Floats
    usual_delays: Floats


def draw_traffic(rng: np.random.Generator, shares: Floats, days: range, volume: float) -> Floats:
    """Expected attempts opening per leaf and day (L, D): weekdays, a trend, noise of the day."""
    day = np.asarray(days)
    trend = rng.uniform(-_VOLUME_TREND, _VOLUME_TREND) * day / len(days)
    noise = rng.normal(0, _VOLUME_NOISE, len(days))
    return np.asarray(shares[:, None] * volume * (_WEEKDAY_VOLUME[day % 7] * np.exp(trend + noise))[None, :])


def draw_rates(
    rng: np.random.Generator, shares: Floats, log_odds: Floats, plants: Sequence[Plant], days: range
) -> Rates:
    """The rates of a world; ``log_odds`` (T, L, D) is what the confounders add."""
    count, leaves, length = len(TRANSITIONS), len(LEAF_VALUES), len(days)
    weekday = np.asarray(days) % 7
    usual = np.empty((count, leaves, length))
    for transition, base in enumerate(BASE_RATES):
        level = logit(base) + _leaf_effects(rng, shares)
        usual[transition] = level[:, None] + rng.normal(0, _WEEKDAY_EFFECT, 7)[weekday]
    usual += log_odds
    shocks = np.stack([_correlated(rng, length, DAY_SHOCK / (1 - base)) for base in BASE_RATES])
    noise = rng.normal(0, LEAF_NOISE, (count, leaves, length))
    rate = expit(usual + shocks[:, None, :] + noise)
    drops = np.array([each.strength(days) for each in plants]).reshape(len(plants), length)
    slower = np.ones_like(rate)
    for plant, drop in zip(plants, drops, strict=True):
        changed = slower if plant.kind == "slow" else rate
        changed[plant.transition, plant.mask] *= 1 - drop
    same_day = logit(SAME_DAY)[:, None] + rng.normal(0, DELAY_EFFECT, (count, leaves))
    jitter = np.stack([_correlated(rng, length, DELAY_SHOCK) for _ in BASE_RATES])
    delays = _spread(expit(same_day[:, :, None] + jitter[:, None, :]) * slower)
    return Rates(expit(usual), drops, rate, delays, _spread(expit(same_day)))


def _leaf_effects(rng: np.random.Generator, shares: Floats) -> Floats:
    """Log-odds of each leaf (L,) beside the whole: its segment values' effects and its own."""
    total = rng.normal(0, LEAF_EFFECT, len(LEAF_VALUES))
    for place, values in enumerate(SEGMENTS.values()):
        effects = dict(zip(values, rng.normal(0, COLUMN_EFFECT, len(values)), strict=True))
        total = total + np.array([effects[leaf[place]] for leaf in LEAF_VALUES])
    return np.asarray(total - (shares * total).sum())


def _correlated(rng: np.random.Generator, length: int, deviation: float) -> Floats:
    """A stationary first-order autoregression (length,) with this standard deviation."""
    draws = rng.normal(0, 1, length)
    walk = np.empty(length)
    walk[0] = draws[0]
    for i in range(1, length):
        walk[i] = SHOCK_MEMORY * walk[i - 1] + np.sqrt(1 - SHOCK_MEMORY**2) * draws[i]
    return walk * deviation


def _spread(same_day: Floats) -> Floats:
    """The distribution over ages (..., A) of arrivals, those not of the same day falling geometrically."""
    later = LATER_DAYS_RATIO ** np.arange(AGES - 1)
    later = later / later.sum()
    return np.concatenate([same_day[..., None], (1 - same_day)[..., None] * later], axis=-1)
