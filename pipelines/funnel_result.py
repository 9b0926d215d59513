"""What a funnel says: counts and rates, times, days, and exactly who was counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.funnel import FunnelCount
from pipelines.errors import PainpointsError
from pipelines.funnel_query import Actors


@dataclass(frozen=True)
class FunnelStep:
    """One step: actors that reached it, rates in [0, 1], seconds since the step before."""

    step: str
    reached: int
    rate_from_previous: float | None
    rate_from_first: float | None
    median_seconds: float | None
    p90_seconds: float | None


@dataclass(frozen=True)
class FunnelResult:
    """A counted funnel; ``open`` are those who may still go on, ``groups`` the same for each value."""

    steps: tuple[FunnelStep, ...]
    open: int
    groups: Mapping[str, FunnelResult] = field(default_factory=dict)
    _count: FunnelCount | None = field(default=None, repr=False, compare=False)
    _actors: Actors | None = field(default=None, repr=False, compare=False)
    _days: Sequence[date] = field(default=(), repr=False, compare=False)
    _reached: Sequence[NDArray[np.int64]] = field(default=(), repr=False, compare=False)

    def users(self, step: int, *, dropped: bool = False) -> list[str]:
        """Who reached step ``step`` (from 1), or with ``dropped`` reached it and went no further.

        Keys as in marts (user_key, or session_id with that scope), sorted: as many as were counted.
        """
        if not 1 <= step <= len(self.steps):
            raise PainpointsError(f"there is no step {step}; the funnel has {len(self.steps)}")
        assert self._actors is not None
        following = self._reached[step] if step < len(self.steps) else np.zeros(0, np.int64)
        codes = np.setdiff1d(self._reached[step - 1], following) if dropped else self._reached[step - 1]
        return sorted(self._actors.texts(codes))

    def attempts(self) -> dict[str, tuple[int, ...]]:
        """The counted attempt of each actor: the times of its steps, in microseconds UTC."""
        assert self._count is not None
        assert self._actors is not None
        found = zip(
            self._actors.texts(self._count.actor),
            self._count.depth.tolist(),
            self._count.at_us.tolist(),
            strict=True,
        )
        return {key: tuple(times[:depth]) for key, depth, times in found}

    def trend(self) -> list[dict[str, Any]]:
        """By the day of the first step: how many began and how many reached each step."""
        assert self._count is not None
        found: dict[date, list[int]] = {}
        for day, depth in zip(self._days, self._count.depth.tolist(), strict=True):
            row = found.setdefault(day, [0] * len(self.steps))
            for step in range(depth):
                row[step] += 1
        return [{"day": day, "reached": found[day]} for day in sorted(found)]

    def seconds_to_convert(self) -> NDArray[np.float64]:
        """Seconds from the first to the last step of everyone who got there."""
        assert self._count is not None
        done = self._count.depth == len(self.steps)
        taken: NDArray[np.float64] = (self._count.at_us[done, -1] - self._count.at_us[done, 0]) / 1e6
        return taken

    def histogram(self, bins: int = 12) -> list[dict[str, float]]:
        """Time to convert in bins of equal width: from and to in seconds, and how many."""
        seconds = self.seconds_to_convert()
        if not seconds.size:
            return []
        counts, edges = np.histogram(seconds, bins=bins, range=(0.0, max(float(seconds.max()), 1.0)))
        return [
            {"from_seconds": float(low), "to_seconds": float(high), "count": int(count)}
            for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
        ]

    def as_json(self) -> dict[str, Any]:
        """The documented shape: steps and open, or the groups of a breakdown."""
        if self.groups:
            return {"groups": {value: each.as_json() for value, each in self.groups.items()}}
        return {"steps": [vars(step) for step in self.steps], "open": self.open}


def result_of(
    count: FunnelCount,
    names: Sequence[str],
    actors: Actors,
    days: Iterable[date],
    reached: Sequence[NDArray[np.int64]] | None = None,
) -> FunnelResult:
    """The result of a count; ``reached`` names who is at each step where the depth does not say it."""
    if reached is None:
        reached = [count.actor[count.depth >= step] for step in range(1, len(names) + 1)]
        taken = [None, *(_seconds(count, step) for step in range(1, len(names)))]
    else:
        taken = [None] * len(names)
    numbers = [len(each) for each in reached]
    steps = []
    for place, name in enumerate(names):
        median, p90 = _quantiles(taken[place])
        steps.append(
            FunnelStep(
                name,
                numbers[place],
                _rate(numbers[place], numbers[place - 1] if place else numbers[0]),
                _rate(numbers[place], numbers[0]),
                median,
                p90,
            )
        )
    chosen = list(days)
    return FunnelResult(tuple(steps), int(count.is_open.sum()), {}, count, actors, chosen, reached)


def group_of(count: FunnelCount, which: NDArray[np.bool_]) -> FunnelCount:
    """The part of a count whose actors ``which`` marks."""
    return FunnelCount(
        count.actor[which], count.depth[which], count.at_us[which], count.number[which], count.is_open[which]
    )


def _seconds(count: FunnelCount, step: int) -> NDArray[np.float64]:
    there = count.depth > step
    taken: NDArray[np.float64] = (count.at_us[there, step] - count.at_us[there, step - 1]) / 1e6
    return taken


def _quantiles(seconds: NDArray[np.float64] | None) -> tuple[float | None, float | None]:
    if seconds is None or not seconds.size:
        return None, None
    median, p90 = np.quantile(seconds, [0.5, 0.9])
    return float(median), float(p90)


def _rate(part: int, whole: int) -> float | None:
    return part / whole if whole else None
