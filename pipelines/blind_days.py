"""On which days a stage's events could be recorded, for whom: what the detector treats as censored."""

from __future__ import annotations

from datetime import date

import duckdb
import numpy as np

from models.cohort_table import Observed
from models.slices import Bools, LeafValues


def observed_days(connection: duckdb.DuckDBPyConnection) -> Observed:
    """A function from journey, stage, columns, leaves and days to the (leaves, days) mask of its events.

    What was hidden of a segment value is hidden of its leaves only; of a column that the journey does not
    tell apart, of everybody.
    """
    breaks = connection.execute(
        "select journey, stage, day, segment_column, segment_value from intermediate.tracking_breaks"
    ).fetchall()
    by_stage: dict[tuple[str, str], list[tuple[date, str | None, str | None]]] = {}
    for journey, stage, day, column, value in breaks:
        by_stage.setdefault((journey, stage), []).append((day, column, value))

    def observed(
        journey: str, stage: str, columns: tuple[str, ...], leaves: LeafValues, days: tuple[date, ...]
    ) -> Bools:
        mask = np.ones((len(leaves), len(days)), dtype=np.bool_)
        for day, column, value in by_stage.get((journey, stage), ()):
            if not days or not days[0] <= day <= days[-1]:
                continue
            if column is None or column not in columns:
                mask[:, (day - days[0]).days] = False
                continue
            place = columns.index(column)
            hit = np.array([leaf[place] == value for leaf in leaves])
            mask[hit, (day - days[0]).days] = False
        return mask

    return observed
