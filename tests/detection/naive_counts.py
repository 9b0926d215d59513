"""Matured counts per segment, as the naive rules read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np

from detection.claims import NightView
from detection.segments import Conditions, Floats, conjunctions, mask_of

RECENT = 7
BEFORE = 28


@dataclass(frozen=True)
class Counts:
    """T transitions, S segments (the whole first), D matured days: all ages of them were seen.

    ``trials`` and ``arrivals`` (T, S, D); ``completing`` (T, S): share of those who arrived that reached
    the goal.
    """

    days: tuple[date, ...]
    segments: tuple[Conditions, ...]
    trials: Floats
    arrivals: Floats
    completing: Floats

    @property
    def recent_trials(self) -> Floats:
        """Of the last seven days (T, S)."""
        return np.asarray(self.trials[..., -RECENT:].sum(axis=-1))

    @property
    def before_trials(self) -> Floats:
        """Of the 28 days before them (T, S)."""
        return np.asarray(self.trials[..., -RECENT - BEFORE : -RECENT].sum(axis=-1))

    @property
    def recent_rate(self) -> Floats:
        """Step rate of the last seven days (T, S)."""
        return np.asarray(self.arrivals[..., -RECENT:].sum(axis=-1) / np.maximum(self.recent_trials, 1))

    @property
    def before_rate(self) -> Floats:
        """Step rate of the 28 days before them (T, S)."""
        arrived = self.arrivals[..., -RECENT - BEFORE : -RECENT].sum(axis=-1)
        return np.asarray(arrived / np.maximum(self.before_trials, 1))


def count(view: NightView, depth: int) -> Counts | None:
    """The matured counts of a night for all segments up to ``depth``; None with too little history."""
    matured = view.night + 1 - (view.arrivals.shape[-1] - 1)
    if matured < RECENT + BEFORE:
        return None
    segments, member = _members(view.columns, view.leaf_values, depth)
    arrived = view.arrivals[:, :, :matured].sum(axis=-1)
    converted = np.einsum("sl,tl->ts", member, view.converted[:, :, :matured].sum(axis=-1))
    arrivals = member @ arrived
    return Counts(
        view.days[:matured],
        segments,
        member @ view.trials[:, :, :matured],
        arrivals,
        converted / np.maximum(arrivals.sum(axis=-1), 1),
    )


@cache
def _members(
    columns: tuple[str, ...], leaves: tuple[tuple[str, ...], ...], depth: int
) -> tuple[tuple[Conditions, ...], Floats]:
    segments = tuple(each for size in range(depth + 1) for each in conjunctions(size, columns, leaves))
    return segments, np.array([mask_of(each, columns, leaves) for each in segments], dtype=float)
