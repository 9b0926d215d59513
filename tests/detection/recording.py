"""What the trackers keep of what people (and bots) did, and what they have on a day's first night."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detection.confounders import Outage
from detection.grid import AGES, LATE_SHARE
from detection.people import Ints, People, by_calendar_day
from detection.segments import Floats

_EVENTS_AGAIN = 0.3  # further events of a stage per attempt that reached it that day
_SKIPPERS = 0.003  # of the attempts at a come to a stage after b without b, in any world


@dataclass
class Recorded:
    """As ``NightView`` has them, when all rows have come, over all simulated days D'.

    ``beyond`` (T, L, D', 2 A - 1): attempts seen at a later stage without b, by age. ``completing``
    (T, L, 5 A): the share of the converting who have reached the goal so many days after reaching a.
    """

    trials: Ints
    arrivals: Ints
    converted: Ints
    beyond: Ints
    events: Ints
    completing: Floats


def record(
    rng: np.random.Generator,
    people: People,
    usual_delays: Floats,
    bots: Ints,
    bot_stage: int,
    outages: list[Outage],
    first: int,
) -> Recorded:
    """People and bots as recorded. ``bots`` (L, D') get as far as stage ``bot_stage`` on their day."""
    transitions, leaves, days = people.trials.shape
    trials, arrivals, converted = people.trials.copy(), people.arrivals.copy(), people.converted.copy()
    trials[: bot_stage + 1] += bots
    arrivals[:bot_stage, :, :, 0] += bots
    events = np.concatenate([trials, by_calendar_day(arrivals[-1])[None]])
    events = events + rng.poisson(_EVENTS_AGAIN * events)
    beyond = np.zeros((transitions, leaves, days, 2 * AGES - 1), dtype=np.int64)
    beyond[:-1, :, :, 0] = rng.poisson(_SKIPPERS * trials[:-1])
    told = Recorded(trials, arrivals, converted, beyond, events, _completing(usual_delays))
    for outage in outages:
        for day in outage.days:
            _forget(rng, told, outage, day - first)
    return told


def _forget(rng: np.random.Generator, told: Recorded, outage: Outage, day: int) -> None:
    """Take one stage's events of one day away, with everything that rests on them."""
    stage, mask = outage.stage, outage.leaves
    told.events[stage, mask, day] = 0
    t, last = stage - 1, stage == len(told.trials)
    for age in range(min(AGES, day + 1)):
        cohort = day - age
        here = told.arrivals[t, mask, cohort, age]
        left = told.arrivals[t, mask, cohort].sum(axis=-1)
        part = np.divide(here, left, out=np.zeros(len(here)), where=left > 0)
        lost = rng.binomial(told.converted[t, mask, cohort], part)
        told.converted[t, mask, cohort] -= np.clip(lost, 0, None)
        if not last:
            _see_beyond(rng, told, t, mask, cohort, day, age)
        told.arrivals[t, mask, cohort, age] = 0
    if last:
        _forget_goals(rng, told, mask, day)
        return
    told.trials[stage, mask, day] = 0
    told.arrivals[stage, mask, day] = 0
    told.converted[stage, mask, day] = 0


def _see_beyond(
    rng: np.random.Generator, told: Recorded, t: int, mask: np.ndarray, cohort: int, day: int, age: int
) -> None:
    """Those who passed b unseen are seen at c, in proportion to what all of that day did."""
    pool = told.trials[t + 1, mask, day]
    onward = told.arrivals[t + 1, mask, day].astype(float)
    chances = np.divide(onward, pool[:, None], out=np.zeros_like(onward), where=pool[:, None] > 0)
    never = np.clip(1 - chances.sum(axis=1, keepdims=True), 0, 1)
    chances = np.concatenate([chances, never], axis=1)
    seen = rng.multinomial(told.arrivals[t, mask, cohort, age], chances / chances.sum(axis=1, keepdims=True))
    told.beyond[t, mask, cohort, age : age + AGES] += seen[:, :-1]


def _forget_goals(rng: np.random.Generator, told: Recorded, mask: np.ndarray, day: int) -> None:
    """Conversions of earlier stages that would have been seen on this day are not."""
    for t in range(len(told.trials) - 1):
        steps = np.diff(told.completing[t, mask], axis=1, prepend=0.0)
        for lag in range(min(steps.shape[1], day + 1)):
            cell = told.converted[t, mask, day - lag]
            told.converted[t, mask, day - lag] -= rng.binomial(cell, np.clip(steps[:, lag], 0, 1))


def _completing(usual_delays: Floats) -> Floats:
    """Share of the converting at the goal within so many days of reaching a: delays convolved, summed."""
    transitions, leaves, ages = usual_delays.shape
    told = np.zeros((transitions, leaves, transitions * ages))
    rest = np.zeros((leaves, transitions * ages))
    rest[:, 0] = 1.0
    for t in range(transitions - 1, -1, -1):
        shifted = [usual_delays[t, :, age, None] * np.roll(rest, age, axis=1) for age in range(ages)]
        rest = np.sum(shifted, axis=0)
        told[t] = np.cumsum(rest, axis=1)
    return np.clip(told, 0, 1)


def first_night(rng: np.random.Generator, told: Recorded) -> tuple[Ints, Ints, Ints]:
    """Trials, arrivals and events as they stand on the night of their own day, rows still on their way.

    Every event of a stage is late by itself: who is seen at b before a is not seen as having come from a.
    """
    transitions = len(told.trials)
    late = rng.binomial(told.arrivals, LATE_SHARE)
    trials = told.trials - rng.binomial(told.trials, LATE_SHARE)
    for t in range(1, transitions):
        # the row of b that is late as an arrival is the same row that is late as a trial
        missing = by_calendar_day(late[t - 1])
        trials[t] = told.trials[t] - np.minimum(missing, told.trials[t])
    arrivals = told.arrivals - late
    same_day = arrivals[..., 0]
    arrivals[..., 0] = np.minimum(same_day - rng.binomial(same_day, LATE_SHARE), trials)
    events = told.events - rng.binomial(told.events, LATE_SHARE)
    return trials, arrivals, events
