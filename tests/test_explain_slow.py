"""A slow-down explained: shares and times are told apart, nobody who comes late is called lost."""

from __future__ import annotations

import json
import random
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from conftest import CRM_CONFIG, SHOP_JOURNEY, Painpoints, make_workspace

from pipelines import marks, steps
from pipelines.finding_words import assumption_of, counted
from pipelines.workspace import open_workspace

FIRST, DAYS, SLOWED = date(2026, 1, 5), 50, 32
JOURNEY = SHOP_JOURNEY.replace("window: 2d", "window: 5d").replace("{conversion: 0.5}", "{conversion: 0.2}")


def visits() -> list[tuple[str, str, int, int | None]]:
    """Who, on what device, on which day, and how many days later they fill a cart.

    From day 32 on most mobile visitors who come to the cart do so some days later instead of at once.
    """
    chance = random.Random(5)
    rows: list[tuple[str, str, int, int | None]] = []
    for day in range(DAYS):
        for number in range(160):
            device = "mobile" if number % 2 else "desktop"
            is_late = device == "mobile" and day >= SLOWED
            at_once = chance.random() < (0.3 if is_late else 0.85)
            comes = chance.random() < 0.6
            rows.append(
                (
                    f"u{day}-{number}",
                    device,
                    day,
                    (0 if at_once else chance.choice([1, 2, 3])) if comes else None,
                )
            )
    return rows


@pytest.fixture(scope="module")
def slowed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    lines = []
    for who, device, day, wait in visits():
        lines.append(f"{FIRST + timedelta(days=day)} 10:00:00,visit,{who},{device},")
        if wait is not None and day + wait < DAYS:
            then = FIRST + timedelta(days=day + wait)
            lines.append(f"{then} 11:00:00,cart,{who},{device},")
            lines.append(f"{then} 11:30:00,buy,{who},{device},20")
    folder = make_workspace(
        tmp_path_factory.mktemp("slow") / "shop",
        config=CRM_CONFIG + "[detection]\nreplay_nights = 2\n",
        journey=JOURNEY,
        lines=sorted(lines),
    )
    steps.run(open_workspace(folder))
    return folder


def test_a_slow_down_is_explained_in_shares_of_those_who_came(slowed: Path, painpoints: Painpoints) -> None:
    listed = json.loads(painpoints("list", "--json", "--workspace", slowed).out)
    assert [(row["kind"], row["segment"], row["stage"]) for row in listed] == [
        ("slow", "device=mobile", "visit")
    ]
    (row,) = listed
    assert row["observed"] > row["expected"] > 3600, "what it takes and what it took, in seconds"
    told = json.loads(painpoints("explain", row["pain_point_id"], "--json", "--workspace", slowed).out)
    evidence = json.loads(row["evidence"])
    assert told["attempts"] == row["attempts"]
    assert told["successes"] / told["attempts"] == pytest.approx(0.3, abs=0.07)
    assert evidence["share_that_came_so_soon"] == pytest.approx(
        told["successes"] / told["attempts"], abs=1e-3
    )
    siblings = {each["value"]: each["rate"] for table in told["siblings"] for each in table["siblings"]}
    assert siblings["desktop"] == pytest.approx(0.85, abs=0.05)
    text = painpoints("explain", row["pain_point_id"], "--workspace", slowed)
    said = " ".join(text.out.split())
    assert "who came at all came on the same day (3" in said
    assert "share that came on the same day" in said
    assert "whoever comes late is not lost" in said
    for number in (row["observed"], row["expected"]):
        assert f"{number * 100:.0f} %" not in said, "seconds are no share"


def test_the_users_of_a_slow_down_came_late_and_the_query_gives_them_all(
    slowed: Path, painpoints: Painpoints
) -> None:
    (row,) = json.loads(painpoints("list", "--json", "--workspace", slowed).out)
    told = json.loads(painpoints("explain", row["pain_point_id"], "--json", "--workspace", slowed).out)
    evidence = json.loads(row["evidence"])
    first, last = (date.fromisoformat(evidence[name]) for name in ("first_day", "last_day"))
    with duckdb.connect(str(slowed / "painpoints.duckdb"), read_only=True) as db:
        rows = db.execute(told["lost_sql"]).fetchall()
        names = dict(db.execute("select distinct user_key, user_id from marts.events").fetchall())
    late = {
        who
        for who, device, day, wait in visits()
        if device == "mobile" and wait and day + wait < DAYS and first <= FIRST + timedelta(days=day) <= last
    }
    assert len(late) > 50
    assert {names[each[1]] for each in rows} == late
    assert [each["attempt_id"] for each in told["lost_attempts"]] == [each[0] for each in rows[:5]]


def test_a_fix_of_a_slow_down_is_judged_by_those_who_came_soon(slowed: Path, painpoints: Painpoints) -> None:
    """Nothing was mended: of those who came before the day that is said and after it as few came at once."""
    workspace = open_workspace(slowed)
    (row,) = json.loads(painpoints("list", "--json", "--workspace", slowed).out)
    fixed = SLOWED + 6
    marks.mark(workspace, row["pain_point_id"], "fixed", fixed_on=FIRST + timedelta(days=fixed))
    (row,) = json.loads(painpoints("list", "--json", "--workspace", slowed).out)
    told = json.loads(row["fix_evidence"])
    assert row["fix_verdict"] == "fix did not show"
    began, last = (date.fromisoformat(told[name]) for name in ("first_day", "last_day"))
    waits: dict[str, list[int]] = {"before": [], "after": []}
    for _, device, day, wait in visits():
        at = FIRST + timedelta(days=day)
        if device == "mobile" and wait is not None and began <= at <= last and day != fixed:
            waits["before" if day < fixed else "after"].append(wait)
    for when, those in waits.items():
        assert told[f"attempts_{when}"] == len(those)
        assert told[when] == pytest.approx(those.count(0) / len(those), abs=1e-4)
    assert told["expected"] == pytest.approx(0.85, abs=0.03)
    marks.unmark(workspace, row["pain_point_id"])


def test_every_kind_says_what_its_counts_count() -> None:
    row = {"observed": 0.4, "expected": 0.2, "lost_conversions": 0.0, "lost_value": None}
    looped = counted(row | {"kind": "detour"}, {"measure": "looped"})
    assert (
        looped.sentence(1000, 400) == "400 of 1,000 left the stage and came back to it (40 %); expected 20 %"
    )
    assert "recordings" in counted(row | {"kind": "friction"}, {}).sentence(10, 4)
    assert counted(row | {"kind": "regression"}, {}).did == "advanced"
    assert "no conversion is counted as lost" in assumption_of(row | {"kind": "detour"})
    cost = row | {"kind": "regression", "lost_conversions": 5.0, "lost_value": 9.0}
    assert assumption_of(cost).endswith("mean order value")
