"""The chains of one actor whose equal times are entangled: searched one by one, exactly."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.funnel_rules import FunnelRules


def longest_chain(
    at_us: NDArray[np.int64],
    mask: NDArray[np.int64],
    places: Sequence[int],
    begin: int,
    rules: FunnelRules,
    may_follow: Callable[[int, int, int], bool],
) -> list[int]:
    """The deepest attempt that begins at place ``begin``; of several, the one with the earliest times.

    ``places`` are those of the lane, in order of time. ``may_follow(step, here, there)`` tells whether the
    event ``there`` may be that of step ``step`` + 1.
    """
    deadline = None if rules.window_us is None else int(at_us[begin]) + rules.window_us
    for depth in range(rules.steps, 1, -1):
        dead: set[tuple[int, int, frozenset[int]]] = set()
        chain = _search(at_us, mask, places, [begin], depth, deadline, rules.grace_us, may_follow, dead)
        if chain is not None:
            return chain
    return [begin]


def _search(
    at_us: NDArray[np.int64],
    mask: NDArray[np.int64],
    places: Sequence[int],
    chain: list[int],
    depth: int,
    deadline: int | None,
    grace_us: int,
    may_follow: Callable[[int, int, int], bool],
    dead: set[tuple[int, int, frozenset[int]]],
) -> list[int] | None:
    if len(chain) == depth:
        return chain
    here, now = chain[-1], int(at_us[chain[-1]])
    # what matters of the way so far: the step, the moment, and which events of the moment are taken
    state = (len(chain), now, frozenset(each for each in chain if at_us[each] >= now - grace_us))
    if state in dead:
        return None
    for there in places:
        at = int(at_us[there])
        if at < now - grace_us or there in chain or not mask[there] >> len(chain) & 1:
            continue
        if deadline is not None and at > deadline:
            break
        if may_follow(len(chain), here, there):
            further = [*chain, there]
            found = _search(at_us, mask, places, further, depth, deadline, grace_us, may_follow, dead)
            if found is not None:
                return found
    dead.add(state)
    return None


def unordered_chain(
    at_us: NDArray[np.int64],
    mask: NDArray[np.int64],
    places: Sequence[int],
    begin: int,
    rules: FunnelRules,
) -> list[int]:
    """The events from ``begin`` on that serve steps in any order, each the first step not served yet."""
    served, chain = 0, []
    for there in places[places.index(begin) :]:
        if rules.window_us is not None and at_us[there] - at_us[begin] > rules.window_us:
            break
        free = int(mask[there]) & ~served
        if free:
            served |= free & -free
            chain.append(there)
    return chain
