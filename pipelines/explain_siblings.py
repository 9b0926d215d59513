"""How a finding's segment compares with its siblings: the same transition, days and other conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from models.finding import Conditions
from pipelines.own_counts import counts_by_value
from pipelines.report_views import Rate

MOST_SIBLINGS = 8


@dataclass(frozen=True)
class Sibling:
    """One value of a segment column; ``rate`` in [0, 1] with its 90 % interval; None is an unknown value."""

    value: str | None
    attempts: int
    successes: int
    rate: float
    low: float
    high: float
    is_own: bool


@dataclass(frozen=True)
class SiblingTable:
    """The values of ``column``; ``is_inside`` when the finding sets no condition on it: it then splits
    the segment itself. ``left_out`` counts rarer values."""

    column: str
    is_inside: bool
    siblings: tuple[Sibling, ...]
    left_out: int


def sibling_tables(
    connection: duckdb.DuckDBPyConnection,
    row: dict[str, Any],
    conditions: Conditions,
    columns: Sequence[str],
) -> tuple[SiblingTable, ...]:
    """A table per segment column of the journey, those of the finding's own segment first."""
    own = dict(conditions)
    tables = []
    for column in sorted(columns, key=lambda each: each not in own):
        counts = counts_by_value(connection, row["sql"], row["segment_filter"], column)
        if not counts or (len(counts) == 1 and column not in own):
            continue
        shown = counts[:MOST_SIBLINGS]
        # the finding's own value is always among them, however rare
        shown += [each for each in counts[MOST_SIBLINGS:] if column in own and each[0] == own[column]]
        tables.append(
            SiblingTable(
                column,
                column not in own,
                tuple(_sibling(value, n, k, column in own and value == own[column]) for value, n, k in shown),
                len(counts) - len(shown),
            )
        )
    return tuple(tables)


def _sibling(value: str | None, attempts: int, successes: int, is_own: bool) -> Sibling:
    rate = Rate(successes, attempts)
    low, high = rate.interval()
    return Sibling(value, attempts, successes, rate.value, low, high, is_own)
