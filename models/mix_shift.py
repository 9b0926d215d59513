"""How much of a change of the whole's rate is a change of who comes (Kitagawa 1955)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.cohorts import CountCube
from models.reference import Reference
from models.slices import Bools, Condition

RECENT_DAYS = 14
LEAST_SHIFT = 0.02  # of the whole's rate
SURE = 4.0  # standard deviations of what chance does to the shares


@dataclass(frozen=True)
class MixShift:
    """The whole's ``rate`` moved by ``moved`` (relative, in rates of the past) because shares changed.

    ``condition`` is the segment value whose share did most of it: from ``share_before`` to ``share_now``.
    """

    rate: float
    moved: float
    condition: Condition
    share_before: float
    share_now: float


def mix_shift(cube: CountCube, reference: Reference, cells: Bools) -> MixShift | None:
    """The shift of the last two weeks against the reference's ``cells`` (leaves, days), None if immaterial.

    The mix's part of a difference of two rates is the sum over leaves of (share now - share before) times
    the leaf's rate; rates are the shrunk ones of the past, so that a pain point is no part of it.
    """
    before = np.where(cells, cube.trials, 0).sum(axis=1) / np.maximum(cells.sum(axis=1), 1)
    now = cube.trials[:, -RECENT_DAYS - 1 : -1].sum(axis=1)
    if before.sum() <= 0 or now.sum() <= 0 or not cube.columns:
        return None
    old, new = before / before.sum(), now / now.sum()
    rates = reference.rates[:, -1]
    usual = float(old @ rates)
    by_leaf = (new - old) * (rates - usual)
    moved = float(by_leaf.sum() / usual)
    chance = float(np.sqrt((old * (rates - usual) ** 2).sum() / now.sum()) / usual)
    if abs(moved) < LEAST_SHIFT or abs(moved) < SURE * chance:
        return None
    best: tuple[float, Condition, float, float] | None = None
    for index, column in enumerate(cube.columns):
        for value in {leaf[index] for leaf in cube.leaf_values}:
            rows = np.array([leaf[index] == value for leaf in cube.leaf_values])
            shares = float(old[rows].sum()), float(new[rows].sum())
            own = float(old[rows] @ rates[rows]) / shares[0] if shares[0] > 0 else usual
            part = (shares[1] - shares[0]) * (own - usual) * np.sign(moved)
            if best is None or part > best[0]:
                best = float(part), (column, value), *shares
    assert best is not None
    return MixShift(usual, moved, *best[1:])
