"""The benchmark of detection: its worlds do what their truth says, its scores count what they name."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from detection.claims import Claim
from detection.confounders import disturb
from detection.grid import (
    AGES,
    BASE_RATES,
    CONFOUNDERS,
    DAYS,
    DEPTHS,
    DROPS,
    FIRST_DAY,
    KINDS,
    LATE_SHARE,
    ONSETS,
    REPORTING_SEEDS,
    SCORED_NIGHTS,
    TUNING_SEEDS,
)
from detection.naive import TwoProportion, TwoProportionTwoWay
from detection.oracle import SURE, ceiling_of, oracle_z
from detection.people import by_calendar_day, draw_people
from detection.plants import Plant, draw_plants
from detection.rates import draw_rates
from detection.riskloc import Case, judge, largest_z
from detection.scoring import run, score
from detection.segments import LEAF_VALUES, draw_shares, mask_of
from detection.summary import f1, oracle_recall, summarise
from detection.world import World, make_world

LAST = DAYS - 1
MOBILE_PAID = (("device", "mobile"), ("channel", "paid"))
RUN = Path(__file__).parent / "detection" / "run.py"


@pytest.fixture(scope="module")
def calm() -> World:
    return make_world("null", 20_000, 1900)


@pytest.fixture(scope="module")
def pained(calm: World) -> World:
    """A calm world with a drop of 40 % written into its truth and its rates, not into its counts."""
    plant = Plant(1, MOBILE_PAID, "drop", 0.4, 60)
    rate = calm.rates.rate.copy()
    drop = plant.strength(range(DAYS))
    rate[1, plant.mask] *= 1 - drop
    return replace(calm, truth=(plant,), rates=replace(calm.rates, rate=rate, drops=drop[None]))


def claim(conditions: tuple[tuple[str, str], ...], **changes: object) -> Claim:
    told = Claim(1, conditions, "regression", None, None, None, None, str(conditions))
    return replace(told, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["drop", "slow"])
def test_a_plant_changes_exactly_its_leaves_from_its_onset_by_its_factor(kind: str) -> None:
    days = range(DAYS)
    plant = Plant(2, MOBILE_PAID, kind, 0.2, 60, end=75, ramp_days=4)
    shares = draw_shares(np.random.default_rng(3))
    none = np.zeros((len(BASE_RATES), len(LEAF_VALUES), DAYS))
    without = draw_rates(np.random.default_rng(4), shares, none, [], days)
    planted = draw_rates(np.random.default_rng(4), shares, none, [plant], days)
    factor = np.ones_like(none)
    factor[2, plant.mask, 60:75] = 1 - np.array([0.05, 0.10, 0.15] + [0.2] * 12)
    same_day = planted.delays[..., 0] / without.delays[..., 0]
    fell, stayed = (
        (same_day, planted.rate / without.rate)
        if kind == "slow"
        else (
            planted.rate / without.rate,
            same_day,
        )
    )
    np.testing.assert_allclose(fell, factor, rtol=1e-12)
    np.testing.assert_allclose(stayed, 1.0, rtol=1e-12)
    np.testing.assert_allclose(planted.delays.sum(axis=-1), 1.0, rtol=1e-12)


def test_the_counts_of_a_world_show_its_plants() -> None:
    shown = []
    for seed in range(1800, 1807):
        world = make_world("pain", 80_000, seed)
        for plant in (each for each in world.truth if each.kind == "drop"):
            t, mask, after = plant.transition, plant.mask, slice(plant.onset, DAYS)
            rate = world.rates.rate[t, mask, after]
            expected = (world.trials[t, mask, after] * rate).sum()
            without = (world.trials[t, mask, after] * rate / (1 - plant.drop)).sum()
            arrived = world.arrivals[t, mask, after].sum()
            shown.append((arrived - expected) / np.sqrt(expected))
            assert np.isclose(without * (1 - plant.drop), expected)
    assert len(shown) > 7
    assert np.abs(shown).max() < 4
    assert abs(np.mean(shown)) < 1


def test_whoever_arrives_is_a_trial_of_the_next_transition_on_that_day(calm: World) -> None:
    for t in range(len(BASE_RATES) - 1):
        arrived = by_calendar_day(calm.arrivals[t])
        np.testing.assert_array_equal(arrived[:, AGES:], calm.trials[t + 1][:, AGES:])
    assert (calm.converted <= calm.arrivals.sum(axis=-1)).all()
    rates = calm.arrivals.sum(axis=(1, 2, 3)) / calm.trials.sum(axis=(1, 2))
    np.testing.assert_allclose(rates, BASE_RATES, rtol=0.12)


def test_every_conversion_belongs_to_one_cohort_of_every_transition(calm: World) -> None:
    goals = calm.converted.sum(axis=(1, 2))
    # cohorts of the first and last days differ by those under way
    np.testing.assert_allclose(goals, goals[-1], rtol=0.03)


def test_late_rows_are_missing_on_their_first_night_only(calm: World) -> None:
    tonight, tomorrow, later = (calm.view(night) for night in (50, 51, 58))
    for first, whole in (
        (tonight.trials[:, :, 50], tomorrow.trials[:, :, 50]),
        (tonight.stage_events[:, :, 50], tomorrow.stage_events[:, :, 50]),
    ):
        assert (first <= whole).all()
        assert first.sum() / whole.sum() == pytest.approx(1 - LATE_SHARE, abs=0.01)
    np.testing.assert_array_equal(tomorrow.trials[:, :, 50], later.trials[:, :, 50])
    assert (tonight.arrivals <= later.arrivals[:, :, :51]).all()
    np.testing.assert_array_equal(tomorrow.arrivals[:, :, 50, 0], later.arrivals[:, :, 50, 0])
    yesterday = tonight.arrivals[:, :, 49, 1].sum() / later.arrivals[:, :, 49, 1].sum()
    assert yesterday == pytest.approx(1 - LATE_SHARE, abs=0.03)


def test_a_night_knows_nothing_of_what_comes_after(calm: World) -> None:
    night = 60
    view = calm.view(night)
    seen_on = np.arange(night + 1)[:, None] + np.arange(AGES)
    assert view.arrivals.shape[2] == len(view.days) == night + 1
    assert view.days[-1] == FIRST_DAY + timedelta(days=night)
    assert (view.arrivals[:, :, seen_on > night] == 0).all()
    assert (view.converted <= view.arrivals.sum(axis=-1)).all()
    later = calm.view(night + 1).converted[:, :, : night + 1]
    assert (view.converted <= later).all()
    assert view.converted.sum() < later.sum()
    # another future makes the same night
    other = {
        name: getattr(calm, name).copy()
        for name in ("trials", "arrivals", "stage_events", "first_trials", "first_arrivals", "beyond")
    }
    for each in other.values():
        each[:, :, night + 1 :] += 7
    other["arrivals"][:, :, seen_on.shape[0] - 1, 1:] += 7
    again = replace(calm, **other).view(night)
    for name in ("trials", "arrivals", "converted", "value", "reached_beyond", "stage_events"):
        np.testing.assert_array_equal(getattr(view, name), getattr(again, name))
    with pytest.raises(ValueError, match="night 84"):
        calm.view(DAYS)


def test_an_outage_hides_a_stage_but_not_those_who_come_to_the_stage_after() -> None:
    told = 0
    for seed in range(1900, 1906):
        world = make_world("outage", 20_000, seed)
        view = world.view(LAST)
        stages = Counter(each.stage for each in world.outages)
        for outage in world.outages:
            t, day, mask = outage.stage - 1, outage.days[0], outage.leaves
            assert (view.stage_events[outage.stage][mask, day] == 0).all()
            assert (view.arrivals[t][mask, day, 0] == 0).all()
            assert world.people[t][mask, day].sum() > 0
            if outage.stage == len(BASE_RATES) or len(stages) > 1:
                continue
            told += 1
            assert view.trials[t + 1][mask, day].sum() == 0
            usual = view.reached_beyond[t][mask, day - 7].sum()
            assert view.reached_beyond[t][mask, day].sum() > 5 * (usual + 1)
            if t + 2 < len(BASE_RATES):
                assert view.trials[t + 2][mask, day].sum() == world.people[t + 2][mask, day].sum()
        assert (view.reached_beyond[-1] == 0).all()
    assert told >= 3


def test_bots_come_and_never_convert() -> None:
    world = make_world("bots", 20_000, 1900)
    bots = world.trials[0] - world.people[0]
    assert bots.sum() > 200
    assert (world.converted[0] <= world.people[0]).all()
    assert world.converted[-1].sum() == pytest.approx(world.converted[0].sum(), rel=0.03)


@pytest.mark.parametrize("kind", KINDS)
def test_a_world_of_every_kind_has_the_truth_its_name_says(kind: str) -> None:
    world = make_world(kind, 4_000, 1901)
    is_painful = kind not in ("null", *CONFOUNDERS)
    assert bool(world.truth) == is_painful
    assert all(each.onset in ONSETS for each in world.truth)
    for plant in world.truth:
        lost = world.expected_loss(plant, LAST)
        assert lost == 0 if plant.kind == "slow" else lost > 0
        assert world.expected_loss(plant, LAST, exposed=False) >= lost
    if kind in ("two_pains_one_stage", "overlapping"):
        one, other = world.truth
        assert one.transition == other.transition
        assert bool((one.mask & other.mask).any()) == (kind == "overlapping")
    assert (world.trials >= 0).all()
    assert (world.arrivals >= 0).all()


def test_the_same_seed_makes_the_same_world_and_another_another() -> None:
    one, again, other = (make_world("overlapping", 4_000, seed) for seed in (1901, 1901, 1902))
    assert one.truth == again.truth
    np.testing.assert_array_equal(one.view(70).arrivals, again.view(70).arrivals)
    assert (one.trials != other.trials).any()


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no such kind: sales"):
        make_world("sales", 4_000, 1)
    with pytest.raises(ValueError, match="no such confounder"):
        disturb(np.random.default_rng(1), np.ones(180) / 180, "sales", range(DAYS), 4_000)


def test_plants_are_drawn_as_the_grid_says() -> None:
    rng = np.random.default_rng(5)
    shares = draw_shares(rng)
    plants = [each for _ in range(1500) for each in draw_plants(rng, shares, "pain")]
    drops, depths = Counter(each.drop for each in plants), Counter(len(each.conditions) for each in plants)
    assert [drops[each] / len(plants) for each in DROPS] == pytest.approx([0.2, 0.3, 0.3, 0.2], abs=0.03)
    assert [depths[each] / len(plants) for each in DEPTHS] == pytest.approx([0.15, 0.4, 0.35, 0.1], abs=0.03)
    assert sum(each.kind == "slow" for each in plants) / len(plants) == pytest.approx(0.15, abs=0.03)
    assert min(shares[each.mask].sum() for each in plants) >= 0.01
    assert not set(TUNING_SEEDS) & set(REPORTING_SEEDS)


def test_the_expected_loss_is_what_the_same_people_lose_on_average() -> None:
    world = next(
        each
        for each in (make_world("pain", 20_000, seed) for seed in range(1820, 1840))
        if each.truth[0].kind == "drop" and each.truth[0].drop == 0.4
    )
    plant = world.truth[0]
    t, rates = plant.transition, world.rates
    healed = rates.rate.copy()
    healed[t, plant.mask] /= 1 - rates.drops[0]
    many = world.people[0] * 40.0
    days = slice(plant.onset, DAYS)
    goals = []
    for rate in (healed, rates.rate):
        drawn = draw_people(np.random.default_rng(6), many, rate, rates.delays)
        part = drawn.converted[t, plant.mask, days].sum() / drawn.trials[t, plant.mask, days].sum()
        goals.append(part * world.people[t, plant.mask, days].sum())
    lost = world.expected_loss(plant, LAST, exposed=False)
    assert goals[0] - goals[1] == pytest.approx(lost, rel=0.06)


def test_a_perfect_contender_scores_one_and_is_no_false_alarm(pained: World) -> None:
    plant = pained.truth[0]
    lost = pained.expected_loss(plant, LAST)
    right = claim(
        MOBILE_PAID[::-1],
        started_on=FIRST_DAY + timedelta(days=61),
        lost=1.1 * lost,
        lost_low=0.9 * lost,
        lost_high=1.3 * lost,
    )
    nights = [[right] if night >= 64 else [] for night in SCORED_NIGHTS]
    told = score(pained, nights)
    assert (told.hits, told.claims, told.plants, told.false_new) == (1, 1, 1, 0)
    assert f1([told]) == 1.0
    assert told.days == [4]
    assert told.onset_errors == [1]
    assert told.loss_errors == pytest.approx([0.1])
    assert told.covered == [True]
    assert told.localised == [1.0]
    assert told.kinds_right == 1


def test_only_the_same_leaves_of_the_same_transition_are_a_strict_match(pained: World) -> None:
    wider, crossing = (("device", "mobile"),), (("device", "mobile"), ("channel", "email"))
    elsewhere = claim(MOBILE_PAID, transition=3)
    told = score(pained, [[claim(wider), claim(crossing), elsewhere]] * 30)
    assert (told.hits, told.claims, told.found) == (0, 3, 0)
    # the wider one is about the plant, though not before its onset; the two others are not at all
    assert told.false_new == 3
    assert told.localised == [pytest.approx(2 * 10 / (60 + 10))]
    late = score(pained, [[]] * 10 + [[claim(wider)]] * 20)
    assert late.false_new == 0


def test_a_claim_made_twice_is_right_once(pained: World) -> None:
    twice = score(pained, [[]] * 29 + [[claim(MOBILE_PAID), claim(MOBILE_PAID, id="again")]])
    assert (twice.hits, twice.claims) == (1, 2)
    assert f1([twice]) == pytest.approx(2 / 3)


def test_a_false_finding_counts_once_however_long_it_stays(calm: World) -> None:
    stays = claim(MOBILE_PAID)
    assert score(calm, [[stays]] * 30).false_new == 1
    renamed = [[claim(MOBILE_PAID, id=str(night))] for night in range(30)]
    assert score(calm, renamed).false_new == 30
    notes = [[claim(MOBILE_PAID, kind="mix")]] * 30
    assert score(calm, notes).false_new == 0
    assert np.isnan(f1([score(calm, [[]] * 30)]))


def test_a_plant_that_is_over_is_neither_missed_nor_a_false_claim(pained: World) -> None:
    over = replace(pained.truth[0], end=70)
    rates = replace(pained.rates, drops=over.strength(range(DAYS))[None])
    world = replace(pained, truth=(over,), rates=rates)
    told = score(world, [[claim(MOBILE_PAID)] if night >= 62 else [] for night in SCORED_NIGHTS])
    assert (told.plants, told.claims, told.false_new) == (0, 0, 0)
    assert (told.planted, told.found, told.days) == (1, 1, [2])


def test_the_oracle_sees_most_plants_and_is_hardly_ever_sure_of_what_is_not_there(calm: World) -> None:
    scores = []
    for seed in range(1840, 1850):
        world = make_world("pain", 20_000, seed)
        ceiling = ceiling_of(world, [world.view(LAST)])
        told = score(world, [[]] * 30, ceiling)
        scores.append(told)
    assert 0.65 < oracle_recall(scores) < 1
    rng = np.random.default_rng(7)
    shares = draw_shares(rng)
    view = calm.view(LAST)
    chance = []
    for _ in range(60):
        for plant in draw_plants(rng, shares, "pain"):
            rates = replace(calm.rates, drops=np.zeros((1, DAYS)))
            chance.append(oracle_z(replace(calm, truth=(plant,), rates=rates), plant, view))
    assert max(chance) < SURE
    assert np.std(chance) == pytest.approx(1, abs=0.3)


def test_the_oracle_judges_a_slow_down_around_an_outage(calm: World) -> None:
    plant = Plant(1, (), "slow", 0.4, 60)
    dark = make_world("outage", 20_000, 1903)
    outage = replace(dark.outages[0], stage=2, days=range(65, 67), leaves=mask_of(()))
    arrivals = calm.arrivals.copy()
    arrivals[1][:, np.isin(np.arange(DAYS)[:, None] + np.arange(AGES), outage.days)] = 0
    rates = replace(calm.rates, drops=np.zeros((1, DAYS)))
    world = replace(calm, truth=(plant,), rates=rates, arrivals=arrivals, outages=(outage,))
    assert abs(oracle_z(world, plant, world.view(LAST))) < SURE
    slowed = arrivals.copy()
    moved = slowed[1][:, 60:, 0] // 4
    slowed[1][:, 60:, 0] -= moved
    slowed[1][:, 60:, 1] += moved
    assert oracle_z(replace(world, arrivals=slowed), plant, replace(world, arrivals=slowed).view(LAST)) > SURE


def test_usual_practice_floods_a_calm_month() -> None:
    """DETECTION.md: 16-65 new false findings in 30 calm nights one-way, hundreds two-way."""
    worlds = [make_world("null", 20_000, seed) for seed in range(1850, 1852)]
    makers = {"one": TwoProportion, "two": TwoProportionTwoWay}
    false = {"one": 0.0, "two": 0.0}
    for world in worlds:
        for each in run(makers, world):
            false[each.contender] += each.false_new / len(worlds)
    assert 10 < false["one"] < 100
    assert false["two"] > 1.5 * false["one"]


def test_standard_errors_shrink_with_the_number_of_worlds(pained: World) -> None:
    right = score(pained, [[]] * 29 + [[claim(MOBILE_PAID)]])
    wrong = score(pained, [[]] * 30)
    few, many = summarise([right, wrong] * 5), summarise([right, wrong] * 50)
    assert few["recall"].value == many["recall"].value == 0.5
    assert few["recall"].error == pytest.approx(0.5 / np.sqrt(10), rel=0.15)
    assert many["recall"].error == pytest.approx(0.5 / np.sqrt(100), rel=0.15)
    assert np.isnan(summarise([right])["recall"].error)


def test_the_runner_names_its_seeds_and_refuses_to_mix_them() -> None:
    command = [sys.executable, str(RUN), "--kinds", "pain", "--volume", "4k", "--contender", "daily_z"]
    done = subprocess.run([*command, "--seeds", "2", "--json"], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert told["seeds"] == "1000-1001 (tuning)"
    assert [(row["contender"], row["kind"], row["worlds"]) for row in told["rows"]] == [
        ("daily_z", "pain", 2)
    ]
    mixed = subprocess.run([*command, "--seeds", "1999-5000"], capture_output=True, text=True, check=False)
    assert mixed.returncode == 1
    assert "5000-5999 (reporting)" in mixed.stderr


def test_an_incident_is_localised_by_its_first_answer() -> None:
    leaves = tuple((a, b) for a in "xy" for b in "pq")
    trials = np.full((4, 6), 1000)
    failures = np.full((4, 6), 20)
    failures[:2, -1] = 300
    case = Case("made", ("one", "two"), leaves, trials, failures, ((("one", "x"),),))
    assert judge([case], largest_z).f1 == 1.0
    wrong = judge([case], lambda _: [(("one", "x"), ("two", "p"))])
    assert (wrong.hits, wrong.f1) == (0, 0.0)
    assert wrong.leaves == pytest.approx(2 / 3)
    assert judge([case, case], lambda _: []).f1 == 0.0
    assert mask_of((("one", "x"),), case.columns, leaves).tolist() == [True, True, False, False]
