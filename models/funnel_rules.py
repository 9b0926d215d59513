"""The rules of an ad hoc funnel: what counts as one attempt, and which attempt of a person counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Order = Literal["loose", "strict", "any"]
Reentry = Literal["first", "latest", "furthest"]


@dataclass(frozen=True)
class Exclusion:
    """No excluded event strictly between steps ``first`` and ``last`` (numbers from 1)."""

    first: int
    last: int

    def covers(self, step: int) -> bool:
        """Whether the way from ``step`` to the next one is within it."""
        return self.first <= step < self.last


@dataclass(frozen=True)
class FunnelRules:
    """How the steps of a funnel follow each other; times in microseconds, None without a limit.

    loose: each step at or after the one before. strict: no other event of the actor in between. any: the
    steps in any order. ``window_us`` is from the first step to each later one, inclusive; ``within_us``
    (one shorter than the steps) from each step to the next. ``reentry`` says which attempt counts, where
    there are several: the one with the actor's first or latest beginning, or the one that gets furthest
    (of several, the one that begins first). ``is_open``: a step counts whoever does it. ``grace_us``: a step
    may come this much before the one it follows. ``drops_actors``: an attempt that is stopped by an excluded
    event within its window does not count at all, not even for the steps before.
    """

    steps: int
    order: Order = "loose"
    window_us: int | None = 7 * 86_400 * 1_000_000
    within_us: tuple[int | None, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    reentry: Reentry = "furthest"
    is_open: bool = False
    grace_us: int = 0
    drops_actors: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1 or self.steps > 62:
            raise ValueError("a funnel has 1 to 62 steps")
        within = self.within_us or (None,) * (self.steps - 1)
        if len(within) != self.steps - 1:
            raise ValueError(
                f"{self.steps} steps have {self.steps - 1} times between them, not {len(within)}"
            )
        object.__setattr__(self, "within_us", within)
        for each in self.exclusions:
            if not 1 <= each.first < each.last <= self.steps:
                raise ValueError(f"there is no way from step {each.first} to step {each.last}")
        paired = any(limit is not None for limit in within) or bool(self.exclusions)
        if paired and (self.order == "any" or self.is_open):
            raise ValueError("times between steps and exclusions need an order of the steps")
        if self.is_open and self.order != "loose":
            raise ValueError("an open funnel has the loose order")
