"""The segment that explains one moment best, where not everybody in it is hit alike."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from models.localise import STRAY, likeliest_segments
from models.slices import SliceSet, slices_of

COLUMNS = ("cdn", "device", "rate")
LEAVES = tuple(product(("a", "b", "c"), ("phone", "desk", "tv"), ("high", "low")))
USUAL = 0.03


def all_slices(trials: np.ndarray) -> SliceSet:
    return slices_of(COLUMNS, LEAVES, trials, 3)


def hit(conditions: dict[str, str]) -> np.ndarray:
    return np.array(
        [all(dict(zip(COLUMNS, leaf, strict=True))[c] == v for c, v in conditions.items()) for leaf in LEAVES]
    )


@pytest.mark.parametrize(
    "cause",
    [
        {"rate": "low"},
        {"cdn": "b"},
        {"cdn": "a", "rate": "high"},
        {"cdn": "c", "device": "tv", "rate": "low"},
    ],
    ids=str,
)
def test_the_cause_is_named_though_its_leaves_are_hit_unlike_and_everyone_is_a_little(
    cause: dict[str, str],
) -> None:
    """With 200,000 attempts every part in which the cause bites a little harder is surer than the cause."""
    right = 0
    for seed in range(20):
        rng = np.random.default_rng([seed, len(cause)])
        trials = np.full(len(LEAVES), 200_000 // len(LEAVES), dtype=float)
        rate = USUAL * 1.2 * np.where(hit(cause), 4 * np.exp(rng.normal(0, 0.15, len(LEAVES))), 1)
        failures = rng.binomial(trials.astype(int), np.minimum(rate, 1)).astype(float)
        first = likeliest_segments(all_slices(trials), failures, trials * USUAL)[0]
        right += dict(first.slice.conditions) == cause
        if dict(first.slice.conditions) == cause:
            assert 2.5 < first.factor < 6
    assert right >= 18


def test_the_likelihood_is_that_of_a_negative_binomial() -> None:
    """As scipy has it, by the mean of each side and the stated spread, less the logarithm of its rivals."""
    rng = np.random.default_rng(4)
    trials = np.full(len(LEAVES), 500.0)
    expected = trials * USUAL
    failures = rng.poisson(expected * np.where(hit({"cdn": "b"}), 3, 1)).astype(float)
    slices = all_slices(trials)
    told = next(
        each
        for each in likeliest_segments(slices, failures, expected)
        if each.slice.conditions == (("cdn", "b"),)
    )
    inside, total = hit({"cdn": "b"}), 0.0
    for side in (inside, ~inside):
        factor = (failures[side].sum() + 1) / (expected[side].sum() + 1)
        shape = 1 / STRAY**2
        chance = shape / (shape + expected[side] * factor)
        total += stats.nbinom.logpmf(failures[side], shape, chance).sum()
    alike = sum(each.depth == 1 for each in slices.slices)
    assert told.log_likelihood == pytest.approx(total - np.log(alike))


def test_nobody_is_blamed_for_doing_better_than_the_others() -> None:
    trials = np.full(len(LEAVES), 1000.0)
    failures = np.where(hit({"device": "tv"}), 10.0, 60.0)
    told = likeliest_segments(all_slices(trials), failures, trials * USUAL)
    assert all(each.factor > 1 for each in told)
    assert (("device", "tv"),) not in [each.slice.conditions for each in told]
