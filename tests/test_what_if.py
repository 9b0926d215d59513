"""What-if: gains against brute force, Shapley shares against all orders, and the command on a real file."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import duckdb
import numpy as np
import numpy.typing as npt
import pytest
from conftest import Painpoints, make_workspace
from hypothesis import given
from hypothesis import strategies as st

from models.fix_effect import DayCounts
from models.shapley import shapley_shares
from models.what_if import Chain, OrderValue, Step, what_if
from pipelines import explore
from pipelines.what_if import WrongStage

DAYS = 28


def step(stage: str, following: str, n: int, k: int, converted: int, without: int = 0) -> Step:
    """A transition whose counts are spread evenly over 28 days."""

    def daily(total: int) -> npt.NDArray[np.int64]:
        return np.diff(np.linspace(0, total, DAYS + 1).round()).astype(np.int64)

    return Step(stage, following, DayCounts(daily(n), daily(k)), converted, without)


PLAIN = Chain(
    "default",
    (
        step("a", "b", 200_000, 80_000, 16_000),
        step("b", "c", 80_000, 40_000, 16_000),
        step("c", "d", 40_000, 16_000, 16_000),
    ),
)


@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.floats(-50, 50), min_size=2**n, max_size=2**n)))
def test_shapley_shares_are_the_mean_over_all_orders_and_add_up(values: list[float]) -> None:
    gains = np.array(values)
    gains[0] = 0
    players = len(gains).bit_length() - 1
    brute = np.zeros(players)
    orders = list(permutations(range(players)))
    for order in orders:
        joined = 0
        for player in order:
            brute[player] += gains[joined | 1 << player] - gains[joined]
            joined |= 1 << player
    shares = shapley_shares(gains)
    assert shares == pytest.approx(brute / len(orders), abs=1e-9)
    assert shares.sum() == pytest.approx(gains[-1], abs=1e-9)


def test_twelve_stages_are_shared_among_and_thirteen_refused() -> None:
    sizes = np.array([int(subset).bit_count() for subset in range(1 << 12)], dtype=float)
    assert shapley_shares(sizes) == pytest.approx(np.ones(12))
    with pytest.raises(ValueError, match="at most 12"):
        shapley_shares(np.zeros(1 << 13))
    with pytest.raises(ValueError, match="not those of all subsets"):
        shapley_shares(np.zeros(3))


def test_one_stage_gains_its_missing_arrivals_times_those_who_complete() -> None:
    found = what_if([PLAIN], {("default", "c"): 0.60}, OrderValue(50.0, 0.0))
    # .10 of the 80,000 at b arrive in addition, and .40 of those convert
    assert found.total.conversions == pytest.approx(0.10 * 80_000 * 0.40, rel=0.01)
    assert found.total.money == pytest.approx(50 * found.total.conversions)
    assert found.total.low < found.total.conversions < found.total.high
    assert found.shares["c"] == found.alone["c"] == found.total


def test_stages_together_gain_what_the_improved_chain_converts_more() -> None:
    targets = {("default", "b"): 0.5, ("default", "c"): 0.6, ("default", "d"): 0.5}
    found = what_if([PLAIN], targets, None)
    assert found.total.conversions == pytest.approx(200_000 * (0.5 * 0.6 * 0.5 - 0.4 * 0.5 * 0.4), rel=0.01)
    assert sum(each.conversions for each in found.shares.values()) == pytest.approx(found.total.conversions)
    # together they gain more than one by one: who comes further finds the next stage better as well
    assert sum(each.conversions for each in found.alone.values()) < found.total.conversions
    assert found.total.money is None


def test_who_skips_a_stage_is_no_gain_of_it() -> None:
    # a quarter of those who pass c by convert all the same
    chain = Chain(
        "default",
        (
            step("a", "b", 200_000, 80_000, 26_000),
            step("b", "c", 80_000, 40_000, 16_000, 10_000),
            PLAIN.steps[2],
        ),
    )
    gain = what_if([chain], {("default", "c"): 0.60}, None).total.conversions
    assert gain == pytest.approx(0.10 * 80_000 * (0.40 - 0.25), rel=0.02)


def test_a_target_that_is_met_gains_nothing_and_personas_add_up() -> None:
    assert what_if([PLAIN], {("default", "c"): 0.4}, None).total.conversions == 0
    other = Chain("mobile", PLAIN.steps)
    one = what_if([PLAIN], {("default", "c"): 0.6}, None).total.conversions
    both = what_if([PLAIN, other], {("default", "c"): 0.6, ("mobile", "c"): 0.6}, None)
    assert both.total.conversions == pytest.approx(2 * one, rel=0.01)
    assert list(both.shares) == ["c"]


def test_nine_of_ten_intervals_hold_the_gain_of_the_true_rates() -> None:
    chance = np.random.default_rng(21)
    rates, target, held, rounds = (0.4, 0.3, 0.5), 0.4, 0, 300
    truth = 28_000 * rates[0] * (target - rates[1]) * rates[2]
    for _ in range(rounds):
        n = np.full(DAYS, 1000, dtype=np.int64)
        steps = []
        for rate in rates:
            k = chance.binomial(n, rate).astype(np.int64)
            steps.append((n, k))
            n = k
        converted = int(steps[-1][1].sum())
        chain = Chain(
            "default",
            tuple(
                Step("abc"[place], "bcd"[place], DayCounts(n, k), converted, 0)
                for place, (n, k) in enumerate(steps)
            ),
        )
        gain = what_if([chain], {("default", "c"): target}, None, draws=300).total
        held += gain.low <= truth <= gain.high
    assert 0.85 <= held / rounds <= 0.97


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, painpoints: Painpoints) -> Path:
    folder = make_workspace(tmp_path_factory.mktemp("what_if") / "shop")
    assert painpoints("run", "--workspace", folder).code == 0
    return folder


def test_the_command_says_what_a_stage_would_bring_a_week(shop: Path, painpoints: Painpoints) -> None:
    done = painpoints("what-if", "--stage", "cart=0.5", "--stage", "buy=0.8", "--json", "--workspace", shop)
    assert done.code == 0, done.err
    (journey,) = json.loads(done.out)
    with duckdb.connect(str(shop / "painpoints.duckdb"), read_only=True) as db:
        attempts, days = db.execute(
            "select sum(matured), count(distinct entry_date) from marts.stage_funnel "
            "where stage = 'visit' and entry_date between ? and ?",
            [journey["first"], journey["last"]],
        ).fetchall()[0]
    # a third fill carts and a half of those buy
    expected = attempts * (0.5 * 0.8 - (1 / 3) * 0.5) / (days / 7)
    assert journey["total"]["conversions"] == pytest.approx(expected, rel=0.05)
    assert journey["total"]["money"] == pytest.approx(20.5 * journey["total"]["conversions"], rel=0.01)
    assert [stage["stage"] for stage in journey["stages"]] == ["cart", "buy"]
    assert sum(stage["share"]["money"] for stage in journey["stages"]) == pytest.approx(
        journey["total"]["money"]
    )
    said = painpoints("what-if", "--workspace", shop)
    assert "visit to cart: 33 % now, 50 % its ideal" in " ".join(said.out.split())
    assert "Assumes that added people" in said.out
    assert all(len(line.rstrip()) <= 80 for line in said.out.splitlines())


def test_notebooks_get_the_same_and_wrong_questions_are_told(shop: Path, painpoints: Painpoints) -> None:
    (gain,) = explore.what_if(shop, {"cart": 0.5})
    (printed,) = json.loads(painpoints("what-if", "--stage", "cart=0.5", "--json", "--workspace", shop).out)
    assert printed["total"]["conversions"] == gain.total.conversions, "the same question, the same answer"
    with pytest.raises(WrongStage, match="no required stage 'card'"):
        explore.what_if(shop, {"card": 0.5})
    with pytest.raises(WrongStage, match="between 0 and 1"):
        explore.what_if(shop, {"cart": 50})
    with pytest.raises(WrongStage, match="behind the entry"):
        explore.what_if(shop, {"visit": 0.5})
    assert painpoints("what-if", "--stage", "cart=half", "--workspace", shop).code == 2
