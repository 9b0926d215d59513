"""What a contender is shown each night and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Protocol

import numpy as np
import numpy.typing as npt

from detection.segments import Conditions

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

PAIN_KINDS = frozenset({"regression", "below_ideal", "slow", "detour", "friction"})
"""Claims of other kinds (notes on mix, traffic, tracking) are neither right nor false findings."""


@dataclass(frozen=True)
class NightView:
    """All that is known when the data end with day ``night`` (a place in ``days``, which end with it).

    T transitions, L leaves, D = night + 1 days, A ages. ``trials`` (T, L, D): attempts that first
    reached a on that day. ``arrivals`` (T, L, D, A): of these, those seen to reach b ``age`` days later;
    0 where day + age > night. ``converted`` (T, L, D): of those who arrived, seen to reach the goal;
    ``value`` their money. ``reached_beyond`` (T, L, D): attempts seen at a stage after b, never at b (0
    for the last transition: there is none). ``stage_events`` (T + 1, L, D): events of each stage on that
    day. Rows that come late are missing from the last day.
    """

    night: int
    days: tuple[date, ...]
    columns: tuple[str, ...]
    leaf_values: tuple[tuple[str, ...], ...]
    transitions: tuple[tuple[str, str], ...]
    trials: Ints
    arrivals: Ints
    converted: Ints
    value: Floats
    reached_beyond: Ints
    stage_events: Ints


@dataclass(frozen=True)
class Claim:
    """One finding that is open tonight.

    ``transition`` is a place in ``NightView.transitions``; ``lost`` are goal conversions lost since
    ``started_on``, with a 90 % interval, None where it gives none. ``id`` stays the same from night to
    night.
    """

    transition: int
    conditions: Conditions
    kind: str
    started_on: date | None
    lost: float | None
    lost_low: float | None
    lost_high: float | None
    id: str


class Contender(Protocol):
    """Judges one world night after night, in order; it may keep what it learned."""

    def judge(self, view: NightView) -> list[Claim]:
        """The findings open on this night."""
        ...
