"""The event-level path of the benchmark: its shops hold what their names say, and its scores can fail."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
from detection.event_disturbance import disturb
from detection.event_plants import DROPS, EVENT_KINDS, LAST_DAY, ONSETS_AGO, draw_event_plants
from detection.event_run import judge
from detection.event_scoring import Told, false_findings, is_hit, score_events
from detection.event_world import EventWorld, write_world
from detection.summary import f1, new_false, summarise

from connectors.shop_plants import Plant
from connectors.shop_segments import leaves

DAYS, USERS = 40, 1_500
FIRST_DAY = LAST_DAY - timedelta(DAYS - 1)
ONSET = LAST_DAY - timedelta(20)
NIGHTS = [LAST_DAY - timedelta(29 - n) for n in range(30)]
RUN = Path(__file__).parent / "detection" / "event_run.py"
STALL = Plant(
    "purchase", "cart", "checkout", "channel=Paid Search & device=mobile", "regression", ONSET, -0.4, 0.9
)


def events(folder: Path) -> duckdb.DuckDBPyConnection:
    db = duckdb.connect()
    db.execute(
        "create table e as select event_date, event_name, device.category as device, user_pseudo_id as who, "
        "session_traffic_source_last_click.cross_channel_campaign.default_channel_group as channel "
        "from read_parquet(?)",
        [str(folder / "exports/ga4/*.parquet")],
    )
    return db


def small(folder: Path, kind: str, seed: int = 1900) -> EventWorld:
    folder.mkdir()
    return write_world(folder, kind, seed, days=DAYS, users=USERS)


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("events") / "null"
    small(folder, "null")
    return folder


def pain() -> EventWorld:
    nothing = disturb(np.random.default_rng(1), "null", DAYS, 100)
    return EventWorld("pain", 1, (STALL,), (100.0,), nothing)


def told(night: date, segment: str = STALL.segment, **changes: object) -> Told:
    conditions = tuple(tuple(part.split("=")) for part in segment.split(" & ")) if segment != "all" else ()
    made = Told(
        night, "pp-1", "regression", "purchase", "cart", "checkout", conditions,  # type: ignore[arg-type]
        ONSET, 110.0, 90.0, 130.0, "a sentence",
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def test_a_calm_shop_has_every_vendors_files_and_nothing_planted(calm: Path, tmp_path: Path) -> None:
    assert json.loads((calm / "truth.json").read_text("utf-8")) == []
    assert len(list((calm / "exports/ga4").iterdir())) == DAYS
    assert len(list((calm / "exports/mixpanel").iterdir())) == DAYS
    assert (calm / "exports/hotjar/recordings.csv").exists()
    again = tmp_path / "again"
    small(again, "null")
    names = [path.relative_to(calm) for path in calm.rglob("*") if path.is_file()]
    assert all((again / name).read_bytes() == (calm / name).read_bytes() for name in names)


def test_plants_fall_late_enough_to_have_a_past_and_differ_in_transition() -> None:
    drawn = [draw_event_plants(np.random.default_rng(seed), "pain") for seed in range(60)]
    assert {len(plants) for plants in drawn} == {1, 2, 3}
    for plants in drawn:
        assert len({(each.journey, each.stage) for each in plants}) == len(plants)
        for each in plants:
            assert each.started_on is not None
            assert (LAST_DAY - each.started_on).days in ONSETS_AGO
            assert -each.relative_change in DROPS
            assert 0 <= each.power <= 1
    powers = [(each.relative_change, each.power) for plants in drawn for each in plants]
    assert np.mean([p for drop, p in powers if drop == -0.4]) > np.mean(
        [p for drop, p in powers if drop == -0.2]
    )
    assert not any(
        draw_event_plants(np.random.default_rng(1), kind) for kind in EVENT_KINDS if kind != "pain"
    )


def test_a_plant_stops_people_of_its_segment_and_costs_what_is_expected(tmp_path: Path) -> None:
    seed = next(
        seed
        for seed in range(1900, 1990)
        if [(p.journey, p.relative_change) for p in _plants_of(seed)][:1] == [("purchase", -0.4)]
        and len(_plants_of(seed)) == 1
    )
    world = small(tmp_path / "w", "pain", seed)
    (plant,) = world.plants
    truth = json.loads((tmp_path / "w/truth.json").read_text("utf-8"))
    assert [(each["stage"], each["segment"], each["started_on"]) for each in truth] == [
        (plant.stage, plant.segment, str(plant.started_on))
    ]
    assert 0 < world.lost[0] < USERS / 5


def _plants_of(seed: int) -> list[Plant]:
    return draw_event_plants(np.random.default_rng([seed, 40]), "pain", days=DAYS, users=USERS)


def test_what_an_outage_hides_is_missing_on_its_days_for_its_device_only(tmp_path: Path) -> None:
    world = small(tmp_path / "w", "outage")
    assert world.disturbance.outages
    db = events(tmp_path / "w")
    for outage in world.disturbance.outages:
        days = [f"{FIRST_DAY + timedelta(n):%Y%m%d}" for n in outage.days]
        rows = db.execute(
            "select count(*) filter (where list_contains($days, event_date)), "
            "count(*) filter (where not list_contains($days, event_date)), "
            "from e where event_name = $event and ($device is null or device = $device)",
            {"days": days, "event": outage.event, "device": outage.device},
        ).fetchall()[0]
        assert rows[0] == 0
        assert rows[1] > 10
        # people came all the same
        assert (
            db.execute("select count(*) from e where list_contains(?, event_date)", [days]).fetchall()[0][0]
            > 50
        )


def test_programs_come_on_their_days_and_buy_nothing(tmp_path: Path, calm: Path) -> None:
    bots = small(tmp_path / "w", "bots").disturbance.bots
    assert bots is not None
    usual, crowded = events(calm), events(tmp_path / "w")
    count = "select count(distinct who) from e where event_name = 'view_item_list' and event_date = ?"
    for n in bots.days:
        day = [f"{FIRST_DAY + timedelta(n):%Y%m%d}"]
        more = crowded.execute(count, day).fetchall()[0][0] - usual.execute(count, day).fetchall()[0][0]
        assert more > 0.4 * bots.a_day
    buys = "select count(*) from e where event_name = 'purchase'"
    assert crowded.execute(buys).fetchall()[0][0] < 1.3 * usual.execute(buys).fetchall()[0][0]


def test_sales_holidays_and_mixes_move_what_they_say() -> None:
    for seed in range(30):
        sale, holiday, mix = (
            disturb(np.random.default_rng(seed), kind, 71, 1000) for kind in ("sale", "holiday", "mix")
        )
        on = sale.traffic > 1
        assert 5 <= on.sum() <= 8
        assert (sale.log_odds[on] > 0).all()
        assert (sale.log_odds[~on] == 0).all()
        assert 2 <= (holiday.traffic == 0.5).sum() <= 4
        np.testing.assert_allclose(mix.channels.sum(axis=1), 1)
        (poor,) = np.flatnonzero(mix.channel_log_odds.any(axis=1))
        # the channel grows, nobody else shrinks
        before, after = mix.channels[0] * mix.traffic[0], mix.channels[-1] * mix.traffic[-1]
        assert after[poor] > 1.4 * before[poor]
        np.testing.assert_allclose(np.delete(after, poor), np.delete(before, poor))
    with pytest.raises(ValueError, match="no such kind"):
        disturb(np.random.default_rng(1), "pains", 71, 1000)


def test_only_the_same_people_at_the_same_transition_are_a_strict_match() -> None:
    assert is_hit(told(LAST_DAY), STALL)
    assert is_hit(told(LAST_DAY, "device=mobile & channel=Paid Search"), STALL)
    assert not is_hit(told(LAST_DAY, "device=mobile"), STALL)
    assert not is_hit(told(LAST_DAY, stage="checkout", next_stage="pay"), STALL)
    assert not is_hit(told(LAST_DAY, "channel=Paid Search & device=telephone"), STALL)
    # what says the same of the same people is the same
    safari = replace(STALL, segment="browser=Safari & device=mobile")
    assert is_hit(told(LAST_DAY, "browser=Safari & os=iOS & device=mobile"), safari)


def test_a_perfect_month_scores_one_and_has_no_false_finding() -> None:
    nights = [told(night) for night in NIGHTS if night >= ONSET + timedelta(6)]
    score = score_events(pain(), nights, LAST_DAY, USERS)
    assert (score.hits, score.claims, score.plants, score.false_new) == (1, 1, 1, 0)
    assert score.days == [6]
    assert score.loss_errors == [pytest.approx(0.1)]
    assert score.covered == [True]
    assert score.onset_errors == [0]
    assert f1([score]) == 1.0
    assert summarise([score])["new_false"].value == 0


def test_a_finding_is_false_before_the_onset_elsewhere_or_of_others_and_counts_once() -> None:
    world = pain()
    assert [each.night for each in false_findings(world, [told(night) for night in NIGHTS])] == [NIGHTS[0]]
    wide = told(LAST_DAY, "device=mobile")
    assert false_findings(world, [wide]) == [], "a whole around the plant is imprecise, not false"
    assert leaves("purchase").inside("device=mobile").sum() > leaves("purchase").inside(STALL.segment).sum()
    others = [told(night, "channel=Email", id="pp-2") for night in NIGHTS]
    unknown = [told(night, "channel=Unassigned", id="pp-3") for night in NIGHTS[-2:]]
    score = score_events(world, [*others, *unknown], LAST_DAY, USERS)
    assert score.false_new == 2
    assert (score.hits, score.claims) == (0, 2)
    assert new_false([score]) == 2
    calm_world = replace(world, kind="null", plants=(), lost=())
    assert score_events(calm_world, [told(LAST_DAY)], LAST_DAY, USERS).false_new == 1


def test_the_runner_refuses_kinds_it_does_not_know() -> None:
    done = subprocess.run(
        [sys.executable, str(RUN), "--kinds", "pains"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "no such kind: pains" in done.stderr


@pytest.mark.slow
def test_the_whole_program_finds_a_stall_in_vendor_files_and_nothing_in_a_calm_shop(tmp_path: Path) -> None:
    for kind in ("null", "pain"):
        (tmp_path / kind).mkdir()
    calm_score, lines = judge(tmp_path / "null", "null", 1000)
    assert calm_score.false_new == 0, lines
    pained, lines = judge(tmp_path / "pain", "pain", 1000)
    assert (pained.hits, pained.plants, pained.false_new) == (1, 1, 0), lines
