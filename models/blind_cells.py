"""The unseen cells of a slice told as segments and days, so that a query can leave the same ones out."""

from __future__ import annotations

from datetime import date

import numpy as np

from models.slices import Bools, Conditions, LeafValues, Slice

Unseen = tuple[Conditions, date]


def unseen_cells(
    observed: Bools,
    chosen: Slice,
    days: tuple[date, ...],
    columns: tuple[str, ...],
    leaf_values: LeafValues,
) -> tuple[Unseen, ...]:
    """Segments and days that cover exactly the cells of ``chosen`` that ``observed`` (leaves, days) lacks.

    Everyone (no conditions), else one segment value, else leaf by leaf.
    """
    told: list[Unseen] = []
    blind = ~observed & chosen.leaves[:, None]
    for place in np.flatnonzero(blind.any(axis=0)).tolist():
        told += [
            (conditions, days[place]) for conditions in _named(blind[:, place], chosen, columns, leaf_values)
        ]
    return tuple(told)


def _named(
    blind: Bools, chosen: Slice, columns: tuple[str, ...], leaf_values: LeafValues
) -> list[Conditions]:
    if (blind == chosen.leaves).all():
        return [()]
    for index, column in enumerate(columns):
        values = {leaf[index] for leaf, is_blind in zip(leaf_values, blind, strict=True) if is_blind}
        if len(values) == 1:
            (value,) = values
            covered = np.array([leaf[index] == value for leaf in leaf_values]) & chosen.leaves
            if (covered == blind).all():
                return [((column, value),)]
    return [
        tuple(zip(columns, leaf, strict=True))
        for leaf, is_blind in zip(leaf_values, blind, strict=True)
        if is_blind
    ]
