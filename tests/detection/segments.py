"""The leaves of the benchmark's worlds, and conjunctions of segment values as masks over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import combinations, product

import numpy as np
import numpy.typing as npt

from detection.grid import COLUMNS, LEAST_SEGMENT_SHARE, SEGMENTS

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Conditions = tuple[tuple[str, str], ...]

LEAF_VALUES: tuple[tuple[str, ...], ...] = tuple(product(*SEGMENTS.values()))
_SHARE_NOISE = 0.3  # log scale: leaves are not quite the product of their columns


def mask_of(
    conditions: Conditions, columns: Sequence[str] = COLUMNS, leaves: Sequence[Sequence[str]] = LEAF_VALUES
) -> Bools:
    """The leaves (L,) a conjunction covers; no conditions cover all."""
    places = [(list(columns).index(column), value) for column, value in conditions]
    return np.array([all(leaf[place] == value for place, value in places) for leaf in leaves], dtype=bool)


@cache
def leaves_of(conditions: Conditions) -> Bools:
    """``mask_of`` in the benchmark's own worlds, each made once; not to be written into."""
    mask = mask_of(conditions)
    mask.flags.writeable = False
    return mask


def conjunctions(
    depth: int, columns: Sequence[str] = COLUMNS, leaves: Sequence[Sequence[str]] = LEAF_VALUES
) -> Iterator[Conditions]:
    """All conjunctions of exactly ``depth`` columns, columns in the order given."""
    values = {column: sorted({leaf[i] for leaf in leaves}) for i, column in enumerate(columns)}
    for chosen in combinations(columns, depth):
        for each in product(*(values[column] for column in chosen)):
            yield tuple(zip(chosen, each, strict=True))


def draw_shares(rng: np.random.Generator) -> Floats:
    """Each leaf's share of the traffic (L,), summing to 1."""
    shares = np.array([np.prod(each) for each in product(*(v.values() for v in SEGMENTS.values()))])
    shares *= np.exp(rng.normal(0, _SHARE_NOISE, len(shares)))
    return np.asarray(shares / shares.sum())


def draw_segment(rng: np.random.Generator, shares: Floats, depth: int) -> Conditions:
    """A random conjunction of that depth which holds enough of the traffic."""
    while True:
        chosen = sorted(rng.choice(len(COLUMNS), depth, replace=False).tolist())
        conditions = tuple((COLUMNS[i], str(rng.choice(list(SEGMENTS[COLUMNS[i]])))) for i in chosen)
        if shares[mask_of(conditions)].sum() >= LEAST_SEGMENT_SHARE:
            return conditions


def containment(one: Bools, other: Bools, weight: Floats) -> float:
    """The part of the smaller segment that lies in the other, in attempts, in [0, 1]."""
    smaller = min(weight[one].sum(), weight[other].sum())
    return float(weight[one & other].sum() / smaller) if smaller > 0 else 0.0


def leaf_f1(one: Bools, other: Bools) -> float:
    """F1 (Dice) of two sets of leaves, every leaf counting the same."""
    return float(2 * (one & other).sum() / max(one.sum() + other.sum(), 1))
