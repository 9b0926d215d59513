"""The statistics against other people's implementations and against brute force."""

from __future__ import annotations

import itertools
import math
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from models.durations import parse_duration, spoken
from models.evidence import benjamini_hochberg, lower_tail, signed_root_deviance
from models.fitness import path_fitness


@given(st.integers(1, 400), st.floats(0.01, 0.99), st.data())
def test_lower_tail_without_extra_variance_is_the_binomial(n: int, p: float, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    assert lower_tail(k, n, n * p, n * p * (1 - p)) == pytest.approx(stats.binom.cdf(k, n, p), rel=1e-9)


@given(st.integers(2, 300), st.floats(0.05, 0.95), st.floats(1.2, 20), st.data())
def test_lower_tail_with_extra_variance_is_the_beta_binomial_of_that_variance(
    n: int, p: float, inflation: float, data: st.DataObject
) -> None:
    k = data.draw(st.integers(0, n))
    inflation = min(inflation, 0.9 * n)
    if inflation <= 1.001:
        return
    variance = n * p * (1 - p) * inflation
    strength = (n - inflation) / (inflation - 1)  # from the variance of a beta-binomial
    oracle = stats.betabinom(n, p * strength, (1 - p) * strength)
    assert oracle.var() == pytest.approx(variance)
    assert lower_tail(k, n, n * p, variance) == pytest.approx(oracle.cdf(k), rel=1e-6, abs=1e-12)


def test_the_tail_is_exact_where_the_normal_is_far_off() -> None:
    # 1 of 1,000 where 10 were expected: the normal says 0.2 %, truth is 0.05 %
    exact = stats.binom.cdf(1, 1000, 0.01)
    assert lower_tail(1, 1000, 10, 1000 * 0.01 * 0.99) == pytest.approx(exact)
    assert abs(stats.norm.cdf((1 - 10) / math.sqrt(9.9)) / exact - 1) > 3


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60))
def test_benjamini_hochberg_equals_scipy(p_values: list[float]) -> None:
    ours = benjamini_hochberg(np.array(p_values))
    assert ours == pytest.approx(stats.false_discovery_control(p_values, method="bh"))


def test_signed_root_deviance_is_standard_normal_under_no_change() -> None:
    rng = np.random.default_rng(5)
    n, p = 2_000.0, 0.03
    k = rng.binomial(int(n), p, 20_000).astype(float)
    z = signed_root_deviance(k, np.full_like(k, n), np.full_like(k, n * p))
    assert abs(z.mean()) < 0.1
    assert z.std() == pytest.approx(1, abs=0.05)
    assert (np.sign(z) == np.sign(k - n * p)).all()


def brute_force_fitness(path: tuple[int, ...], required: list[int], optional: list[int], goal: int) -> float:
    """The definition: the cheapest edit over every sequence of stages that the ideal allows."""
    due = [stage for stage in required if goal in path or stage <= max(path)]

    @cache
    def edits(i: int, j: int, ideal: tuple[int, ...]) -> int:
        if i == 0 or j == 0:
            return i + j
        best = 1 + min(edits(i - 1, j, ideal), edits(i, j - 1, ideal))
        return min(best, edits(i - 1, j - 1, ideal)) if path[i - 1] == ideal[j - 1] else best

    costs = []
    for size in range(len(optional) + 1):
        for chosen in itertools.combinations(optional, size):
            ideal = tuple(sorted([*due, *chosen]))
            costs.append(edits(len(path), len(ideal), ideal))
    return 1 - min(costs) / (len(path) + len(due))


@settings(max_examples=60)
@given(
    st.integers(3, 7).flatmap(
        lambda top: st.tuples(
            st.just(top),
            st.lists(st.lists(st.integers(1, top), min_size=1, max_size=8), min_size=1, max_size=8),
            st.sets(st.integers(2, top - 1), max_size=3),
            st.sets(st.integers(2, top - 1), max_size=1),
        )
    )
)
def test_fitness_equals_the_brute_force_over_all_allowed_paths(
    world: tuple[int, list[list[int]], set[int], set[int]],
) -> None:
    top, paths, optional_stages, without = world
    optional = sorted(optional_stages - without)
    required = [s for s in range(1, top + 1) if s not in optional_stages and s not in without]
    ours = path_fitness(paths, required, optional, required[-1])
    oracle = [brute_force_fitness(tuple(path), required, optional, required[-1]) for path in paths]
    assert ours == pytest.approx(oracle)
    assert ((ours >= 0) & (ours <= 1)).all()


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1.5h", 5400), ("7d", 604800), ("2w", 1209600)]
)
def test_durations_as_people_write_them(text: str, seconds: int) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "7 days", "-1d", "0d", 7, None])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="no duration"):
        parse_duration(text)


def test_spoken_durations() -> None:
    assert [spoken(s) for s in (45, 600, 9000, 260_000)] == ["45 s", "10 min", "2.5 h", "3.0 days"]
