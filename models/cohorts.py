"""Cohorts of one transition: who reached a stage on which day, and how many days later the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

import numpy as np

from models.delays import shares_by_leaf
from models.slices import Bools, Conditions, Floats, LeafValues, Slice, SliceSet, slice_of, slices_of

Family = Literal["advance", "slow", "detour", "friction"]
SETTLE_DAYS = 1  # the newest day is still filling up when a night is judged


@dataclass(frozen=True)
class CountCube:
    """An x-of-n family by leaf and day, as far as a night could see it: what the scan works on.

    ``trials``, ``successes`` and ``share`` have shape (leaves, days). Successes are expected to be
    ``trials * share * rate``: ``share`` is how much of a cohort's successes could be observed so far
    (0 where nothing could). A success is always the good outcome.
    """

    journey: str
    persona: str
    stage: str
    next_stage: str
    family: Family
    days: tuple[date, ...]
    columns: tuple[str, ...]
    leaf_values: LeafValues
    trials: Floats
    successes: Floats
    share: Floats
    measure: str | None = None

    @property
    def transition(self) -> tuple[str, str, str, str]:
        return (self.journey, self.persona, self.stage, self.next_stage)

    @property
    def exposure(self) -> Floats:
        """Attempts that could have been seen to succeed, (leaves, days)."""
        return np.asarray(self.trials * self.share)

    @property
    def weekdays(self) -> list[int]:
        return [day.weekday() for day in self.days]

    def slice_of(self, conditions: Conditions) -> Slice:
        return slice_of(self.columns, self.leaf_values, conditions)

    def without(self, cells: Bools) -> CountCube:
        """The counts without what happened in some cells (leaves, days)."""
        return replace(self, share=np.where(cells, 0, self.share)) if cells.any() else self


@dataclass(frozen=True)
class Slower:
    """Cells (leaves, days) in which the share of arrivals that come early is ``change`` times the usual."""

    cells: Bools
    change: float


@dataclass(frozen=True)
class CohortCube:
    """One transition a -> b of one persona.

    ``days`` are consecutive dates on which attempts first reached a; ``trials`` (leaves, days) counts
    them, ``arrivals`` (leaves, days, ages) those that came to b so many days later; ``converted`` and
    ``value`` (leaves, days) are, of those, the attempts that reached the goal and their money.
    ``observed`` (leaves, days) says of each calendar day whether b could be recorded for that leaf:
    broken tracking is no failure, nobody knows. ``days[-1]`` is the last day of the data. ``seconds``
    (leaves, days) is the time from a to b summed over the arrivals, None where it is not known; ``turns``
    are, by measure, the attempts (leaves, days) that took a detour from a: looped, skipped, backtracked.
    """

    journey: str
    persona: str
    stage: str
    next_stage: str
    days: tuple[date, ...]
    columns: tuple[str, ...]
    leaf_values: LeafValues
    trials: Floats
    arrivals: Floats
    converted: Floats
    value: Floats
    observed: Bools
    seconds: Floats | None = None
    turns: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def transition(self) -> tuple[str, str, str, str]:
        return (self.journey, self.persona, self.stage, self.next_stage)

    @property
    def ages(self) -> int:
        return int(self.arrivals.shape[2])

    @property
    def advanced(self) -> Floats:
        """Attempts that came to b so far, (leaves, days)."""
        return np.asarray(self.arrivals.sum(axis=2))

    def slices(self, depth: int, least_share: float = 0.01) -> SliceSet:
        return slices_of(self.columns, self.leaf_values, self.trials.sum(axis=1), depth, least_share)

    def slice_of(self, conditions: Conditions) -> Slice:
        return slice_of(self.columns, self.leaf_values, conditions)

    def until(self, night: date, memory: int | None = None) -> CohortCube:
        """What was known when the data ended with ``night``; at most the last ``memory`` days of it.

        Of ``converted``, ``value`` and ``seconds`` the share of those who had come to b by then.
        """
        end = sum(day <= night for day in self.days)
        start = 0 if memory is None else max(0, end - memory)
        arrivals = self.arrivals[:, start:end].copy()
        total = arrivals.sum(axis=2)
        for back in range(min(self.ages - 1, end - start)):
            arrivals[:, end - start - 1 - back, back + 1 :] = 0
        known = np.divide(arrivals.sum(axis=2), total, out=np.zeros_like(total), where=total > 0)
        return replace(
            self,
            days=self.days[start:end],
            trials=self.trials[:, start:end],
            arrivals=arrivals,
            converted=self.converted[:, start:end] * known,
            value=self.value[:, start:end] * known,
            observed=self.observed[:, start:end],
            seconds=None if self.seconds is None else self.seconds[:, start:end] * known,
            turns={name: counts[:, start:end] for name, counts in self.turns.items()},
        )

    def visible(self, settle: int = SETTLE_DAYS) -> Bools:
        """Which (leaves, days, ages) could be recorded so far; the last ``settle`` days are not yet."""
        leaves, count = self.trials.shape
        seen = np.zeros((leaves, count, self.ages), dtype=np.bool_)
        for age in range(min(self.ages, count)):
            # who reached a on day d and comes at this age is recorded on day d + age
            seen[:, : count - age, age] = self.observed[:, age:]
            seen[:, max(count - age - settle, 0) : count - age, age] = False
        # most come at once: a cohort whose own day was not recorded is left out whole
        return np.asarray(seen & self.observed[:, :, None])

    def delays(self, usual: Bools) -> Floats:
        """Share of each leaf's arrivals that comes at each age, (leaves, ages), of its ``usual`` cells."""
        seen = self.visible() & usual[:, :, None]
        return shares_by_leaf(self.columns, self.leaf_values, self.trials, self.arrivals, seen)

    def counts(self, delays: Floats, settle: int = SETTLE_DAYS, slower: Sequence[Slower] = ()) -> CountCube:
        """Arrivals at b of those who reached a, with the share of them that could be seen so far.

        In the cells of ``slower`` fewer come early, and those come later: they are not missing yet.
        """
        seen = self.visible(settle)
        successes = np.where(seen, self.arrivals, 0).sum(axis=2)
        share = (seen * delays[:, None, :]).sum(axis=2)
        for each in slower:
            cut = self.prompt_age(delays)
            early = (seen[:, :, : cut + 1] * delays[:, None, : cut + 1]).sum(axis=2)
            usual = delays[:, : cut + 1].sum(axis=1)[:, None]
            later = (share - early) * (1 - usual * each.change) / np.maximum(1 - usual, 1e-9)
            share = np.where(each.cells, early * each.change + later, share)
        return self._family("advance", self.trials, successes, share)

    def prompt_age(self, delays: Floats) -> int:
        """The age in days by which most of those who come have come."""
        weight = self.arrivals.sum(axis=(1, 2)) + 1e-9
        return int(np.searchsorted(np.cumsum(weight @ delays / weight.sum()), 0.5))

    def punctual(self, delays: Floats, settle: int = SETTLE_DAYS) -> CountCube | None:
        """Of the arrivals seen, those that came by the age most do; None where nobody comes later.

        A cohort that is young has mostly early arrivals: what is expected of it grows accordingly.
        """
        cut = self.prompt_age(delays)
        if cut >= self.ages - 1:
            return None
        seen = self.visible(settle)
        early = np.where(seen[:, :, : cut + 1], self.arrivals[:, :, : cut + 1], 0).sum(axis=2)
        arrived = np.where(seen, self.arrivals, 0).sum(axis=2)
        whole = (seen * delays[:, None, :]).sum(axis=2)
        part = (seen[:, :, : cut + 1] * delays[:, None, : cut + 1]).sum(axis=2)
        usually = delays[:, : cut + 1].sum(axis=1)[:, None]
        tells = whole - part > 0.01
        share = np.divide(part, whole * usually, out=np.zeros_like(whole), where=tells)
        return self._family("slow", np.where(tells, arrived, 0), np.where(tells, early, 0), share)

    def turned(self, measure: str, settle: int = SETTLE_DAYS) -> CountCube:
        """Of the attempts that are over, those that took no such detour."""
        days = np.arange(len(self.days))
        is_over = self.observed & (days < len(self.days) - self.ages - settle)[None, :]
        good = np.where(is_over, self.trials - self.turns[measure], 0)
        counts = self._family("detour", self.trials, np.maximum(good, 0), is_over.astype(float))
        return replace(counts, measure=measure)

    def felt(self, measure: str, settle: int = SETTLE_DAYS) -> CountCube:
        """Of recordings or answers, those that were not bad; each is over on its own day."""
        is_there = self.observed & (np.arange(len(self.days)) < len(self.days) - settle)[None, :]
        good = np.where(is_there, self.trials - self.turns[measure], 0)
        counts = self._family("friction", self.trials, np.maximum(good, 0), is_there.astype(float))
        return replace(counts, measure=measure)

    def mean_seconds(self, cells: Bools) -> float | None:
        """Mean time from a to b of the arrivals in some cells (leaves, days), None where it is not known."""
        arrived = self.advanced[cells].sum()
        return None if self.seconds is None or not arrived else float(self.seconds[cells].sum() / arrived)

    def _family(self, family: Family, trials: Floats, successes: Floats, share: Floats) -> CountCube:
        return CountCube(
            self.journey,
            self.persona,
            self.stage,
            self.next_stage,
            family,
            self.days,
            self.columns,
            self.leaf_values,
            trials,
            successes,
            share,
        )
