"""Our statistics against statsmodels, which computes them from single people rather than from counts."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from statsmodels.duration.survfunc import SurvfuncRight
from statsmodels.genmod.families import Binomial
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from models.delays import delay_shares
from models.evidence import benjamini_hochberg, signed_root_deviance
from pipelines.report_views import Rate


def cohorts(seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Two leaves over 20 days, arrivals at ages 0 to 5; the newest days have not seen their later ages."""
    rng = np.random.default_rng(seed)
    leaves, days, ages = 2, 20, 6
    trials = rng.integers(5, 60, (leaves, days)).astype(float)
    arrivals = np.zeros((leaves, days, ages))
    seen = np.zeros((leaves, days, ages), dtype=bool)
    for day in range(days):
        seen[:, day, : min(ages, days - day)] = True
        for leaf in range(leaves):
            shares = [0.2, 0.1, 0.05, 0.05, 0.02, 0.01, 0.57]
            arrivals[leaf, day] = rng.multinomial(int(trials[leaf, day]), shares)[:-1]
    return trials, np.where(seen, arrivals, 0), seen


@pytest.mark.parametrize("seed", range(5))
def test_delays_of_cohorts_are_kaplan_meiers_of_their_people(seed: int) -> None:
    trials, arrivals, seen = cohorts(seed)
    times, came = [], []
    for leaf, day in np.ndindex(trials.shape):
        for age, count in enumerate(arrivals[leaf, day].astype(int)):
            times += [age] * count
            came += [1] * count
        waiting = int(trials[leaf, day] - arrivals[leaf, day].sum())
        # who has not come is known to have waited through the last age that could be seen
        times += [int(seen[leaf, day].sum()) - 1] * waiting
        came += [0] * waiting
    curve = SurvfuncRight(np.array(times), np.array(came))
    by_age = dict(zip(curve.surv_times.astype(int), 1 - curve.surv_prob, strict=True))
    reached = np.array([by_age[age] for age in range(arrivals.shape[2])])

    shares = delay_shares(trials, arrivals, seen)

    np.testing.assert_allclose(np.cumsum(shares), reached / reached[-1], rtol=1e-9)


def test_q_values_are_those_of_benjamini_and_hochberg() -> None:
    p_values = np.random.default_rng(3).beta(0.3, 2.0, 200)
    p_values[:5] = [0.0, 1.0, 0.5, 0.5, 1e-300]

    np.testing.assert_allclose(benjamini_hochberg(p_values), multipletests(p_values, method="fdr_bh")[1])


def test_the_signed_root_squares_to_the_binomial_deviance() -> None:
    rng = np.random.default_rng(5)
    trials = rng.integers(1, 500, 300).astype(float)
    successes = rng.binomial(trials.astype(int), 0.1).astype(float)
    successes[:10], successes[10:20] = 0, trials[10:20]
    expected = trials * rng.uniform(0.001, 0.999, 300)

    root = signed_root_deviance(successes, trials, expected)

    one_by_one = [
        Binomial().deviance(np.array([k / n]), np.array([e / n]), var_weights=np.array([n]))
        for k, n, e in zip(successes, trials, expected, strict=True)
    ]
    np.testing.assert_allclose(root**2, one_by_one, rtol=1e-6, atol=1e-9)
    assert (np.sign(root) == np.sign(successes - expected)).all()


def test_the_interval_of_a_rate_is_wilsons() -> None:
    for successes, trials in ((0, 5), (3, 5), (5, 5), (120, 1000), (1, 100_000)):
        low, high = proportion_confint(successes, trials, alpha=0.1, method="wilson")
        assert Rate(successes, trials).interval() == pytest.approx((low, high), abs=1e-12)
