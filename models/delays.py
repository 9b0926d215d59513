"""How long people take from a stage to the next: discrete-time Kaplan-Meier on cohorts by age."""

from __future__ import annotations

import numpy as np

from models.slices import Bools, Floats, LeafValues

LEAF_PRIOR = 200.0  # arrivals that the whole's delays are worth beside those of one segment value
SWEEPS = 3


def delay_shares(trials: Floats, arrivals: Floats, seen: Bools) -> Floats:
    """Share of all arrivals that come at each age, shape (ages,), summing to 1.

    ``trials`` (leaves, days), ``arrivals`` and ``seen`` (leaves, days, ages). The hazard at an age is
    the arrivals among those still at risk, over cohorts whose ages up to it were all seen; what comes
    later is censored, not lost (Kaplan & Meier 1958). With nothing seen, everyone comes at once.
    """
    through = np.logical_and.accumulate(seen, axis=2)
    came = np.where(through, arrivals, 0)
    before = np.cumsum(came, axis=2) - came
    at_risk = np.where(through, np.maximum(trials[:, :, None] - before, 0), 0).sum(axis=(0, 1))
    hazard = np.divide(came.sum(axis=(0, 1)), at_risk, out=np.zeros(len(at_risk)), where=at_risk > 0)
    hazard = np.clip(hazard, 0, 1)
    survival = np.concatenate([[1.0], np.cumprod(1 - hazard)[:-1]])
    density = survival * hazard
    if density.sum() <= 0:
        return np.asarray(np.eye(len(density))[0])
    return np.asarray(density / density.sum())


def shares_by_leaf(
    columns: tuple[str, ...], leaf_values: LeafValues, trials: Floats, arrivals: Floats, seen: Bools
) -> Floats:
    """Delay shares of each leaf, (leaves, ages): the whole's, times what its segment values do to it.

    The factors of a value are fitted one column after the other to what is left unexplained
    (iterative proportional fitting) and shrunk toward 1.
    """
    whole = delay_shares(trials, arrivals, seen)
    shares = np.tile(whole, (len(leaf_values), 1))
    came = np.where(seen, arrivals, 0)
    counted = came.sum(axis=1)
    # how many cohort days of a leaf could show each age, as a share of its arrivals
    could = np.einsum("ld,lda->la", trials, seen) / np.maximum(trials.sum(axis=1), 1e-9)[:, None]
    belongs = [
        np.array([[leaf[index] == value for leaf in leaf_values] for value in values], dtype=float)
        for index in range(len(columns))
        for values in [sorted({leaf[index] for leaf in leaf_values}, key=str)]
    ]
    totals = counted.sum(axis=1, keepdims=True)
    for _ in range(SWEEPS):
        for member in belongs:  # (values, leaves) of one column
            weight = shares * could
            expected = member @ (weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-9) * totals)
            factor = (member @ counted + LEAF_PRIOR * whole) / (expected + LEAF_PRIOR * whole + 1e-12)
            shares *= member.T @ factor
            shares /= shares.sum(axis=1, keepdims=True)
    return shares
