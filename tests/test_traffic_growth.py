"""Visitors who become more over weeks are customers: their falls are told, and days are judged for all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_scan import DAYS, LEAVES, bot_burst, found_in, made

from models.reference import make_reference, reference_cells
from models.slices import Bools
from models.standing import mature_cells
from models.traffic import foreign_traffic

FELL = 50


def returning(leaf: tuple[str, ...], day: int) -> float:
    """Mobile visitors by mail more than double over the nine weeks, as people do who come back."""
    return 1 + 1.4 * day / DAYS if leaf[::2] == ("mail", "mobile") else 1.0


def fall(leaf: tuple[str, ...], day: int) -> float:
    return 0.7 if leaf[::2] == ("mail", "mobile") and day >= FELL else 1.0


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_fall_among_people_who_grow_in_number_is_no_burst_of_programs(seed: int) -> None:
    cube = made(seed, volume=returning, rate=fall, attempts=150)
    cells = reference_cells(cube.trials.shape, cube.observed, [])
    assert cells is not None
    counts, slices = cube.counts(cube.delays(cells)), cube.slices(3)
    rates = make_reference(counts, slices, cells).rates
    masked, bursts = foreign_traffic(counts, lambda: rates, slices)
    assert (masked.sum(), bursts) == (0, ())
    assert found_in(cube) == [("regression", "channel=mail & device=mobile")]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_programs_are_seen_among_people_who_grow_in_number(seed: int) -> None:
    cube = made(
        seed,
        volume=lambda leaf, day: returning(leaf, day) * (3.0 if bot_burst(leaf, day) else 1.0),
        rate=lambda leaf, day: 1 / 3 if bot_burst(leaf, day) else 1.0,
    )
    assert found_in(cube) == []


def test_a_day_is_judged_for_most_people_or_for_nobody() -> None:
    cube = made(5)
    counts = cube.counts(np.tile([0.7, 0.2, 0.1], (len(LEAVES), 1)))
    settled = counts.share.copy()
    settled[:, :-3] = 1.0
    settled[0, -3], settled[1:, -3] = 1.0, 0.97  # one leaf is quicker than the others
    settled[3, -9] = 0.0  # not recorded for one
    settled[5, -5] = 0.99  # one is a little slower
    mature: Bools = mature_cells(replace(counts, share=settled))
    assert not mature[:, -3:].any(), "a day on which only one leaf is over is a day of nobody"
    assert mature[:, -4].all()
    assert mature[5, -5]
    assert mature[:, -9].tolist() == [place != 3 for place in range(len(LEAVES))]
    assert mature.any(axis=0).sum() == 28
