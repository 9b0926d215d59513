"""The daily cube of one transition: matured attempts by leaf segment and entry day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Condition = tuple[str, str | None]

ALL = "all"
MOST_VALUES = 30  # of a segment are scanned; the rest, each rarer than these, only counts in the whole


@dataclass(frozen=True)
class Slice:
    """A conjunction of segment values and the leaves it covers."""

    conditions: tuple[Condition, ...]
    leaves: Bools

    @property
    def depth(self) -> int:
        return len(self.conditions)

    @property
    def name(self) -> str:
        """``all``, or for example ``channel=paid & device=mobile``."""
        if not self.conditions:
            return ALL
        return " & ".join(f"{column}={'(none)' if v is None else v}" for column, v in self.conditions)


@dataclass(frozen=True)
class SliceSet:
    """The slices a scan looks at; ``member`` (slices, leaves) is 1 where a slice covers a leaf."""

    slices: tuple[Slice, ...]
    member: Floats

    @staticmethod
    def of(slices: Sequence[Slice]) -> SliceSet:
        return SliceSet(tuple(slices), np.array([each.leaves for each in slices], dtype=float))

    @property
    def whole(self) -> int:
        """The place of the slice that covers everyone."""
        return next(index for index, each in enumerate(self.slices) if each.depth == 0)

    def depths(self) -> npt.NDArray[np.int64]:
        return np.array([each.depth for each in self.slices], dtype=np.int64)


@dataclass(frozen=True)
class TransitionCube:
    """One transition a -> b of one persona.

    ``matured``, ``advanced``, ``converted`` (of those advanced) and ``value`` (their money) have shape
    (leaves, days); ``days`` are consecutive dates; ``seen`` says on which days the transition could be
    observed. ``leaf_values`` gives each leaf's value per segment column.
    """

    journey: str
    persona: str
    stage: str
    next_stage: str
    days: tuple[date, ...]
    columns: tuple[str, ...]
    leaf_values: tuple[tuple[str | None, ...], ...]
    matured: Floats
    advanced: Floats
    converted: Floats
    value: Floats
    seen: Bools

    @property
    def transition(self) -> tuple[str, str, str, str]:
        return (self.journey, self.persona, self.stage, self.next_stage)

    def slices(self, depth: int, least_share: float = 0.01) -> SliceSet:
        """All conjunctions of up to ``depth`` segment values with at least this share of attempts.

        Of conjunctions that cover the same leaves only the shortest is kept.
        """
        leaves = len(self.leaf_values)
        weight = self.matured.sum(axis=1)
        values = {column: self._frequent_values(index, weight) for index, column in enumerate(self.columns)}
        found: dict[bytes, Slice] = {}
        for size in range(depth + 1):
            for columns in combinations(sorted(self.columns), size):
                for conditions in _products(columns, values):
                    mask = np.ones(leaves, dtype=np.bool_)
                    for column, value in conditions:
                        mask &= self._where(column, value)
                    if weight[mask].sum() >= least_share * weight.sum() and mask.any():
                        found.setdefault(mask.tobytes(), Slice(conditions, mask))
        return SliceSet.of(list(found.values()))

    def slice_of(self, conditions: tuple[Condition, ...]) -> Slice:
        """The slice with these conditions; values it never saw make it empty."""
        mask = np.ones(len(self.leaf_values), dtype=np.bool_)
        for column, wanted in conditions:
            mask &= self._where(column, wanted)
        return Slice(conditions, mask)

    def overlap(self, one: Slice, other: Slice) -> float:
        """Jaccard index of two slices in attempts, in [0, 1]."""
        weight = self.matured.sum(axis=1)
        either = weight[one.leaves | other.leaves].sum()
        return float(weight[one.leaves & other.leaves].sum() / either) if either else 0.0

    def until(self, last_day: date) -> TransitionCube:
        """The cube as it was when ``last_day`` was the last matured day."""
        count = sum(day <= last_day for day in self.days)
        return replace(
            self,
            days=self.days[:count],
            matured=self.matured[:, :count],
            advanced=self.advanced[:, :count],
            converted=self.converted[:, :count],
            value=self.value[:, :count],
            seen=self.seen[:count],
        )

    def without(self, cells: Bools) -> TransitionCube:
        """The cube without the attempts of some (leaves, days) cells."""
        return replace(
            self,
            matured=np.where(cells, 0, self.matured),
            advanced=np.where(cells, 0, self.advanced),
            converted=np.where(cells, 0, self.converted),
            value=np.where(cells, 0, self.value),
        )

    def _where(self, column: str, value: str | None) -> Bools:
        if column not in self.columns:
            return np.zeros(len(self.leaf_values), dtype=np.bool_)
        index = self.columns.index(column)
        return np.array([leaf[index] == value for leaf in self.leaf_values], dtype=np.bool_)

    def _frequent_values(self, index: int, weight: Floats) -> list[str | None]:
        totals: dict[str | None, float] = {}
        for leaf, attempts in zip(self.leaf_values, weight, strict=True):
            totals[leaf[index]] = totals.get(leaf[index], 0) + float(attempts)
        ranked = sorted(totals, key=lambda value: (-totals[value], str(value)))
        return ranked[:MOST_VALUES] if len(ranked) > 1 else []


def _products(
    columns: tuple[str, ...], values: dict[str, list[str | None]]
) -> Iterator[tuple[Condition, ...]]:
    if not columns:
        yield ()
        return
    first, *rest = columns
    for value in values[first]:
        for others in _products(tuple(rest), values):
            yield ((first, value), *others)


def cubes(
    frame: pd.DataFrame, segments: dict[str, tuple[str, ...]], blind: set[tuple[str, str, date]]
) -> list[TransitionCube]:
    """The cubes of all transitions in ``frame``.

    ``frame`` has the columns of marts.stage_funnel, only rows with a next stage; ``segments`` names
    each journey's segment columns; ``blind`` are (journey, stage, day) on which a stage's events were
    not recorded: nobody could be seen to arrive there, so the day is not judged.
    """
    made = []
    for key, group in frame.groupby(["journey", "persona", "stage", "next_stage"], sort=True):
        journey, persona, stage, following = (str(part) for part in key)
        columns = tuple(segments[journey])
        dates = pd.to_datetime(group["entry_date"]).dt.date
        first, last = dates.min(), dates.max()
        days = tuple(each.date() for each in pd.date_range(first, last))
        keys = group[list(columns)].astype(object)
        texts = [tuple(_text(value) for value in row) for row in keys.itertuples(index=False, name=None)]
        leaves = tuple(sorted(set(texts), key=str))
        numbers = {leaf: index for index, leaf in enumerate(leaves)}
        rows = np.array([numbers[leaf] for leaf in texts])
        places = np.array([(day - first).days for day in dates])

        def spread(name: str, at: tuple[npt.NDArray[np.int64], ...], frame: pd.DataFrame) -> Floats:
            matrix = np.zeros((len(leaves), len(days)))  # noqa: B023 - called in this round only
            np.add.at(matrix, at, frame[name].to_numpy(float))
            return matrix

        at = (rows, places)
        seen = np.array(
            [(journey, stage, day) not in blind and (journey, following, day) not in blind for day in days]
        )
        made.append(
            TransitionCube(
                journey,
                persona,
                stage,
                following,
                days,
                columns,
                leaves,
                spread("matured", at, group),
                spread("matured_advanced", at, group),
                spread("matured_converted", at, group),
                spread("matured_value", at, group),
                seen,
            )
        )
    return made


def _text(value: object) -> str | None:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return None
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)
