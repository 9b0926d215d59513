"""Marks: what people say of findings is kept, shown, respected, and a fix is held against the data."""

from __future__ import annotations

import json
import math
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from conftest import CRM_CONFIG, CRM_HEADER, Painpoints, make_workspace
from scipy import stats

from models.fix_effect import DayCounts, judge_fix
from pipelines import marks, steps
from pipelines.errors import NothingLanded, UnknownFinding
from pipelines.listing import awake, list_pain_points
from pipelines.marks import WrongMark
from pipelines.workspace import Workspace, open_workspace

FIRST = date(2026, 1, 5)
BROKE, MENDED = 30, 42  # days from the first; what is known ends before the mending


def lines(days: int, *, mended: bool) -> list[str]:
    """A shop whose mobile visitors stop filling carts on day 30 and, ``mended``, start again on day 42."""
    rows = []
    for day in range(days):
        at = FIRST + timedelta(days=day)
        for number in range(80):
            device = "mobile" if number % 2 else "desktop"
            stalls = device == "mobile" and BROKE <= day < (MENDED if mended else days)
            rows.append(f"{at} 10:{number % 60:02d}:00,visit,u{day}-{number},{device},")
            if number % 10 < (2 if stalls else 7):
                rows.append(f"{at} 11:{number % 60:02d}:00,cart,u{day}-{number},{device},")
                if number % 3:
                    rows.append(f"{at} 11:{number % 60:02d}:30,buy,u{day}-{number},{device},25")
    return rows


def write_days(folder: Path, days: int, *, mended: bool) -> Workspace:
    """Put that many days into the shop's export; the workspace as it opens on the morning after."""
    text = "\n".join([CRM_HEADER, *lines(days, mended=mended)])
    (folder / "exports" / "crm.csv").write_text(text + "\n", "utf-8")
    return at_dawn(folder, days)


def at_dawn(folder: Path, day: int) -> Workspace:
    morning = datetime.combine(FIRST + timedelta(days=day), datetime.min.time(), UTC) + timedelta(hours=6)
    return open_workspace(folder, lambda: morning)


def rows_of(workspace: Workspace) -> list[dict[str, Any]]:
    with duckdb.connect(str(workspace.published), read_only=True) as db:
        return list_pain_points(db)


def the_fall(workspace: Workspace) -> dict[str, Any]:
    (row,) = [
        each for each in rows_of(workspace) if each["kind"] == "regression" and each["stage"] == "visit"
    ]
    return row


@pytest.fixture(scope="module")
def stalled(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = make_workspace(
        tmp_path_factory.mktemp("marks") / "stalled", config=CRM_CONFIG + "[detection]\nreplay_nights = 3\n"
    )
    workspace = write_days(folder, MENDED, mended=False)
    steps.run(workspace)
    return workspace


@pytest.fixture
def own(stalled: Workspace, tmp_path: Path) -> Workspace:
    """A copy of the shop that a test may ruin."""
    shutil.copytree(stalled.root, tmp_path / "own")
    return at_dawn(tmp_path / "own", MENDED)


def test_a_mark_is_shown_at_once_and_changes_nothing_else(stalled: Workspace) -> None:
    before = rows_of(stalled)
    reader = duckdb.connect(str(stalled.published), read_only=True)
    target = before[0]["pain_point_id"]
    marks.mark(stalled, target, "acknowledged", note="we know; it's \"Bobby'); drop table\"")
    # who had the file open goes on reading the night it was opened on
    assert reader.execute("select count(*) from marts.pain_points where mark is not null").fetchall() == [
        (0,)
    ]
    reader.close()
    after = rows_of(stalled)
    shown = {row["pain_point_id"]: (row["mark"], row["mark_note"]) for row in after}
    assert shown.pop(target) == ("acknowledged", "we know; it's \"Bobby'); drop table\"")
    assert set(shown.values()) <= {(None, None)}
    unmarked = [name for name in before[0] if name not in marks.SHOWN]
    assert [[row[name] for name in unmarked] for row in before] == [
        [row[name] for name in unmarked] for row in after
    ]
    with duckdb.connect(str(stalled.published), read_only=True) as db:
        comment = db.execute(
            "select comment from duckdb_columns() where table_name = 'pain_points' and column_name = 'mark'"
        ).fetchall()
        assert "painpoints mark" in comment[0][0]
    assert marks.unmark(stalled, target[:6]).mark == "acknowledged"
    assert all(row["mark"] is None for row in rows_of(stalled))
    with duckdb.connect(str(stalled.published), read_only=True) as db:
        said = db.execute("select mark, is_current from marts.marks order by mark_number").fetchall()
    assert said[-2:] == [("acknowledged", False), (None, True)], "what was said stays readable"


def test_a_snoozed_one_is_left_out_of_the_list_until_its_day(
    stalled: Workspace, painpoints: Painpoints
) -> None:
    target = the_fall(stalled)["pain_point_id"]
    everything = len(rows_of(stalled))
    far = date.today() + timedelta(days=400)  # the command goes by the clock of the machine
    done = painpoints("mark", target, "snoozed", "--until", str(far), "--workspace", stalled.root)
    assert done.code == 0, done.err
    assert str(far) in done.out
    listed = painpoints("list", "--workspace", stalled.root)
    assert target not in listed.out
    assert "1 pain point is snoozed" in listed.out
    assert str(far) in " ".join(listed.out.split())
    as_json = painpoints("list", "--json", "--workspace", stalled.root)
    assert target not in as_json.out
    assert "snoozed" in as_json.err
    every = json.loads(painpoints("list", "--all", "--json", "--workspace", stalled.root).out)
    assert len(every) == everything
    assert [row["mark"] for row in every if row["pain_point_id"] == target] == ["snoozed"]
    rows = rows_of(stalled)
    assert target not in {row["pain_point_id"] for row in awake(rows, far - timedelta(days=1))}
    assert target in {row["pain_point_id"] for row in awake(rows, far)}
    assert "snoozed until" in painpoints("explain", target, "--workspace", stalled.root).out
    assert painpoints("unmark", target, "--workspace", stalled.root).code == 0


def test_marks_come_back_when_a_lost_warehouse_is_made_anew(own: Workspace) -> None:
    target = the_fall(own)["pain_point_id"]
    marks.mark(own, target, "acknowledged", note="first")
    own.warehouse.unlink()
    steps.run(own)
    again = the_fall(own)
    assert (again["pain_point_id"], again["mark_note"]) == (target, "first")


def test_without_the_warehouse_it_says_where_marks_live(own: Workspace, painpoints: Painpoints) -> None:
    workspace, target = own, the_fall(own)["pain_point_id"]
    before = workspace.published.read_bytes()
    workspace.warehouse.unlink()
    with pytest.raises(NothingLanded, match="marks are kept in it"):
        marks.mark(workspace, target, "acknowledged")
    done = painpoints("mark", target, "acknowledged", "--workspace", workspace.root)
    assert done.code == 1
    assert "painpoints run" in done.err
    assert workspace.published.read_bytes() == before
    assert not workspace.warehouse.exists()


def test_marks_that_make_no_sense_are_refused(stalled: Workspace, painpoints: Painpoints) -> None:
    fall = the_fall(stalled)
    target, today = fall["pain_point_id"], stalled.today()
    with pytest.raises(WrongMark, match="has come already"):
        marks.mark(stalled, target, "snoozed", until=today)
    with pytest.raises(WrongMark, match="still to come"):
        marks.mark(stalled, target, "fixed", fixed_on=today + timedelta(days=1))
    with pytest.raises(WrongMark, match="began later"):
        marks.mark(stalled, target, "fixed", fixed_on=fall["started_on"] - timedelta(days=1))
    with pytest.raises(WrongMark, match="has no end"):
        marks.mark(stalled, target, "acknowledged", until=today + timedelta(days=9))
    with pytest.raises(UnknownFinding):
        marks.mark(stalled, "pp-nothing", "acknowledged")
    with pytest.raises(WrongMark, match="0 marked"):
        marks.unmark(stalled, "pp-nothing")
    assert painpoints("mark", target, "ignored", "--workspace", stalled.root).code == 2


@pytest.mark.parametrize(
    ("mended", "verdict", "after"),
    [(True, "fix works", 0.6), (False, "fix did not show", 0.2)],
)
def test_a_fix_that_works_is_told_from_one_that_does_not(
    own: Workspace, mended: bool, verdict: str, after: float
) -> None:
    fall = the_fall(own)
    marks.mark(own, fall["pain_point_id"], "fixed", fixed_on=FIRST + timedelta(days=MENDED - 1))
    assert the_fall(own)["fix_verdict"] == "too early", "nobody's time after the fix is over yet"
    later = write_days(own.root, MENDED + 14, mended=mended)
    steps.run(later)
    row = the_fall(later)
    numbers = json.loads(row["fix_evidence"])
    assert row["pain_point_id"] == fall["pain_point_id"]
    assert row["fix_verdict"] == verdict
    assert numbers["before"] == pytest.approx(0.2, abs=0.02)
    assert numbers["after"] == pytest.approx(after, abs=0.02)
    assert numbers["low"] < numbers["after"] < numbers["high"]


def counts(chance: np.random.Generator, rate: float, days: int = 14, a_day: int = 150) -> DayCounts:
    attempts = np.full(days, a_day, dtype=np.int64)
    return DayCounts(attempts, chance.binomial(attempts, rate).astype(np.int64))


def test_the_verdict_is_rarely_wrong_and_the_interval_holds_the_truth() -> None:
    chance = np.random.default_rng(11)
    held, wrong, decided = 0, 0, 0
    rounds = 400
    for number in range(rounds):
        true = (0.40, 0.30)[number % 2]  # all of the gap made good, or nothing
        effect = judge_fix(counts(chance, 0.30), counts(chance, true), 0.40)
        assert effect.low is not None
        assert effect.high is not None
        held += effect.low <= true <= effect.high
        decided += effect.verdict != "too early"
        wrong += effect.verdict == ("fix did not show" if true == 0.40 else "fix works")
    assert decided > 0.9 * rounds
    assert wrong <= 0.01 * rounds
    low, high = stats.binom.ppf([0.001, 0.999], rounds, 0.90)
    assert low <= held <= max(high, rounds)  # widened by the days' spread: never below 90 %


def test_a_fix_that_held_for_a_while_came_back(own: Workspace) -> None:
    target, first_night = the_fall(own)["pain_point_id"], FIRST + timedelta(days=MENDED - 1)
    marks.mark(own, target, "fixed", fixed_on=FIRST + timedelta(days=BROKE + 4))
    assert the_fall(own)["fix_verdict"] == "fix did not show"
    with duckdb.connect(str(own.warehouse)) as db:  # as if it had been resolved in between
        db.execute(
            "insert into state.pain_point_history "
            "select * replace (night - 1 as night, 'resolved' as status) from state.pain_point_history "
            "where night = ? and pain_point_id = ?",
            [first_night, target],
        )
    marks.mark(own, target, "fixed", fixed_on=FIRST + timedelta(days=BROKE + 4))
    assert the_fall(own)["fix_verdict"] == "came back"


def test_what_moves_everybody_is_no_fix() -> None:
    chance = np.random.default_rng(12)
    # a sale lifts the others from .50 to .62, and the segment by as much in log-odds: nothing was mended
    lifted = 1 / (1 + math.exp(-(math.log(0.3 / 0.7) + math.log(0.62 / 0.38))))
    before, after = counts(chance, 0.30, a_day=600), counts(chance, lifted, a_day=600)
    others = counts(chance, 0.50, a_day=900), counts(chance, 0.62, a_day=900)
    assert judge_fix(before, after, 0.40).verdict == "fix works"
    against = judge_fix(before, after, 0.40, others)
    assert against.verdict == "fix did not show"
    assert against.closed == pytest.approx(0, abs=0.25)


def test_a_few_people_settle_nothing_and_it_says_how_many_would() -> None:
    chance = np.random.default_rng(13)
    before = counts(chance, 0.30, a_day=400)
    few = judge_fix(before, counts(chance, 0.40, days=4, a_day=10), 0.40)
    assert few.verdict == "too early"
    assert few.attempts_needed is not None
    assert 40 < few.attempts_needed < 2000
    enough = counts(chance, 0.40, days=10, a_day=few.attempts_needed // 5)
    assert judge_fix(before, enough, 0.40).verdict == "fix works"
    nobody = DayCounts(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert judge_fix(before, nobody, 0.40).verdict == "too early"
    assert judge_fix(nobody, before, 0.40).after == pytest.approx(before.rate)
