"""On which days a stage's events could be recorded, for whom: what the detector treats as censored."""

from __future__ import annotations

from datetime import date

import duckdb
import numpy as np

from models.cohort_table import Observed
from models.slices import Bools, LeafValues


def observed_days(connection: duckdb.DuckDBPyConnection) -> Observed:
    """A function from journey, stage, columns, leaves and days to the (leaves, days) mask of its events."""
    blind = connection.execute(
        "select j.journey, s.stage, b.day from intermediate.stage_days as b "
        "inner join config.journeys as j on b.journey_number = j.journey_number "
        "inner join config.stages as s on b.journey_number = s.journey_number "
        "and b.stage_number = s.stage_number where b.is_blind"
    ).fetchall()
    breaks = [(journey, stage, day, None, None) for journey, stage, day in blind]
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
