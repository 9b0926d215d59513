"""What a finding's query leaves out is told in few conditions, and leaves out exactly that."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.blind_cells import unseen_cells
from models.slices import slice_of

COLUMNS = ("channel", "device")
LEAVES = tuple(product(("mail", "paid", "search"), ("desktop", "mobile", None)))
DAYS = tuple(date(2026, 3, 2) + timedelta(days=n) for n in range(4))
EVERYONE = slice_of(COLUMNS, LEAVES, ())


@given(st.integers(0, 10_000))
@settings(max_examples=80, deadline=None)
def test_every_cell_with_people_is_left_out_or_kept_as_it_should(seed: int) -> None:
    rng = np.random.default_rng(seed)
    observed = rng.random((len(LEAVES), len(DAYS))) > rng.choice([0.1, 0.5, 0.9])
    people = rng.random(observed.shape) > rng.choice([0.2, 0.7])
    chosen = slice_of(COLUMNS, LEAVES, (("channel", "paid"),) if seed % 2 else ())
    kept = np.ones_like(observed)
    for conditions, day in unseen_cells(observed, chosen, DAYS, COLUMNS, LEAVES, people):
        kept[slice_of(COLUMNS, LEAVES, conditions).leaves, DAYS.index(day)] = False
    asked = people & chosen.leaves[:, None]
    assert (kept[asked] == observed[asked]).all()


def test_a_day_that_nobody_was_seen_is_one_condition_however_few_came() -> None:
    observed = np.ones((len(LEAVES), len(DAYS)), dtype=bool)
    people = np.zeros_like(observed)
    people[[0, 4, 8], 1] = True
    observed[[0, 4, 8], 1] = False
    assert unseen_cells(observed, EVERYONE, DAYS, COLUMNS, LEAVES, people) == (((), DAYS[1]),)
    observed[:] = False
    people[:, 1] = False
    assert unseen_cells(observed, EVERYONE, DAYS, COLUMNS, LEAVES, people) == (), "nobody came at all"


def test_values_of_one_segment_are_one_condition_each() -> None:
    observed = np.ones((len(LEAVES), len(DAYS)), dtype=bool)
    observed[[leaf[1] != "desktop" for leaf in LEAVES], 2] = False
    told = unseen_cells(observed, EVERYONE, DAYS, COLUMNS, LEAVES)
    assert sorted(told, key=str) == [((("device", "mobile"),), DAYS[2]), ((("device", None),), DAYS[2])]
