"""Which segment explains a finding's fall best, asked again of the published counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb
import numpy as np

from models.detector import SEGMENT_DEPTH
from models.finding import Conditions
from models.localise import Support, likeliest_segments
from models.slices import LeafValues, slices_of
from pipelines.own_counts import counts_by_leaf, usual_by_leaf

USUAL_DAYS = timedelta(days=42)
PRIOR_ATTEMPTS = 20.0  # that the rate of the whole weighs in a leaf's own
MOST_SHOWN = 3


@dataclass(frozen=True)
class Cause:
    """A segment that could be the one; ``belief`` in [0, 1] beside all other segments.

    ``factor`` is how many times more often than usual people fail in it, against everyone outside it.
    """

    segment: str
    factor: float
    belief: float
    is_own: bool


def likely_causes(
    connection: duckdb.DuckDBPyConnection,
    row: Mapping[str, Any],
    conditions: Conditions,
    columns: Sequence[str],
) -> tuple[Cause, ...]:
    """The likeliest segments and the finding's own, the likeliest first.

    Only a fall from the past has days before it to compare with: of other kinds, and where the tables no
    longer have the columns, nothing is said. ``columns`` are the journey's segment columns.
    """
    began: date | None = row["started_on"]
    if row["kind"] != "regression" or began is None or not columns:
        return ()
    now = counts_by_leaf(connection, row["sql"], row["segment_filter"], columns)
    usual = usual_by_leaf(connection, row, columns, (began - USUAL_DAYS, began - timedelta(days=1)))
    if not now or not usual:
        return ()
    leaves: LeafValues = tuple(sorted(now, key=str))
    came, advanced = (np.array([now[leaf][place] for leaf in leaves], float) for place in (0, 1))
    before = np.array([usual.get(leaf, (0, 0)) for leaf in leaves], float)
    overall = sum(k for _, k in usual.values()) / max(sum(n for n, _ in usual.values()), 1)
    rate = (before[:, 1] + PRIOR_ATTEMPTS * overall) / (before[:, 0] + PRIOR_ATTEMPTS)
    slices = slices_of(tuple(columns), leaves, came, SEGMENT_DEPTH)
    ranked = likeliest_segments(slices, np.maximum(came - advanced, 0), came * (1 - rate))
    return _told(ranked, conditions)


def _told(ranked: Sequence[Support], conditions: Conditions) -> tuple[Cause, ...]:
    if not ranked:
        return ()
    weights = np.exp([each.log_likelihood - ranked[0].log_likelihood for each in ranked])
    causes = [
        Cause(each.slice.name, each.factor, float(weight), set(each.slice.conditions) == set(conditions))
        for each, weight in zip(ranked, weights / weights.sum(), strict=True)
    ]
    return tuple(causes[:MOST_SHOWN]) + tuple(each for each in causes[MOST_SHOWN:] if each.is_own)
