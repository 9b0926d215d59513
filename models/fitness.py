"""How close a path is to one the ideal allows, in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def path_fitness(
    paths: Sequence[Sequence[int]], required: Sequence[int], optional: Sequence[int], goal: int
) -> npt.NDArray[np.float64]:
    """Fitness of each path (stage numbers in order of visit), shape (len(paths),).

    ``1 - cost / (visits + required stages)`` with the required stages up to the furthest visited, or
    all of them for a path that reaches ``goal``; cost is the fewest insertions and deletions of visits
    that turn the path into an allowed one: each of those required stages once, in order, with optional
    stages at their place at most once.

    With insertions and deletions only, cost = visits + allowed length - 2 x common subsequence. An
    optional stage enters the allowed sequence only when it is matched, so it saves 1 where a required
    one saves 2: the cost is visits + required - the heaviest strictly increasing subsequence under
    those weights. Stages outside ``required`` and ``optional`` can only be deleted.
    """
    if not len(paths):
        return np.zeros(0)
    top = max(max(required, default=0), max(optional, default=0), *(max(path) for path in paths))
    weights = np.zeros(top + 1, dtype=np.int64)
    weights[list(optional)] = 1
    weights[list(required)] = 2
    needed = np.sort(np.asarray(required))
    lengths = np.fromiter((len(path) for path in paths), np.int64, len(paths))
    order = np.argsort(-lengths, kind="stable")  # longest first: those still going form a prefix
    furthest = np.fromiter((max(path) for path in paths), np.int64, len(paths))
    reaches_goal = np.fromiter((goal in path for path in paths), np.bool_, len(paths))
    due = np.where(reaches_goal, len(needed), np.searchsorted(needed, furthest, side="right"))

    # heaviest[i, s]: the heaviest increasing subsequence of path i so far that ends at a stage <= s
    heaviest = np.zeros((len(paths), top + 1), dtype=np.int64)
    sorted_lengths = lengths[order]
    stages = np.concatenate([np.asarray(paths[i], dtype=np.int64) for i in order])
    starts = np.concatenate(([0], np.cumsum(sorted_lengths)[:-1]))
    columns = np.arange(top + 1)
    for place in range(int(sorted_lengths[0])):
        going = int(np.searchsorted(-sorted_lengths, -place, side="left"))
        stage = stages[starts[:going] + place]
        weight = heaviest[np.arange(going), np.maximum(stage - 1, 0)] + weights[stage]
        better = np.where(columns >= stage[:, None], weight[:, None], 0)
        np.maximum(heaviest[:going], better, out=heaviest[:going])

    cost = np.empty(len(paths), dtype=np.int64)
    cost[order] = lengths[order] + due[order] - heaviest[:, top]
    return 1.0 - cost / (lengths + due)
