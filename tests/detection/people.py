"""Draw what the people of a world do: cohorts by day, their arrivals by age, how many reach the goal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detection.grid import AGES
from detection.segments import Floats

Ints = npt.NDArray[np.int64]


@dataclass
class People:
    """``trials`` (T, L, D), ``arrivals`` (T, L, D, A) and ``converted`` (T, L, D) of the simulated days."""

    trials: Ints
    arrivals: Ints
    converted: Ints


def draw_people(rng: np.random.Generator, traffic: Floats, rate: Floats, delays: Floats) -> People:
    """Those who reach b are the trials of the next transition, on the day they reach it.

    ``traffic`` (L, D): expected attempts opening; ``rate`` (T, L, D); ``delays`` (T, L, D, A).
    """
    transitions, leaves, days = rate.shape
    trials = np.zeros((transitions, leaves, days), dtype=np.int64)
    arrivals = np.zeros((transitions, leaves, days, AGES), dtype=np.int64)
    trials[0] = rng.poisson(traffic)
    for t in range(transitions):
        came = rng.binomial(trials[t], rate[t])
        arrivals[t] = rng.multinomial(came, delays[t])
        if t + 1 < transitions:
            trials[t + 1] = by_calendar_day(arrivals[t])
    return People(trials, arrivals, _converted(rng, trials, arrivals, rate))


def by_calendar_day(arrivals: Ints) -> Ints:
    """Arrivals (L, D) on each day, whenever a was reached; those after the last day are dropped."""
    days = arrivals.shape[1]
    summed = np.zeros(arrivals.shape[:2], dtype=np.int64)
    for age in range(arrivals.shape[2]):
        summed[:, age:] += arrivals[:, : days - age, age]
    return summed


def _converted(rng: np.random.Generator, trials: Ints, arrivals: Ints, rate: Floats) -> Ints:
    """Of those who arrived, how many reach the goal: (T, L, D).

    From the goal backwards: whoever reached b on a day has the same chance, wherever they came from,
    so the converters among them are dealt to the cohorts they came from (hypergeometric).
    """
    transitions, _, days = trials.shape
    converted = np.zeros_like(trials)
    converted[-1] = arrivals[-1].sum(axis=-1)
    for t in range(transitions - 2, -1, -1):
        goal, pool = converted[t + 1].copy(), trials[t + 1].copy()
        for age in range(AGES):
            cohort = arrivals[t, :, : days - age, age]
            drawn = rng.hypergeometric(goal[:, age:], pool[:, age:] - goal[:, age:], cohort)
            converted[t, :, : days - age] += drawn
            goal[:, age:] -= drawn
            pool[:, age:] -= cohort
        # after the last day nobody was drawn: the rates of that day decide
        completing = rate[t + 1 :, :, -1].prod(axis=0)
        for age in range(1, AGES):
            beyond = arrivals[t, :, days - age :, age]
            converted[t, :, days - age :] += rng.binomial(beyond, completing[:, None])
    return converted
