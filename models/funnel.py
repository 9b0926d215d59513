"""Counts a funnel exactly: every actor's best attempt, by one pass over the events per step and depth.

An attempt is a chain of different events, one a step, at or after each other. Whether an event of step j
can lead to step k depends only on the earliest event of step j+1 that can: if that one is too late, or has
something forbidden before it, so has every later one. So one search per step, from the last step back,
finds for each beginning the earliest end; the deepest k for which that end lies within the window is the
depth of the beginning. No chain is enumerated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.funnel_rules import FunnelRules
from models.funnel_ties import longest_chain, unordered_chain

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True)
class FunnelEvents:
    """The events that match a step, ordered by lane, time, lowest step and number.

    ``lane`` numbers actor and held value together, ``actor`` the actor alone (a lane has one actor, lanes
    of an actor are neighbours). ``mask`` has bit k-1 set where step k is matched. ``may_begin`` says whether
    the day allows an attempt to begin there. ``place`` numbers the different times of all events of the
    actor, needed for the strict order only. ``excluded`` are, per exclusion, (actor, time) of its events,
    ordered.
    """

    lane: Ints
    actor: Ints
    at_us: Ints
    mask: Ints
    number: Ints
    may_begin: Flags
    place: Ints | None = None
    excluded: Sequence[tuple[Ints, Ints]] = ()


@dataclass(frozen=True)
class FunnelCount:
    """The counted attempt of each actor that has one, one row an actor, ordered by actor.

    ``depth`` is the number of steps reached; ``at_us`` and ``number`` have a column a step, NEVER and -1
    beyond the depth. ``is_open`` says whether the actor may still get further after the horizon.
    """

    actor: Ints
    depth: Ints
    at_us: Ints
    number: Ints
    is_open: Flags

    def reached(self) -> list[int]:
        """Actors that reached each step."""
        return [int((self.depth >= step).sum()) for step in range(1, self.at_us.shape[1] + 1)]


def count_funnel(events: FunnelEvents, rules: FunnelRules, horizon_us: int) -> FunnelCount:
    """The counted attempt of every actor; ``horizon_us`` is where the data ends."""
    chains = _Chains(rules.steps)
    slow = _actors_with_entangled_ties(events, rules)
    is_slow = np.isin(events.actor, slow)
    fast = _only(events, ~is_slow)
    if rules.order == "any":
        _count_unordered(fast, rules, chains)
    else:
        _count_ordered(fast, rules, chains)
    for actor in slow:
        _count_one(_only(events, events.actor == actor), rules, chains, int(actor))
    return chains.counted(events, rules, horizon_us)


def _count_ordered(events: FunnelEvents, rules: FunnelRules, chains: _Chains) -> None:
    begins = _beginnings(events, rules, (events.mask & 1) > 0)
    at_step = [np.flatnonzero(events.mask >> step & 1) for step in range(rules.steps)]
    for depth in range(rules.steps, 0, -1):
        if not begins.size:
            return
        follower: list[Ints] = [np.zeros(0, np.int64)] * rules.steps
        feasible = at_step[depth - 1]
        end_us = events.at_us[feasible]
        for step in range(depth - 1, 0, -1):
            here = at_step[step - 1]
            place = _first_after(events, rules, feasible, here)
            follows = place < feasible.size
            here, place = here[follows], place[follows]
            there = feasible[place]
            allowed = _may_follow(events, rules, step, here, there)
            here, there = here[allowed], there[allowed]
            end_us = end_us[place[allowed]]
            follower[step - 1] = np.full(events.at_us.size, -1, np.int64)
            follower[step - 1][here] = there
            feasible = here
        found = begins[np.isin(begins, feasible, assume_unique=True)]
        if rules.window_us is not None:
            ends = np.full(events.at_us.size, NEVER, np.int64)
            ends[feasible] = end_us
            found = found[ends[found] - events.at_us[found] <= rules.window_us]
        if not found.size:
            continue
        rows = [found]
        for step in range(1, depth):
            rows.append(follower[step - 1][rows[-1]])
        if rules.drops_actors:
            stopped = _is_stopped(events, rules, found, rows[-1], depth)
            begins = np.setdiff1d(begins, found[stopped], assume_unique=True)
            rows = [each[~stopped] for each in rows]
        if rows[0].size:
            done = chains.add(events, np.stack(rows, axis=1))
            begins = begins[~np.isin(events.actor[begins], done)]


def _first_after(events: FunnelEvents, rules: FunnelRules, feasible: Ints, here: Ints) -> Ints:
    """For each place ``here``, which of ``feasible`` is the first that may follow it."""
    if not rules.grace_us:
        return np.searchsorted(feasible, here, side="right").astype(np.int64)
    times = np.unique(np.concatenate([events.at_us, events.at_us - rules.grace_us]))
    keys = events.lane[feasible] * times.size + np.searchsorted(times, events.at_us[feasible])
    least = np.searchsorted(times, events.at_us[here] - rules.grace_us)
    return np.searchsorted(keys, events.lane[here] * times.size + least, side="left").astype(np.int64)


def _is_stopped(events: FunnelEvents, rules: FunnelRules, begins: Ints, ends: Ints, depth: int) -> Flags:
    """Whether an excluded event comes behind the last step reached, within the window of the attempt."""
    stopped = np.zeros(begins.size, np.bool_)
    for exclusion, (actor, at_us) in zip(rules.exclusions, events.excluded, strict=True):
        if not exclusion.covers(depth):
            continue
        last = events.at_us[begins] + rules.window_us if rules.window_us is not None else None
        times = np.unique(np.concatenate([at_us, events.at_us[ends], *([] if last is None else [last])]))
        keys = actor * times.size + np.searchsorted(times, at_us)
        base = events.actor[begins] * times.size
        after = np.searchsorted(keys, base + np.searchsorted(times, events.at_us[ends]), side="right")
        until = times.size - 1 if last is None else np.searchsorted(times, last)
        stopped |= np.searchsorted(keys, base + until, side="right") > after
    return stopped


def _may_follow(events: FunnelEvents, rules: FunnelRules, step: int, here: Ints, there: Ints) -> Flags:
    """Whether ``there`` may be the event of step ``step`` + 1 after ``here``."""
    allowed: Flags = events.lane[here] == events.lane[there]
    limit = rules.within_us[step - 1]
    if limit is not None:
        allowed &= events.at_us[there] - events.at_us[here] <= limit
    if events.place is not None:
        allowed &= events.place[there] - events.place[here] <= 1
    for exclusion, excluded in zip(rules.exclusions, events.excluded, strict=True):
        if exclusion.covers(step):
            allowed &= ~_crosses(events, excluded, here, there)
    return allowed


def _crosses(events: FunnelEvents, excluded: tuple[Ints, Ints], here: Ints, there: Ints) -> Flags:
    """Whether an excluded event of the actor lies strictly between the times of ``here`` and ``there``."""
    actor, at_us = excluded
    # actor and time as one number: the time by its rank, which cannot overflow
    times = np.unique(np.concatenate([at_us, events.at_us]))
    keys = actor * times.size + np.searchsorted(times, at_us)
    base = events.actor[here] * times.size
    after = np.searchsorted(keys, base + np.searchsorted(times, events.at_us[here]), side="right")
    before = np.searchsorted(keys, base + np.searchsorted(times, events.at_us[there]), side="left")
    crossed: Flags = before > after
    return crossed


def _count_unordered(events: FunnelEvents, rules: FunnelRules, chains: _Chains) -> None:
    begins = _beginnings(events, rules, events.mask > 0)
    if not begins.size:
        return
    times = np.full((begins.size, rules.steps), NEVER, np.int64)
    rows = np.full((begins.size, rules.steps), -1, np.int64)
    for step in range(rules.steps):
        here = np.flatnonzero(events.mask >> step & 1)
        place = np.searchsorted(here, begins, side="left")
        follows = place < here.size
        there = here[np.where(follows, place, 0)] if here.size else np.zeros(begins.size, np.int64)
        follows &= events.lane[there] == events.lane[begins]
        if rules.window_us is not None:
            follows &= events.at_us[there] - events.at_us[begins] <= rules.window_us
        times[:, step] = np.where(follows, events.at_us[there], NEVER)
        rows[:, step] = np.where(follows, there, -1)
    # the order in which the events come, not their time alone: of equal times the lower step serves first
    order = np.argsort(np.where(rows < 0, NEVER, rows), axis=1, kind="stable")
    chains.add(events, np.take_along_axis(rows, order, axis=1))


def _beginnings(events: FunnelEvents, rules: FunnelRules, matches: Flags) -> Ints:
    """The places at which an attempt that may count begins."""
    begins = np.flatnonzero(matches & events.may_begin)
    if rules.reentry == "furthest" or not begins.size:
        return begins
    actor, at_us = events.actor[begins], events.at_us[begins]
    order = np.lexsort((at_us, actor))
    last = np.append(actor[order][1:] != actor[order][:-1], True)
    first = np.append(True, last[:-1])
    chosen = order[first] if rules.reentry == "first" else order[last]
    # one chosen time an actor, in the order of the actors
    _, place = np.unique(actor, return_inverse=True)
    wanted: Flags = at_us == at_us[chosen][place]
    return begins[wanted]


class _Chains:
    """Collects, for each actor, the chain that counts."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self._actor: list[Ints] = []
        self._depth: list[Ints] = []
        self._at_us: list[Ints] = []
        self._number: list[Ints] = []

    def add(self, events: FunnelEvents, rows: Ints) -> Ints:
        """Keep each actor's best of ``rows`` (places of events, -1 beyond the depth); returns the actors."""
        depth = (rows >= 0).sum(axis=1)
        at_us = np.where(rows >= 0, events.at_us[rows], NEVER)
        actor = events.actor[rows[:, 0]]
        keys = [at_us[:, column] for column in range(rows.shape[1] - 1, -1, -1)]
        order = np.lexsort([rows[:, 0], *keys, -depth, actor])
        best = order[np.append(True, actor[order][1:] != actor[order][:-1])]
        pad = self.steps - rows.shape[1]
        self._actor.append(actor[best])
        self._depth.append(depth[best])
        self._at_us.append(np.pad(at_us[best], ((0, 0), (0, pad)), constant_values=NEVER))
        numbers = np.where(rows >= 0, events.number[rows], -1)[best]
        self._number.append(np.pad(numbers, ((0, 0), (0, pad)), constant_values=-1))
        done: Ints = actor[best]
        return done

    def counted(self, events: FunnelEvents, rules: FunnelRules, horizon_us: int) -> FunnelCount:
        if not self._actor:
            none = np.zeros(0, np.int64)
            empty = np.zeros((0, self.steps), np.int64)
            return FunnelCount(none, none, empty, empty, np.zeros(0, np.bool_))
        actor = np.concatenate(self._actor)
        order = np.argsort(actor, kind="stable")
        actor, depth = actor[order], np.concatenate(self._depth)[order]
        at_us = np.concatenate(self._at_us)[order]
        is_open = depth < self.steps
        if rules.window_us is not None:
            matches = events.mask > 0 if rules.order == "any" else (events.mask & 1) > 0
            begins = _beginnings(events, rules, matches)
            begins = begins[np.isin(events.actor[begins], actor)]  # without those that are dropped
            latest = np.full(actor.size, np.iinfo(np.int64).min, np.int64)
            np.maximum.at(latest, np.searchsorted(actor, events.actor[begins]), events.at_us[begins])
            is_open &= latest + rules.window_us > horizon_us
        return FunnelCount(actor, depth, at_us, np.concatenate(self._number)[order], is_open)


def _only(events: FunnelEvents, which: Flags) -> FunnelEvents:
    if which.all():
        return events
    return FunnelEvents(
        events.lane[which],
        events.actor[which],
        events.at_us[which],
        events.mask[which],
        events.number[which],
        events.may_begin[which],
        None if events.place is None else events.place[which],
        events.excluded,
    )


def _actors_with_entangled_ties(events: FunnelEvents, rules: FunnelRules) -> Ints:
    """Actors with events of one moment of which one matches several steps: who serves which is a puzzle.

    Where every event matches one step, ordering equal times by step solves it.
    """
    several = (events.mask & (events.mask - 1)) > 0
    if not several.any():
        return np.zeros(0, np.int64)
    if rules.order == "any" or rules.grace_us:
        return np.unique(events.actor[several])
    new = np.append(True, (events.lane[1:] != events.lane[:-1]) | (events.at_us[1:] != events.at_us[:-1]))
    group = np.cumsum(new) - 1
    size = np.bincount(group)
    has_several = np.bincount(group, weights=several) > 0
    entangled: Ints = np.unique(events.actor[((size > 1) & has_several)[group]])
    return entangled


def _count_one(events: FunnelEvents, rules: FunnelRules, chains: _Chains, actor: int) -> None:
    matches = events.mask > 0 if rules.order == "any" else (events.mask & 1) > 0
    begins = _beginnings(events, rules, matches)
    rows = []
    for begin in begins.tolist():
        lane = np.flatnonzero(events.lane == events.lane[begin])
        if rules.order == "any":
            chain = unordered_chain(events.at_us, events.mask, lane.tolist(), begin, rules)
        else:

            def may_follow(step: int, here: int, there: int) -> bool:
                pair = (np.array([here]), np.array([there]))
                return bool(_may_follow(events, rules, step, *pair)[0])

            chain = longest_chain(events.at_us, events.mask, lane.tolist(), begin, rules, may_follow)
        rows.append(chain + [-1] * (rules.steps - len(chain)))
    found = np.array(rows, dtype=np.int64).reshape(-1, rules.steps)
    if rules.drops_actors:
        depths = (found >= 0).sum(axis=1)
        for depth in np.unique(depths).tolist():
            at = np.flatnonzero(depths == depth)
            stopped = _is_stopped(events, rules, found[at, 0], found[at, depth - 1], depth)
            depths[at[stopped]] = 0
        found = found[depths > 0]
    if found.size:
        chains.add(events, found)
