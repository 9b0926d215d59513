"""Campaign and holiday days that the config names: neither judged nor part of the past, and told."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
from conftest import CRM_CONFIG, make_workspace, run_steps
from detection.claims import Claim
from detection.ours import Ours
from detection.world import World, make_world
from test_cli import stalling_lines
from test_detector import DAYS, FIRST, made_cube

from models.campaign_calendar import NamedDays, days_left_out, left_out_text, named_cells
from models.cohorts import CohortCube
from models.detector import DetectorSettings, Judgement, find_pain_points
from pipelines.errors import ConfigError
from pipelines.settings import parse_settings, read_settings


def named(first: int, last: int, **where: str) -> NamedDays:
    return NamedDays("Sale", *(FIRST + timedelta(days=day) for day in (first, last)), tuple(where.items()))


def judged(cube: CohortCube, *calendar: NamedDays, ideal: float | None = None) -> Judgement:
    ideals = {} if ideal is None else {("shop", "default", "pay"): ideal}
    return find_pain_points([cube], ideals, [], DetectorSettings(calendar=calendar))


def low_from(first: int, until: int = DAYS) -> CohortCube:
    def rate(device: str, channel: str, day: int) -> float:
        return 0.3 if first <= day < until else 0.55

    return made_cube(3, rate)


def test_a_fall_on_named_days_is_no_finding_and_one_that_goes_on_after_them_is() -> None:
    dip = low_from(62, 66)
    assert judged(dip).findings, "not named, the same days are a collapse"
    assert judged(dip, named(62, 65)).findings == ()
    assert judged(dip, named(62, 63)).findings, "two of the four days were not named"
    (found,) = judged(low_from(62), named(62, 65)).findings
    assert found.segment == "all"
    assert found.left_out == {"Sale": 4}
    left = {FIRST + timedelta(days=day) for day in range(62, 66)}
    assert left <= set(found.unseen_days)
    days = [d not in left and d >= found.first_day for d in dip.days[: DAYS - 1]]
    assert found.attempts == low_from(62).trials[:, : DAYS - 1][:, days].sum()


def test_nothing_that_people_of_named_days_did_changes_a_finding() -> None:
    cube = low_from(60)
    calendar = named(12, 15), named(40, 43), named(62, 64)
    hidden = named_cells(cube, calendar)
    wild = replace(
        cube,
        trials=np.where(hidden, cube.trials * 3, cube.trials),
        arrivals=np.where(hidden[:, :, None], 0.0, cube.arrivals),
        converted=np.where(hidden, 0.0, cube.converted),
        value=np.where(hidden, 0.0, cube.value),
    )

    def told(cube: CohortCube) -> list[tuple[object, ...]]:
        return [
            (f.kind, f.segment, f.attempts, f.successes, f.expected, f.started_on, f.p_value)
            for f in judged(cube, *calendar, ideal=0.5).findings
        ]

    assert told(cube)
    # slices are weighed by everybody, so the two cubes are scanned by the same ones
    assert [each[:4] for each in told(wild)] == [each[:4] for each in told(cube)]
    assert [each[4] for each in told(wild)] == pytest.approx([each[4] for each in told(cube)])


def test_no_loss_is_counted_on_named_days() -> None:
    cube = low_from(56)
    (whole,), (less,) = judged(cube).findings, judged(cube, named(60, 65)).findings
    assert less.lost_conversions == pytest.approx(whole.lost_conversions * (14 - 6) / 14, rel=0.12)
    assert less.lost_per_week == pytest.approx(whole.lost_per_week, rel=0.15)


def test_a_campaign_of_one_segment_hides_that_segment_only() -> None:
    cube = low_from(62, 66)
    mobile = np.array([leaf[0] == "mobile" for leaf in cube.leaf_values])
    cells = named_cells(cube, [named(62, 65, device="mobile")])
    assert cells[mobile][:, 62:66].all()
    assert cells.sum() == mobile.sum() * 4
    found = judged(cube, named(62, 65, device="mobile")).findings
    assert found
    assert sum(each.attempts for each in found) <= cube.trials[~mobile][:, 62:].sum() + 1
    everybody = named_cells(cube, [named(62, 65, os="iOS")])
    assert everybody[:, 62:66].all(), "who of them uses iOS this cube does not know"


def test_days_are_counted_once_and_only_where_they_concern_the_segment() -> None:
    calendar = [named(1, 3), named(3, 4), named(2, 9, device="mobile")]
    asked = FIRST, FIRST + timedelta(days=5)
    assert days_left_out(calendar, (), *asked) == {"Sale": 5}
    assert days_left_out(calendar, (("device", "desktop"),), *asked) == {"Sale": 4}
    assert days_left_out(calendar, (), FIRST + timedelta(days=20), FIRST + timedelta(days=30)) == {}
    assert left_out_text({"Sale": 3, "Reyes": 1}) == "3 days of Sale and 1 day of Reyes left out"


def holiday_of(world: World) -> NamedDays:
    """The days on which the volume of a holiday world is halved, read off its own traffic."""
    daily = world.people[0].sum(axis=0).astype(float)
    usual = np.array([np.median(daily[day % 7 :: 7]) for day in range(len(daily))])
    low = np.flatnonzero(daily < 0.7 * usual)
    return NamedDays("holiday", world.days[low[0]], world.days[low[-1]])


def nights_of(world: World, *calendar: NamedDays) -> list[list[Claim]]:
    ours = Ours(DetectorSettings(calendar=calendar))
    return [ours.judge(world.view(night)) for night in range(62, len(world.days), 4)]


def test_naming_a_holiday_brings_no_false_finding() -> None:
    world = make_world("holiday", 20_000, 9301)
    told = {claim.id for night in nights_of(world, holiday_of(world)) for claim in night}
    plain = {claim.id for night in nights_of(world) for claim in night}
    assert len(told) <= len(plain)


def test_pain_during_a_named_holiday_is_still_found() -> None:
    world = make_world("pain_during_holiday", 20_000, 9313)
    strong = [plant for plant in world.truth if plant.kind != "slow" and plant.drop >= 0.2]
    last = nights_of(world, holiday_of(world))[-1]
    plain = nights_of(world)[-1]

    def found(claims: list[Claim]) -> int:
        return sum(any(each.transition == plant.transition for each in claims) for plant in strong)

    assert strong
    assert found(last) >= found(plain) > 0


CONFIG = CRM_CONFIG + "\n[detection]\nreplay_nights = 1\nalpha = 0.01\n"
SALE = '[[detection.calendar]]\nname = "Sale"\nfrom = {}\nto = {}\n{}'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SALE.format("2026-02-08", "2026-02-05", ""), ["line 13", "detection.calendar", "before it begins"]),
        (SALE.format('"8 February"', "2026-02-05", ""), ["calendar.0.from", "'8 February'", "2026-11-27"]),
        (SALE.format("2026-02-30", "2026-03-05", ""), ["from", "no such day", "2026-11-27"]),
        (SALE.format("2026-02-03T10:00:00", "2026-03-05", ""), ["calendar.0.from", "is no day"]),
        (SALE.format("2026-02-03", "2026-03-05", "where = {contry = 'ES'}\n"), ["'contry'", "country"]),
        (SALE.format("2026-02-03", "2026-03-05", "") * 2 + "until = 3\n", ["calendar.1.until", "unknown"]),
        ('[[detection.calendar]]\nname = "Sale"\nfrom = 2026-02-03\n', ["calendar.0.to", "missing"]),
    ],
)
def test_a_bad_calendar_names_file_line_key_and_what_to_write(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    path = tmp_path / "painpoints.toml"
    path.write_text(CONFIG + text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        read_settings(path)
    for word in [str(path), "line ", *words]:
        assert word in str(caught.value)


def test_the_line_of_an_error_is_that_of_its_own_period(tmp_path: Path) -> None:
    path = tmp_path / "painpoints.toml"
    good = SALE.format("2026-02-03", "2026-02-05", "")
    text = CONFIG + good + good + SALE.format('"soon"', "2026-02-05", "")
    path.write_text(text, "utf-8")
    line = next(n for n, each in enumerate(text.splitlines(), 1) if "soon" in each)
    with pytest.raises(ConfigError, match=f"line {line}, detection.calendar.2.from"):
        read_settings(path)


def test_a_truth_value_becomes_a_segment_s_text() -> None:
    settings = parse_settings(
        tomllib.loads(
            CONFIG
            + SALE.format("2026-02-03", "2026-02-05", "where = {is_new_user = true, device = 'mobile'}\n")
        )
    )
    (period,) = settings.detection.calendar
    assert period.named_days({}).conditions == (("is_new_user", "true"), ("device", "mobile"))
    assert period.named_days({}).last == date(2026, 2, 5)


def test_a_night_says_which_days_it_left_out_and_its_sql_leaves_them_out_too(tmp_path: Path) -> None:
    sale = SALE.format("2026-02-10", "2026-02-12", 'note = "everything half price"\n')
    folder = make_workspace(tmp_path / "sale", lines=stalling_lines(), config=CONFIG + sale)
    run_steps(folder).close()
    with duckdb.connect(str(folder / "painpoints.duckdb"), read_only=True) as db:
        notes = db.execute("select kind, note from marts.notes where kind = 'calendar'").fetchall()
        assert [kind for kind, _ in notes] == ["calendar"] * len(notes) != []
        assert "3 days of Sale left out (10 February to 12 February 2026)" in notes[0][1]
        assert notes[0][1].endswith("; everything half price")
        rows = db.execute(
            "select attempts, observed, sql, evidence from marts.pain_points where kind = 'regression'"
        ).fetchall()
        assert rows
        for attempts, observed, sql, evidence in rows:
            assert json.loads(evidence)["days_left_out"] == {"Sale": 3}
            assert db.execute(sql).fetchall() == [(attempts, round(observed * attempts))]
