"""From rows of marts.stage_cohorts to one cube per transition and persona."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from models.cohorts import CohortCube
from models.slices import Bools, LeafValues

Observed = Callable[[str, str, tuple[str, ...], LeafValues, tuple[date, ...]], Bools]

TURNS = ("looped", "skipped", "backtracked")


def cohort_cubes(
    frame: pd.DataFrame,
    segments: Mapping[str, tuple[str, ...]],
    last_days: Mapping[str, date],
    observed: Observed,
) -> list[CohortCube]:
    """The cubes of all transitions in ``frame``.

    ``frame`` has the columns of marts.stage_cohorts; ``segments`` names the segment columns of each
    journey and ``last_days`` the last whole day of its data, with which its cubes end. ``observed``
    (journey, stage b, columns, leaves, days) gives the (leaves, days) on which b could be recorded.
    """
    made = []
    for key, group in frame.groupby(["journey", "persona", "stage", "next_stage"], sort=True):
        journey, persona, stage, following = (str(part) for part in key)
        columns = tuple(segments[journey])
        dates = pd.to_datetime(group["reached_date"])
        first, last = dates.min(), pd.Timestamp(last_days[journey])
        group, dates = group[dates <= last], dates[dates <= last]
        if not len(group):
            continue
        days = tuple(each.date() for each in pd.date_range(first, last))
        texts = [segment_texts(group[column]) for column in columns]
        rows, leaves = leaves_of_rows(texts, len(group))
        places = (dates - first).dt.days.to_numpy()
        ages = group["age_days"].to_numpy(float, na_value=np.nan)
        came = ~np.isnan(ages)
        count = int(np.nanmax(ages)) + 1 if came.any() else 1
        shape = (len(leaves), len(days))
        arrivals = np.zeros((*shape, count))
        at = (rows[came], places[came], ages[came].astype(np.int64))
        np.add.at(arrivals, at, group["attempts"].to_numpy(float)[came])
        flat = {name: np.zeros(shape) for name in ("attempts", "converted", "value", "seconds", *TURNS)}
        for name, matrix in flat.items():
            if name not in group:
                continue
            np.add.at(matrix, (rows, places), group[name].to_numpy(float))
        made.append(
            CohortCube(
                journey,
                persona,
                stage,
                following,
                days,
                columns,
                leaves,
                flat["attempts"],
                arrivals,
                flat["converted"],
                flat["value"],
                observed(journey, following, columns, leaves, days),
                flat["seconds"] if "seconds" in group else None,
                {name: flat[name] for name in TURNS if name in group},
            )
        )
    return made


def leaves_of_rows(texts: list[np.ndarray], count: int) -> tuple[np.ndarray, LeafValues]:
    """The place of each row's leaf, and the leaves in order."""
    if not texts:
        return np.zeros(count, dtype=np.int64), ((),)
    keys = list(zip(*texts, strict=True))
    leaves = tuple(sorted(set(keys), key=str))
    numbers = {leaf: index for index, leaf in enumerate(leaves)}
    return np.array([numbers[key] for key in keys], dtype=np.int64), leaves


def segment_texts(column: pd.Series[Any]) -> np.ndarray:
    """A column's values as the text that segments know them by; None where nothing is known."""
    # of each value once; a mapped column would take on a type of pandas' choice, with another kind of NULL
    codes, values = pd.factorize(column, use_na_sentinel=False)
    return np.array([_text(value) for value in values], dtype=object)[codes]


def _text(value: object) -> str | None:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return None
    return str(value).lower() if isinstance(value, bool | np.bool_) else str(value)
