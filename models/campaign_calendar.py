"""Campaign and holiday days by name: they are unlike the others, and nobody need be told so again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

import numpy as np

from models.slices import Bools, Conditions, LeafValues


@dataclass(frozen=True)
class NamedDays:
    """A campaign or holiday from ``first`` to ``last``, both included, for those who meet ``conditions``."""

    name: str
    first: date
    last: date
    conditions: Conditions = ()
    note: str | None = None


class Cohorts(Protocol):
    """What a mask of named days has to fit: days, segment columns and leaves."""

    @property
    def days(self) -> tuple[date, ...]: ...
    @property
    def columns(self) -> tuple[str, ...]: ...
    @property
    def leaf_values(self) -> LeafValues: ...


def named_cells(cube: Cohorts, calendar: Sequence[NamedDays]) -> Bools:
    """The cells (leaves, days) of a cube that lie in one of the named periods.

    A cell is a leaf and the day on which its people reached the stage: arrivals at the next stage that
    fall on a named day stay what they are. A condition on a column that the cube does not tell apart hides
    everybody: who of them was in the campaign cannot be known.
    """
    cells = np.zeros((len(cube.leaf_values), len(cube.days)), dtype=np.bool_)
    for each in calendar:
        on = np.array([each.first <= day <= each.last for day in cube.days], dtype=np.bool_)
        who = np.ones(len(cube.leaf_values), dtype=np.bool_)
        for column, value in each.conditions:
            if column in cube.columns:
                place = cube.columns.index(column)
                who &= np.array([leaf[place] == value for leaf in cube.leaf_values], dtype=np.bool_)
        cells |= who[:, None] & on[None, :]
    return cells


def days_left_out(
    calendar: Sequence[NamedDays], conditions: Conditions, first: date, last: date
) -> dict[str, int]:
    """Days from ``first`` to ``last`` that named periods took from a segment, by name.

    A period of other people (another value of one of the segment's columns) took none of its days.
    """
    asked = dict(conditions)
    left_out: dict[str, set[date]] = {}
    for each in calendar:
        if any(asked.get(column, value) != value for column, value in each.conditions):
            continue
        start, end = max(each.first, first), min(each.last, last)
        days = {start + timedelta(days=n) for n in range((end - start).days + 1)}
        if days:
            left_out.setdefault(each.name, set()).update(days)
    return {name: len(days) for name, days in left_out.items()}


def left_out_text(left_out: dict[str, int]) -> str:
    """For example "3 days of Black Friday and 1 day of Reyes left out"; empty where none is."""
    parts = [f"{count} day{'s' if count > 1 else ''} of {name}" for name, count in left_out.items()]
    return " and ".join(parts) + " left out" if parts else ""
