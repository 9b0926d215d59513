"""Friction: rage clicks, u-turns and bad scores that rise at a stage, found where they were planted."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from conftest import CRM_CONFIG, Painpoints, make_workspace
from detection.ours import remembered
from test_terminal import SCHEMAS

from connectors.shop_hotjar import RECORDINGS_HEADER
from models.cohorts import CohortCube
from models.consequences import falls_beside
from models.detector import DetectorSettings, Judgement, find_pain_points, scans_of_night
from models.finding import Finding
from models.friction_table import followers, friction_cubes
from models.headline import headline
from models.journey_file import parse_journey
from models.lifecycle import continue_findings, open_findings, silent
from models.pain_point import PainPoint
from pipelines.engine_settings import EngineSettings
from pipelines.sql_models import make_model, read_models
from pipelines.warehouse import open_warehouse

FIRST = date(2026, 1, 5)
DAYS = 70
ROSE = 55
Rate = Callable[[str, int], float]


def frame_of(seed: int, rate: Rate, a_day: float = 60.0, answers: Rate | None = None) -> pd.DataFrame:
    """Rows as marts.stage_friction has them: a checkout's recordings by device and country."""
    rng = np.random.default_rng(seed)
    rows = []
    for day in range(DAYS):
        for device in ("mobile", "desktop"):
            for country in ("Spain", "Italy"):
                n = int(rng.poisson(a_day))
                rage, turns = rng.binomial(n, rate(device, day)), rng.binomial(n, 0.08)
                scores = int(rng.poisson(6)) if answers else 0
                bad = rng.binomial(scores, answers(device, day)) if answers else 0
                at = FIRST + timedelta(days=day)
                rows.append((at, device, "iOS", None, country, n, rage, turns, scores, bad))
    counts = ["recordings", "recordings_with_rage", "recordings_with_u_turns", "answers", "bad_answers"]
    columns = ["day", "device", "os", "browser", "country", *counts]
    return pd.DataFrame(rows, columns=columns).assign(journey="shop", stage="checkout")


def cubes_of(frame: pd.DataFrame) -> list[CohortCube]:
    last = {"shop": FIRST + timedelta(days=DAYS - 1)}
    segments = {"shop": ("device", "channel", "country")}
    return friction_cubes(frame, segments, {("shop", "checkout"): "pay"}, last)


def judge(frame: pd.DataFrame) -> Judgement:
    return find_pain_points([], {}, [], DetectorSettings(), friction=cubes_of(frame))


def calm(device: str, day: int) -> float:
    return 0.06 if device == "mobile" else 0.03


def risen(device: str, day: int) -> float:
    return 0.16 if device == "mobile" and day >= ROSE else calm(device, day)


@pytest.mark.parametrize("seed", range(4))
def test_a_rise_of_rage_clicks_is_found_on_its_device_at_its_stage_and_day(seed: int) -> None:
    frame = frame_of(seed, risen)
    (found,) = judge(frame).findings
    assert (found.kind, found.measure) == ("friction", "recordings_with_rage")
    assert found.transition == ("shop", "default", "checkout", "pay")
    assert found.segment == "device=mobile"
    assert found.started_on is not None
    assert abs((found.started_on - (FIRST + timedelta(days=ROSE))).days) <= 3
    assert found.expected == pytest.approx(0.06, abs=0.015)
    # the newest day still fills up
    until = FIRST + timedelta(days=DAYS - 2)
    own = frame[(frame.device == "mobile") & (frame.day >= found.started_on) & (frame.day <= until)]
    assert (found.attempts, found.successes) == (own.recordings.sum(), own.recordings_with_rage.sum())
    said = headline(found, "Checkout", "EUR")
    assert said.startswith("checkout for mobile: 1")
    assert "of recordings show rage clicks instead of" in said
    assert said.endswith("; owner: Checkout")


def test_bad_scores_that_rise_are_friction_too() -> None:
    def worse(device: str, day: int) -> float:
        return 0.75 if day >= ROSE else 0.3

    (found,) = judge(frame_of(5, calm, answers=worse)).findings
    assert (found.measure, found.segment) == ("bad_answers", "all")
    assert found.attempts < frame_of(5, calm, answers=worse).answers.sum()


def test_what_rises_for_everybody_is_one_finding_for_all() -> None:
    def risen_for_all(device: str, day: int) -> float:
        return calm(device, day) * (3 if day >= ROSE else 1)

    (found,) = judge(frame_of(6, risen_for_all)).findings
    assert found.segment == "all"


def test_calm_recordings_have_no_finding_in_thirty_nights() -> None:
    told = []
    for seed in range(6):
        cubes = cubes_of(frame_of(100 + seed, calm, answers=lambda device, day: 0.3))
        for night in range(DAYS - 30, DAYS):
            seen = [cube.until(FIRST + timedelta(days=night)) for cube in cubes]
            told += find_pain_points([], {}, [], DetectorSettings(), friction=seen).findings
    assert told == []


def test_few_recordings_say_nothing_and_do_not_count_as_a_scan() -> None:
    def always(device: str, day: int) -> float:
        return 0.9 if day >= ROSE else 0.0

    few = cubes_of(frame_of(7, always, a_day=0.1))
    assert scans_of_night([], few) == 0
    assert judge(frame_of(7, always, a_day=0.1)).findings == ()
    assert scans_of_night([], cubes_of(frame_of(8, calm))) == 2


def live(frame: pd.DataFrame, nights: range) -> dict[int, list[PainPoint]]:
    standing: list[PainPoint] = []
    history = {}
    for place in nights:
        night = FIRST + timedelta(days=place)
        seen = [cube.until(night) for cube in cubes_of(frame)]
        earlier = open_findings(standing, night)
        judged = find_pain_points([], {}, earlier, DetectorSettings(), friction=seen)
        continued = continue_findings(judged.findings, standing, night)
        rest = silent(standing, continued, judged.explained, night)
        standing = [
            replace(
                remembered(each.finding, each.pain_point_id, each.status, each.first_seen, night),
                lost_conversions=None,
                lost_low=None,
                lost_high=None,
                lost_per_week=None,
            )
            for each in continued
        ] + rest
        history[place] = standing
    return history


def test_a_finding_keeps_its_id_and_is_resolved_when_the_rage_is_over() -> None:
    def for_a_while(device: str, day: int) -> float:
        return 0.25 if device == "mobile" and 48 <= day < 58 else calm(device, day)

    history = live(frame_of(9, for_a_while, a_day=120), range(50, DAYS))
    names = {each.pain_point_id for night in history.values() for each in night}
    assert len(names) == 1
    (last,) = history[DAYS - 1]
    assert last.status == "resolved"
    assert last.lost_low is None
    statuses = [night[0].status for night in history.values() if night]
    assert statuses[0] == "new"
    assert "ongoing" in statuses or "worsening" in statuses


def test_a_fall_of_the_same_people_at_the_stage_is_named_beside_the_friction() -> None:
    (friction,) = judge(frame_of(1, risen)).findings
    fall: Finding = replace(friction, kind="regression", measure=None, conditions=(("device", "mobile"),))
    others = replace(fall, conditions=(("device", "desktop"),))
    elsewhere = replace(fall, stage="discover", next_stage="consider")
    assert falls_beside(friction, [friction, fall, others, elsewhere]) == [fall]
    assert falls_beside(fall, [friction, fall]) == []


def test_every_stage_but_the_goal_has_a_next_required_one() -> None:
    stages = "\n".join(
        f"  - {{name: {name}, match: [{{event: {name}}}]{', optional: true' if name == 'wish' else ''}}}"
        for name in ("visit", "wish", "cart", "buy")
    )
    journey = parse_journey(f"journey: shop\nstages:\n{stages}\n")
    assert followers(journey) == {"visit": "cart", "wish": "cart", "cart": "buy"}


def test_scores_count_where_the_scale_is_known_and_belong_to_the_stage_of_their_page() -> None:
    with open_warehouse(None, EngineSettings()) as db:
        db.execute(
            "create table staging.recordings (source varchar, recorded_us bigint, exit_page varchar, "
            "device varchar, os varchar, browser varchar, country varchar, rage_clicks int, u_turns int)"
        )
        db.execute(
            "create table intermediate.page_stages as select 1 journey_number, '/pay' page, 2 stage_number"
        )
        db.execute("create table config.journeys as select 1 journey_number, 'shop' journey")
        db.execute("create table config.stages as select 1 journey_number, 2 stage_number, 'pay' stage")
        db.execute("create table config.settings as select 'UTC' timezone")
        db.execute(
            "create table marts.survey_answers as select 'hotjar' as source, timestamp '2026-03-02 10:00' "
            "as answered_at, page, 'mobile' as device, 'ES' as country, question_type, answer from (values "
            "('/pay', 'nps', '6'), ('/pay', 'nps', '7'), ('/pay', 'nps', ' 0 '), ('/pay', 'nps', '11'), "
            "('/pay', 'nps', 'bad'), ('/pay', 'rating-1-5', '2'), ('/pay', 'rating-1-5', '3'), "
            "('/pay', 'rating-1-5', '0'), ('/pay', 'rating-1-7', '1'), ('/pay', null, '1'), "
            "('/pay', 'long-text', '1'), ('/home', 'nps', '1')) as t (page, question_type, answer)"
        )
        (model,) = [each for each in read_models("marts") if each.name == "marts.stage_friction"]
        make_model(db, model)
        told = db.execute(
            "select stage, recordings, answers, bad_answers from marts.stage_friction"
        ).fetchall()
    assert told == [("pay", 0, 5, 3)]


def write_shop(folder: Path) -> list[dict[str, str]]:
    """A shop whose carts on mobile make people angry from day 36 on; returns the recordings."""
    rng = np.random.default_rng(4)
    lines = ["when,what,who,device,amount,page"]
    recordings = []
    for day in range(50):
        at = FIRST + timedelta(days=day)
        for number in range(30):
            who, device = f"u{day}-{number}", ("mobile" if number % 2 else "desktop")
            lines.append(f"{at} 10:{number:02d}:00,visit,{who},{device},,/home")
            if number % 10 < 7:
                lines.append(f"{at} 11:{number:02d}:00,cart,{who},{device},,/cart")
                if number % 3:
                    lines.append(f"{at} 11:{number:02d}:30,buy,{who},{device},25,/done")
        for number in range(80):
            mobile = number % 2 == 1
            rages = rng.random() < (0.3 if mobile and day >= 36 else 0.07)
            recordings.append(
                {
                    "Recording URL": f"https://insights.hotjar.com/r/{day}-{number}",
                    "Created": f"{at} 12:00:00",
                    "Device": "Mobile" if mobile else "Desktop",
                    "Exit Page URL": "https://shop.example/cart",
                    "Rage Clicks": "2" if rages else "0",
                    "U-Turns": "1" if rng.random() < 0.1 else "0",
                }
            )
    (folder / "exports" / "crm.csv").write_text("\n".join(lines) + "\n", "utf-8")
    with (folder / "exports" / "rec.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, RECORDINGS_HEADER, restval="N/A")
        writer.writeheader()
        writer.writerows(recordings)
    return recordings


@pytest.fixture(scope="module")
def angry(
    tmp_path_factory: pytest.TempPathFactory, painpoints: Painpoints
) -> tuple[Path, list[dict[str, str]], str]:
    config = CRM_CONFIG.replace('value = "amount"', 'value = "amount", page = "page"')
    config += '\n[sources.hotjar]\nrecordings = "exports/rec*.csv"\n\n[detection]\nreplay_nights = 2\n'
    folder = make_workspace(tmp_path_factory.mktemp("friction") / "shop", config=config, lines=[])
    recordings = write_shop(folder)
    done = painpoints("run", "--workspace", folder)
    assert done.code == 0, done.err
    return folder, recordings, done.out


def rows_of(folder: Path, painpoints: Painpoints) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(painpoints("list", "--workspace", folder, "--json").out)
    return rows


def test_the_program_finds_it_and_counts_what_the_export_says(
    angry: tuple[Path, list[dict[str, str]], str], painpoints: Painpoints
) -> None:
    folder, recordings, out = angry
    rows = rows_of(folder, painpoints)
    jsonschema.validate(rows, json.loads((SCHEMAS / "list.json").read_text("utf-8")))
    (row,) = [each for each in rows if each["kind"] == "friction"]
    assert row["headline"] in " ".join(out.split())
    assert (row["stage"], row["next_stage"], row["segment"]) == ("cart", "buy", "device=mobile")
    assert row["owner"] == "Product"
    assert [row[name] for name in row if name.startswith("lost_")] == [None] * 7
    assert abs((date.fromisoformat(row["started_on"]) - (FIRST + timedelta(days=36))).days) <= 3
    told = json.loads(row["evidence"])
    own = [
        each
        for each in recordings
        if each["Device"] == "Mobile" and told["first_day"] <= each["Created"][:10] <= told["last_day"]
    ]
    raging = sum(each["Rage Clicks"] != "0" for each in own)
    assert (row["attempts"], round(row["observed"] * row["attempts"])) == (len(own), raging)
    assert row["observed"] == pytest.approx(raging / len(own))


def test_explain_says_it_in_words_and_its_sql_gives_the_counts(
    angry: tuple[Path, list[dict[str, str]], str], painpoints: Painpoints
) -> None:
    folder = angry[0]
    (row,) = [each for each in rows_of(folder, painpoints) if each["kind"] == "friction"]
    done = painpoints("explain", row["pain_point_id"], "--workspace", folder)
    assert done.code == 0, done.err
    text = " ".join(done.out.split())
    assert f"{row['attempts']:,} recordings that ended at the stage show rage clicks" in text
    assert "no loss is put on it; a recording knows no attempt" in text
    assert "when it was judged" not in text, "the SQL gives what was judged"
    told = json.loads(painpoints("explain", row["pain_point_id"], "--workspace", folder, "--json").out)
    jsonschema.validate(told, json.loads((SCHEMAS / "explain.json").read_text("utf-8")))
    assert told["attempts"] == row["attempts"]
    (devices,) = [each for each in told["siblings"] if each["column"] == "device"]
    rates = {each["value"]: each["rate"] for each in devices["siblings"]}
    assert rates["mobile"] > 2 * rates["desktop"]
