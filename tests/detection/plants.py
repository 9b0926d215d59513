"""The planted pain points of a world: its truth."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from detection.grid import (
    DAYS,
    DEPTH_SHARES,
    DEPTHS,
    DROP_SHARES,
    DROPS,
    MOST_PLANTS,
    ONSETS,
    SLOW_SHARE,
    TRANSITIONS,
)
from detection.segments import Bools, Conditions, Floats, draw_segment, leaves_of

_RAMP_DAYS = 14
_TRANSIENT_DAYS = range(5, 11)


@dataclass(frozen=True)
class Plant:
    """A pain point: the rate of ``transition`` falls by ``drop`` (relative) in the leaves of ``conditions``.

    ``kind`` is ``drop`` or ``slow``: then the share of those who come that come on the same day falls
    instead, and nobody is lost. It holds from day ``onset`` to the day before ``end``; with ``ramp_days``
    it grows in equal steps to its full size on its last ramp day.
    """

    transition: int
    conditions: Conditions
    kind: str
    drop: float
    onset: int
    end: int = DAYS + 7
    ramp_days: int = 1

    @property
    def mask(self) -> Bools:
        """The leaves (L,) it touches."""
        return leaves_of(self.conditions)

    def strength(self, days: range) -> Floats:
        """The relative drop on each of these days, in [0, 1]; days count from the world's first."""
        day = np.asarray(days, dtype=float)
        grown = np.clip((day - self.onset + 1) / self.ramp_days, 0, 1)
        return np.where((day >= self.onset) & (day < self.end), self.drop * grown, 0.0)

    def is_open(self, night: int) -> bool:
        """Whether it holds on that day."""
        return self.onset <= night < self.end


def draw_plants(rng: np.random.Generator, shares: Floats, kind: str) -> tuple[Plant, ...]:
    """The plants of a world of this kind; none for a kind without pain."""
    if kind == "two_pains_one_stage":
        return _pair(rng, shares, crossing=False)
    if kind == "overlapping":
        return _pair(rng, shares, crossing=True)
    if kind not in ("pain", "slow_ramp", "transient") and not kind.startswith("pain_during_"):
        return ()
    count = int(rng.integers(1, MOST_PLANTS + 1))
    places = rng.choice(len(TRANSITIONS), count, replace=False).tolist()
    plants = [_plant(rng, place, draw_segment(rng, shares, _depth(rng))) for place in places]
    if kind == "slow_ramp":
        plants = [replace(each, ramp_days=_RAMP_DAYS) for each in plants]
    if kind == "transient":
        plants = [replace(each, end=each.onset + int(rng.choice(_TRANSIENT_DAYS))) for each in plants]
    return tuple(plants)


def _depth(rng: np.random.Generator) -> int:
    return int(rng.choice(DEPTHS, p=DEPTH_SHARES))


def _plant(rng: np.random.Generator, transition: int, conditions: Conditions) -> Plant:
    kind = "slow" if rng.random() < SLOW_SHARE else "drop"
    drop = float(rng.choice(DROPS, p=DROP_SHARES))
    return Plant(transition, conditions, kind, drop, int(rng.choice(ONSETS)))


def _pair(rng: np.random.Generator, shares: Floats, *, crossing: bool) -> tuple[Plant, ...]:
    """Two plants at one transition, apart, or sharing some leaves with neither inside the other."""
    transition = int(rng.integers(len(TRANSITIONS)))
    while True:
        one, other = (draw_segment(rng, shares, max(_depth(rng), 1)) for _ in range(2))
        a, b = leaves_of(one), leaves_of(other)
        both = a & b
        crosses = bool(both.any() and (both != a).any() and (both != b).any())
        if crosses if crossing else not both.any():
            return _plant(rng, transition, one), _plant(rng, transition, other)
