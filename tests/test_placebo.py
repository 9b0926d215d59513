"""The honesty gauge: groups of users by chance are blamed as often as chance blames, and shown so."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
from conftest import CRM_CONFIG, Painpoints, make_workspace
from test_cli import stalling_lines

from models.campaign_calendar import NamedDays
from models.cohorts import CohortCube
from models.detector_settings import DetectorSettings
from models.placebo import LEVEL, PLACEBO_GROUP, PlaceboCount, gauge
from pipelines import steps
from pipelines.night_summary import read_night, summary
from pipelines.placebo_nights import placebo_sentence
from pipelines.workspace import open_workspace

FIRST = date(2026, 1, 5)
DAYS, GROUPS = 84, 8
DELAYS = np.array([0.7, 0.15, 0.1, 0.05])


def chance_cube(seed: int, a_day: float = 2_000, drop: float = 0.0, base: float = 0.5) -> CohortCube:
    """A transition by random groups; days share shocks of 5 %, from day 65 everybody falls by ``drop``."""
    rng = np.random.default_rng(seed)
    shock = np.zeros(DAYS)
    for day in range(1, DAYS):
        shock[day] = 0.5 * shock[day - 1] + rng.normal(0, 0.05 * np.sqrt(0.75))
    rate = 1 / (1 + np.exp(-np.log(base / (1 - base)) - shock))
    rate[65:] *= 1 - drop
    trials = rng.poisson(a_day / GROUPS, (GROUPS, DAYS))
    came = rng.binomial(trials, np.broadcast_to(rate, trials.shape))
    arrivals = rng.multinomial(came.reshape(-1), DELAYS).reshape(GROUPS, DAYS, len(DELAYS))
    return CohortCube(
        "shop",
        "default",
        "cart",
        "pay",
        tuple(FIRST + timedelta(days=day) for day in range(DAYS)),
        (PLACEBO_GROUP,),
        tuple((str(group),) for group in range(GROUPS)),
        trials.astype(float),
        arrivals.astype(float),
        came * 0.5,
        came * 20.0,
        np.ones(trials.shape, dtype=np.bool_),
    )


def gauged(cubes: list[CohortCube], settings: DetectorSettings | None = None) -> PlaceboCount:
    """The gauge of one night in each of several worlds, summed."""
    counts = [gauge([cube], settings or DetectorSettings()) for cube in cubes]
    return PlaceboCount(
        sum(each.comparisons for each in counts),
        sum(each.looked_low for each in counts),
        sum(each.blamed for each in counts),
    )


@pytest.mark.parametrize("base", [0.5, 0.05, 0.95])
def test_where_nothing_is_wrong_groups_look_low_as_often_as_the_level_says(base: float) -> None:
    count = gauged([chance_cube(seed, base=base) for seed in range(150)])
    assert count.comparisons == 150 * GROUPS
    # three standard deviations of that many comparisons
    room = 3 * np.sqrt(LEVEL * (1 - LEVEL) / count.comparisons)
    assert count.looked_low / count.comparisons == pytest.approx(LEVEL, abs=room)
    assert count.blamed <= 2, "at a level of 0.001, 150 nights have more than 2 less than once in 1,000 times"


def test_a_fall_of_everybody_does_not_make_it_cry() -> None:
    count = gauged([chance_cube(seed, drop=0.3) for seed in range(100)])
    assert count.looked_low / count.comparisons == pytest.approx(LEVEL, abs=0.02)
    assert count.blamed <= 2


def test_a_group_that_really_differs_is_blamed() -> None:
    cube = chance_cube(1)
    worse = cube.arrivals.copy()
    worse[3, 65:] *= 0.6
    assert gauge([replace(cube, arrivals=worse)], DetectorSettings()).blamed == 1
    named = NamedDays("Sale", FIRST + timedelta(days=65), FIRST + timedelta(days=DAYS))
    quiet = gauge([replace(cube, arrivals=worse)], DetectorSettings(calendar=(named,)))
    assert quiet.blamed == 0, "named days are no evidence here either"


def test_with_too_little_history_or_too_few_people_nothing_is_compared() -> None:
    young = chance_cube(2).until(FIRST + timedelta(days=12))
    assert gauge([young], DetectorSettings()) == PlaceboCount(0, 0, 0)
    assert gauge([chance_cube(2, a_day=4)], DetectorSettings()).comparisons == 0


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, painpoints: Painpoints) -> Path:
    config = CRM_CONFIG + "\n[detection]\nreplay_nights = 3\n"
    folder = make_workspace(
        tmp_path_factory.mktemp("placebo") / "shop", lines=stalling_lines(), config=config
    )
    done = painpoints("run", "--workspace", folder)
    assert done.code == 0, done.err
    return folder


def published(folder: Path) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(str(folder / "painpoints.duckdb"), read_only=True)


def test_the_groups_hold_every_attempt_once_and_a_person_stays_in_one(shop: Path) -> None:
    with published(shop) as db:
        keys = "journey, persona, stage, next_stage, reached_date, age_days"
        sums = [
            db.execute(
                f"select {keys}, sum(attempts) from marts.{table} group by all order by all"
            ).fetchall()
            for table in ("stage_cohorts", "placebo_cohorts")
        ]
        groups = db.execute("select distinct placebo_group from marts.placebo_cohorts order by 1").fetchall()
        by_stage = db.execute(
            "select stage, placebo_group, sum(attempts) from marts.placebo_cohorts group by all"
        ).fetchall()
    assert sums[0] == sums[1]
    assert [group for (group,) in groups] == list(range(GROUPS))
    totals: Counter[str] = Counter()
    for stage, _, attempts in by_stage:
        totals[stage] += int(attempts)
    # 4,000 visitors in eight groups: 500 each, give or take four standard deviations of 21
    assert all(abs(n - totals[stage] / 8) < 5 * np.sqrt(totals[stage] / 8) for stage, _, n in by_stage)


def test_each_judged_night_is_gauged_once_and_a_real_fall_is_none_of_its_business(shop: Path) -> None:
    with published(shop) as db:
        nights = db.execute("select * from marts.placebo_nights order by night").fetchall()
        judged = db.execute("select distinct night from marts.pain_point_history order by 1").fetchall()
        assert db.execute("select count(*) from marts.pain_points").fetchall() != [(0,)]
    assert [night[:1] for night in nights] == judged
    assert len(nights) == 4
    for _, comparisons, _, by_chance, blamed, blamed_by_chance in nights:
        assert comparisons > 0
        assert by_chance == pytest.approx(comparisons * LEVEL)
        assert (blamed, blamed_by_chance) == (0, DetectorSettings().alpha)
    # a night that is judged again takes its own place
    steps.detect(open_workspace(shop))
    with published(shop) as db:
        assert db.execute("select * from marts.placebo_nights order by night").fetchall() == nights


def test_list_report_and_summary_say_it(shop: Path, painpoints: Painpoints) -> None:
    with published(shop) as db:
        sentence = placebo_sentence(db)
    assert sentence is not None
    assert "in 4 nights random groups of users were blamed on 0 (chance: at most 0.1)" in sentence
    assert "doubt" not in sentence
    assert sentence in " ".join(painpoints("list", "--workspace", shop).out.split())
    assert sentence[1:] in (shop / "reports" / "journey-map.html").read_text("utf-8")
    told = summary(read_night(shop / "painpoints.duckdb"), shop / "reports" / "journey-map.html")
    assert "Honesty gauge: in 4 nights" in told


def test_far_more_than_chance_is_said_as_a_warning_and_nothing_of_nights_before_the_gauge() -> None:
    with duckdb.connect() as db:
        assert placebo_sentence(db) is None
        db.execute("create schema marts")
        db.execute(
            "create table marts.placebo_nights (night date, comparisons bigint, looked_low bigint, "
            "looked_low_by_chance double, blamed bigint, blamed_by_chance double)"
        )
        assert placebo_sentence(db) is None
        db.execute("insert into marts.placebo_nights values ('2026-03-01', 80, 30, 4.0, 3, 0.002)")
        sentence = placebo_sentence(db)
        assert sentence is not None
        assert "in 1 night random groups of users were blamed on 1" in sentence
        assert sentence.endswith("take weak findings with doubt")
