"""The cohorts that detection reads, recounted in plain Python from the published visits and attempts."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import pytest
from conftest import CRM_CONFIG, make_workspace
from journey_oracle import SEGMENTS, Journey
from test_journey_oracle import BY_NAME, TIMEZONE, World, make_event, make_world, records

from connectors.shop_hotjar import RECORDINGS_HEADER
from pipelines import steps
from pipelines.workspace import open_workspace
from pipelines.world import build_world

Tables = dict[str, pd.DataFrame]
Key = tuple[Any, ...]  # journey, persona, stage, next_stage, reached_date, segments ...

COUNTS = ("attempts", "converted", "skipped", "looped", "backtracked")
WORLDS = [
    ("user_first_7d", 11),
    ("session_any_1d_personas", 13),
    ("user_first_1d_personas", 14),
    ("two_journeys", 15),
    ("vendor_sessions", 16),
]

SHOP = """\
journey: shop
window: 7d
stages:
  - name: visit
    match: [{event: visit}]
  - name: cart
    match: [{event: cart}]
  - name: extra
    optional: true
    match: [{event: extra}]
  - name: pay
    match: [{event: pay}]
  - name: buy
    match: [{event: buy}]
segments: [device]
"""


@cache
def built(variant: str, seed: int) -> tuple[World, Tables]:
    world = make_world(BY_NAME[variant], seed)
    return world, world.build(build_world)


def local_day(moment: datetime) -> date:
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(TIMEZONE)).date()


def day(value: Any) -> date:
    return value.date() if isinstance(value, datetime) else value


def further_of(world: World) -> list[str]:
    return list(dict.fromkeys(world.variant.further_segments))


def recounted(world: World, tables: Tables) -> dict[Key, dict[str, Any]]:
    """Cohorts and their times, attempt by attempt, from marts.stage_visits and marts.attempts."""
    journeys: dict[str, Journey] = {journey.name: journey for journey in world.variant.parsed}
    visits = defaultdict(list)
    for row in records(tables["stage_visits"]):
        if row["attempt_id"] is not None:
            visits[row["attempt_id"]].append(row)
    cohorts: dict[Key, dict[str, Any]] = {}
    for attempt in records(tables["attempts"]):
        journey = journeys[attempt["journey"]]
        persona = [each for each in journey.personas if each.name == attempt["persona"]]
        without = persona[0].without if persona else frozenset()
        required = [s.name for s in journey.stages if not s.optional and s.name not in without]
        order = {stage.name: stage.number for stage in journey.stages}
        went = sorted(visits[attempt["attempt_id"]], key=lambda visit: visit["visit_number"])
        names = [visit["stage"] for visit in went]
        for stage, following in pairwise(required):
            if stage not in names:
                continue
            first = names.index(stage)
            after = names[first + 1 :]
            came = [v for v in went[first + 1 :] if v["stage"] == following]
            reached_at = went[first]["entered_at"]
            age = (local_day(came[0]["entered_at"]) - local_day(reached_at)).days if came else None
            key = (
                journey.name, attempt["persona"], stage, following, local_day(reached_at),
                *(attempt[segment] for segment in (*SEGMENTS, *further_of(world))), age,
            )  # fmt: skip
            cell = cohorts.setdefault(key, dict.fromkeys(COUNTS, 0) | {"value": 0.0, "times": []})
            won = bool(came) and attempt["outcome"] == "converted"
            beyond = required[required.index(following) + 1 :]
            left = [name for one, name in pairwise(["", *after]) if name == stage and one not in ("", stage)]
            cell["attempts"] += 1
            cell["converted"] += won
            cell["value"] += (attempt["value"] or 0.0) if won else 0.0
            cell["skipped"] += following not in names and bool({*after} & {*beyond})
            cell["looped"] += bool(left)
            cell["backtracked"] += any(order[name] < order[stage] for name in after)
            if came:
                cell["times"].append((came[0]["entered_at"] - reached_at).total_seconds())
    return cohorts


def cohort_key(row: dict[str, Any], further: list[str]) -> Key:
    return (
        row["journey"], row["persona"], row["stage"], row["next_stage"], day(row["reached_date"]),
        *(row[segment] for segment in (*SEGMENTS, *further)),
        None if row["age_days"] is None else int(row["age_days"]),
    )  # fmt: skip


@pytest.mark.parametrize(("variant", "seed"), WORLDS)
def test_cohorts_are_what_counting_attempts_one_by_one_gives(variant: str, seed: int) -> None:
    world, tables = built(variant, seed)
    wanted = recounted(world, tables)
    found = {}
    for row in records(tables["stage_cohorts"]):
        key = cohort_key(row, further_of(world))
        assert key not in found, "one row per cohort and age"
        found[key] = row
    assert found.keys() == wanted.keys()
    for key, cell in wanted.items():
        row, times = found[key], cell["times"]
        assert {name: row[name] for name in COUNTS} == {name: cell[name] for name in COUNTS}, key
        assert row["value"] == pytest.approx(cell["value"])
        assert row["seconds"] == pytest.approx(sum(times))
        assert row["median_seconds"] == (pytest.approx(median(times)) if times else None)
    # two required stages have nothing between them that could be left out
    rich = [name for name in COUNTS if name != "skipped" or "discover" in world.variant.journeys[0]]
    assert all(any(cell[name] for cell in wanted.values()) for name in rich)
    assert len(found) <= sum(cell["attempts"] for cell in wanted.values())


@pytest.mark.parametrize(("variant", "seed"), WORLDS[:4])
def test_delays_tell_how_many_came_within_each_bound(variant: str, seed: int) -> None:
    world, tables = built(variant, seed)
    times: dict[Key, list[float]] = {
        key: cell["times"] for key, cell in recounted(world, tables).items() if cell["times"]
    }
    bins: dict[Key, list[tuple[float, float, int]]] = defaultdict(list)
    for row in records(tables["stage_delays"]):
        above = -1.0 if row["above_seconds"] is None else row["above_seconds"]
        within = float("inf") if row["within_seconds"] is None else row["within_seconds"]
        bins[cohort_key(row, further_of(world))].append((above, within, row["advanced"]))
    assert bins.keys() == times.keys()
    for key, found in bins.items():
        told = Counter({(above, within): count for above, within, count in found})
        assert sum(told.values()) == len(times[key])
        for (above, within), count in told.items():
            assert count == sum(above < each <= within for each in times[key]), key


@pytest.mark.parametrize(("variant", "seed"), WORLDS)
def test_cohorts_sum_to_the_funnel(variant: str, seed: int) -> None:
    world, tables = built(variant, seed)
    grain = ["journey", "persona", *SEGMENTS, *further_of(world), "stage", "next_stage"]
    cohorts = tables["stage_cohorts"]
    cohorts = cohorts.assign(advanced=cohorts["attempts"].where(cohorts["age_days"].notna(), 0))
    funnel = tables["stage_funnel"].dropna(subset=["next_stage"])
    ours = cohorts.groupby(grain, dropna=False)[["attempts", "advanced"]].sum().sort_index()
    theirs = funnel.groupby(grain, dropna=False)[["reached", "advanced"]].sum().sort_index()
    assert ours.index.equals(theirs.index)
    assert (ours.to_numpy() == theirs.to_numpy()).all()


def cohorts_of(people: list[list[tuple[str, datetime]]]) -> list[list[dict[str, Any]]]:
    """Per person the cohorts of their events, times naive UTC; the person's number is their country."""
    events = [
        make_event(f"d{number}", moment, name, country=str(number))
        for number, steps in enumerate(people)
        for name, moment in steps
    ]
    horizon = max(event["event_at"] for event in events) + timedelta(days=30)
    tables = build_world(
        events, [SHOP], timezone=TIMEZONE, inactivity_seconds=1800, horizon=horizon, currency="EUR"
    )
    rows = sorted(records(tables["stage_cohorts"]), key=lambda row: row["stage_number"])
    return [[row for row in rows if row["country"] == str(number)] for number in range(len(people))]


def test_ages_are_days_of_the_calendar_over_a_clock_change() -> None:
    cases = [
        # 29 March 2026 has 23 hours in Madrid: midnight is 23:00 UTC before it, 22:00 after
        (datetime(2026, 3, 28, 22, 59), datetime(2026, 3, 28, 23, 1), 1),
        (datetime(2026, 3, 28, 23, 1), datetime(2026, 3, 29, 21, 59), 0),
        (datetime(2026, 3, 28, 23, 1), datetime(2026, 3, 29, 22, 1), 1),
        # 25 October 2026 has 25
        (datetime(2026, 10, 24, 22, 1), datetime(2026, 10, 25, 22, 59), 0),
        (datetime(2026, 10, 24, 22, 1), datetime(2026, 10, 25, 23, 1), 1),
        # 168 hours are within the window, and on the eighth day where one of the days had 23
        (datetime(2026, 3, 25, 22, 30), datetime(2026, 4, 1, 22, 30), 8),
        (datetime(2026, 3, 25, 23, 30), datetime(2026, 4, 1, 23, 30), 7),
    ]
    cohorts = cohorts_of([[("visit", reached), ("cart", came)] for reached, came, _ in cases])
    told = [(day(rows[0]["reached_date"]), rows[0]["age_days"]) for rows in cohorts]
    assert told == [(local_day(reached), age) for reached, _, age in cases]


def test_an_attempt_on_its_way_is_in_its_cohort_without_an_age() -> None:
    start = datetime(2026, 3, 2, 12)
    rows = cohorts_of([[("visit", start), ("cart", start + timedelta(days=2))]])[0]
    assert [(row["stage"], day(row["reached_date"]), row["age_days"]) for row in rows] == [
        ("visit", date(2026, 3, 2), 2),
        ("cart", date(2026, 3, 4), None),
    ]


def test_turns_of_an_attempt_are_counted_where_they_were_taken() -> None:
    # per path and stage: advanced, skipped, looped, backtracked
    cases = {
        "visit cart pay buy": {"visit": "a", "cart": "a", "pay": "a"},
        "visit pay buy": {"visit": "s", "pay": "a"},
        "visit buy": {"visit": "s"},
        "visit extra": {"visit": ""},
        "visit cart extra cart": {"visit": "a", "cart": "l"},
        "visit cart visit cart pay": {"visit": "al", "cart": "alb", "pay": ""},
        # the cart was seen, though late: that is going back, not leaving it out
        "visit pay cart": {"visit": "a", "pay": "b", "cart": ""},
        "visit cart pay cart buy": {"visit": "a", "cart": "al", "pay": "ab"},
    }
    start = datetime(2026, 3, 2, 12)
    people = [[(name, start + timedelta(minutes=n)) for n, name in enumerate(path.split())] for path in cases]
    for (path, expected), rows in zip(cases.items(), cohorts_of(people), strict=True):
        told = {
            row["stage"]: ("a" if row["age_days"] is not None else "")
            + "".join(letter for letter, name in zip("slb", COUNTS[2:], strict=True) if row[name])
            for row in rows
        }
        assert told == expected, path


def test_a_stage_cut_in_two_by_a_new_session_is_no_loop() -> None:
    start = datetime(2026, 3, 2, 12)
    rows = cohorts_of([[("visit", start), ("visit", start + timedelta(hours=3))]])[0]
    assert [row["looped"] for row in rows] == [0]


def test_recordings_are_counted_at_the_stage_most_of_their_last_page_belongs_to(tmp_path: Path) -> None:
    config = CRM_CONFIG.replace('value = "amount"', 'value = "amount", page = "page"')
    config += '\n[sources.hotjar]\nrecordings = "exports/rec*.csv"\n'
    folder = make_workspace(tmp_path / "shop", config=config, lines=[])
    lines = ["when,what,who,device,amount,page"]
    for who in range(6):
        steps_of = [("visit", "/list"), ("visit", "/item"), ("cart", "/item"), ("cart", "/item")]
        steps_of += [("help", "/help"), ("buy", "/done")]
        lines += [
            f"2026-03-0{who + 1} 10:0{n}:00,{what},u{who},mobile,,{page}"
            for n, (what, page) in enumerate(steps_of)
        ]
    (folder / "exports" / "crm.csv").write_text("\n".join(lines) + "\n", "utf-8")
    # page, device, rage clicks, u-turns; nobody does anything of a stage on the help page
    left = [("/item", "Mobile", 3, 0), ("/item", "Mobile", 0, 2), ("/item", "Desktop", 0, 0)]
    left += [("/list", "Mobile", 1, 1), ("/help", "Mobile", 9, 9)]
    with (folder / "exports" / "rec.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, RECORDINGS_HEADER, restval="N/A", extrasaction="ignore")
        writer.writeheader()
        for number, (page, device, rage, turns) in enumerate(left):
            writer.writerow(
                {
                    "Recording URL": f"https://insights.hotjar.com/r/{number}",
                    "Created": "2026-03-02 09:00:00",
                    "Device": device,
                    "Exit Page URL": f"https://shop.example{page}?x=1",
                    "Rage Clicks": rage,
                    "U-Turns": turns,
                }
            )
    workspace = open_workspace(folder)
    steps.pull(workspace)
    steps.build(workspace)
    with duckdb.connect(str(workspace.published), read_only=True) as db:
        found = db.execute(
            "select stage, device, day::varchar, recordings, recordings_with_rage, recordings_with_u_turns, "
            "rage_clicks, u_turns from marts.stage_friction order by stage, device"
        ).fetchall()
    assert found == [
        ("cart", "desktop", "2026-03-02", 1, 0, 0, 0, 0),
        ("cart", "mobile", "2026-03-02", 2, 1, 1, 3, 2),
        ("visit", "mobile", "2026-03-02", 1, 1, 1, 1, 1),
    ]
