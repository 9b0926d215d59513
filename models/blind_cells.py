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
    people: Bools | None = None,
) -> tuple[Unseen, ...]:
    """Segments and days that cover exactly the cells of ``chosen`` that ``observed`` (leaves, days) lacks.

    Everyone (no conditions), else values of one segment, else leaf by leaf. Cells without ``people``
    (leaves, days) may be covered or not: no row of a query is in them.
    """
    told: list[Unseen] = []
    asked = chosen.leaves[:, None] & (np.ones_like(observed) if people is None else people)
    blind = ~observed & asked
    for place in np.flatnonzero(blind.any(axis=0)).tolist():
        told += [
            (conditions, days[place])
            for conditions in _named(blind[:, place], asked[:, place], columns, leaf_values)
        ]
    return tuple(told)


def _named(blind: Bools, asked: Bools, columns: tuple[str, ...], leaf_values: LeafValues) -> list[Conditions]:
    if (blind == asked).all():
        return [()]
    for index, column in enumerate(columns):
        values = {leaf[index] for leaf, is_blind in zip(leaf_values, blind, strict=True) if is_blind}
        covered = np.array([leaf[index] in values for leaf in leaf_values]) & asked
        if (covered == blind).all():
            return [((column, value),) for value in sorted(values, key=str)]
    return [
        tuple(zip(columns, leaf, strict=True))
        for leaf, is_blind in zip(leaf_values, blind, strict=True)
        if is_blind
    ]
