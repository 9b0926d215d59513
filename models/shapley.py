"""Who contributed what to a joint gain: exact Shapley shares over all subsets."""

from __future__ import annotations

from math import factorial

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
MOST_PLAYERS = 12


def shapley_shares(gains: Floats) -> Floats:
    """The share of each player, shape (players, ...); the shares add up to the gain of all together.

    ``gains`` has shape (2**players, ...): the gain of every subset, player i in it where bit i of the
    index is set; that of nobody is 0. A share is the player's mean marginal gain over all orders in which
    the players may come (Shapley 1953). Raises ValueError for a shape that is no power of two, and beyond
    12 players, whose subsets would be too many.
    """
    players = len(gains).bit_length() - 1
    if len(gains) != 1 << players or players > MOST_PLAYERS:
        raise ValueError(f"{len(gains)} gains are not those of all subsets of at most {MOST_PLAYERS} players")
    subsets = np.arange(len(gains))
    sizes = np.array([int(subset).bit_count() for subset in subsets])
    weights = np.array([factorial(s) * factorial(players - s - 1) for s in range(players)])
    shares = np.zeros((players, *gains.shape[1:]))
    for player in range(players):
        without = subsets[(subsets >> player & 1) == 0]
        weight = (weights[sizes[without]] / factorial(players)).reshape(-1, *[1] * (gains.ndim - 1))
        shares[player] = (weight * (gains[without | 1 << player] - gains[without])).sum(axis=0)
    return shares
