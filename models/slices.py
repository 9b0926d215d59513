"""Conjunctions of segment values: which a scan looks at and which leaves they cover."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Condition = tuple[str, str | None]
Conditions = tuple[Condition, ...]
LeafValues = tuple[tuple[str | None, ...], ...]

ALL = "all"
MOST_VALUES = 30  # of a segment are scanned; the rest, each rarer than these, only counts in the whole


@dataclass(frozen=True)
class Slice:
    """A conjunction of segment values and the leaves it covers."""

    conditions: Conditions
    leaves: Bools

    @property
    def depth(self) -> int:
        return len(self.conditions)

    @property
    def name(self) -> str:
        """``all``, or for example ``channel=paid & device=mobile``."""
        return self.name_of(self.conditions)

    @staticmethod
    def name_of(conditions: Conditions) -> str:
        """The name of the slice with these conditions."""
        if not conditions:
            return ALL
        return " & ".join(f"{column}={'(none)' if v is None else v}" for column, v in conditions)

    def is_nested_with(self, other: Slice) -> bool:
        """Whether one of the two covers all leaves of the other."""
        both = self.leaves & other.leaves
        return bool(both.any() and ((both == self.leaves).all() or (both == other.leaves).all()))


@dataclass(frozen=True)
class SliceSet:
    """The slices a scan looks at; ``member`` (slices, leaves) is 1 where a slice covers a leaf."""

    slices: tuple[Slice, ...]
    member: Floats

    @staticmethod
    def of(slices: Sequence[Slice]) -> SliceSet:
        return SliceSet(tuple(slices), np.array([each.leaves for each in slices], dtype=float))

    def sums(self, by_leaf: Floats) -> Floats:
        """Sums over the leaves of each slice, (slices, ...) of (leaves, ...)."""
        flat = by_leaf.reshape(len(by_leaf), -1)
        summed: Floats = self._sparse @ flat
        return summed.reshape(len(self.slices), *by_leaf.shape[1:])

    @cached_property
    def _sparse(self) -> csr_array:
        # most slices cover few leaves
        return csr_array(self.member)

    @property
    def whole(self) -> int:
        """The place of the slice that covers everyone."""
        return next(index for index, each in enumerate(self.slices) if each.depth == 0)

    def depths(self) -> npt.NDArray[np.int64]:
        return np.array([each.depth for each in self.slices], dtype=np.int64)


def slices_of(
    columns: tuple[str, ...], leaf_values: LeafValues, weight: Floats, depth: int, least_share: float = 0.01
) -> SliceSet:
    """All conjunctions of up to ``depth`` segment values with at least this share of ``weight`` (leaves,).

    Of conjunctions that cover the same leaves only the shortest is kept.
    """
    values = {column: _frequent_values(index, leaf_values, weight) for index, column in enumerate(columns)}
    masks = {
        (column, value): np.array([leaf[index] == value for leaf in leaf_values], dtype=np.bool_)
        for index, column in enumerate(columns)
        for value in values[column]
    }
    found: dict[bytes, Slice] = {}
    for size in range(depth + 1):
        for chosen in combinations(sorted(columns), size):
            for conditions in _products(chosen, values):
                mask = np.ones(len(leaf_values), dtype=np.bool_)
                for condition in conditions:
                    mask = mask & masks[condition]
                is_large = weight[mask].sum() >= least_share * weight.sum()
                if not conditions or (is_large and mask.any()):
                    found.setdefault(mask.tobytes(), Slice(conditions, mask))
    return SliceSet.of(list(found.values()))


def slice_of(columns: tuple[str, ...], leaf_values: LeafValues, conditions: Conditions) -> Slice:
    """The slice with these conditions; columns and values never seen make it empty."""
    mask = np.ones(len(leaf_values), dtype=np.bool_)
    for column, value in conditions:
        index = columns.index(column) if column in columns else None
        mask &= np.array([index is not None and leaf[index] == value for leaf in leaf_values], dtype=np.bool_)
    return Slice(conditions, mask)


def overlap(weight: Floats, one: Slice, other: Slice) -> float:
    """Jaccard index of two slices in ``weight`` (leaves,), in [0, 1]."""
    either = weight[one.leaves | other.leaves].sum()
    return float(weight[one.leaves & other.leaves].sum() / either) if either else 0.0


def containment(weight: Floats, one: Slice, other: Slice) -> float:
    """The part of the smaller slice, in ``weight`` (leaves,), that lies in the other, in [0, 1]."""
    smaller = min(weight[one.leaves].sum(), weight[other.leaves].sum())
    return float(weight[one.leaves & other.leaves].sum() / smaller) if smaller else 0.0


def _frequent_values(index: int, leaf_values: LeafValues, weight: Floats) -> list[str | None]:
    totals: dict[str | None, float] = {}
    for leaf, attempts in zip(leaf_values, weight, strict=True):
        totals[leaf[index]] = totals.get(leaf[index], 0) + float(attempts)
    ranked = sorted(totals, key=lambda value: (-totals[value], str(value)))
    return ranked[:MOST_VALUES] if len(ranked) > 1 else []


def _products(columns: tuple[str, ...], values: dict[str, list[str | None]]) -> Iterator[Conditions]:
    if not columns:
        yield ()
        return
    first, *rest = columns
    for value in values[first]:
        for others in _products(tuple(rest), values):
            yield ((first, value), *others)
