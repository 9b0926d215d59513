"""Days on which an event was not recorded: what intermediate.tracking_breaks tells the program.

The worlds of the benchmark have counts and no events, so here the mask is made from counts.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from models.slices import Bools, Floats, LeafValues

PAST_DAYS = 28
LEAST_PAST_DAYS = 7
GONE = 0.1  # of the usual events or less are left
SURE = 1e-5  # probability of so few events by chance


def recorded_days(events: Floats, columns: tuple[str, ...], leaf_values: LeafValues) -> Bools:
    """Which (leaves, days) had their events recorded, from the ``events`` (leaves, days) that arrived.

    A day is lost for a segment value (or everyone) when hardly anything is left of the usual count of
    the days before: less than chance (Poisson) allows, and less than any pain point takes away.
    """
    kept = np.ones(events.shape, dtype=np.bool_)
    groups = [np.ones(len(leaf_values), dtype=np.bool_)]
    for index in range(len(columns)):
        for value in sorted({leaf[index] for leaf in leaf_values}, key=str):
            groups.append(np.array([leaf[index] == value for leaf in leaf_values]))
    for group in groups:
        counts = events[group].sum(axis=0)
        lost = _lost_days(counts)
        kept[np.ix_(group, lost)] = False
    return kept


def _lost_days(counts: Floats) -> Bools:
    lost = np.zeros(len(counts), dtype=np.bool_)
    if len(counts) <= LEAST_PAST_DAYS:
        return lost
    padded = np.concatenate([np.full(PAST_DAYS, np.nan), counts])
    past = np.lib.stride_tricks.sliding_window_view(padded, PAST_DAYS)[LEAST_PAST_DAYS:-1]
    usual = np.nanmedian(past, axis=1)
    now = counts[LEAST_PAST_DAYS:]
    gone = now <= GONE * usual
    gone[gone] = stats.poisson.cdf(now[gone], usual[gone]) < SURE
    lost[LEAST_PAST_DAYS:] = gone
    return lost
