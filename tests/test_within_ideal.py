"""How many came to the next stage within the time their ideal gives, and names that segments may not take."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from test_journey_oracle import TIMEZONE, make_event, records

from models.journey import segment_columns
from models.journey_file import parse_journey
from pipelines.world import build_world

JOURNEY = """\
journey: shop
window: 7d
stages:
  - {name: visit, match: [{event: visit}]}
  - {name: cart, match: [{event: cart}], ideal: {within: 10m}}
  - {name: pay, match: [{event: pay}]}
  - {name: buy, match: [{event: buy}], ideal: {within: 2d}}
personas:
  hasty: {where: {device: mobile}, ideal: {cart: {within: 30s}}}
  direct: {where: {device: tablet}, without: [cart, pay]}
segments: [device]
"""
START = datetime(2026, 3, 2, 12)
# device, and for each stage the time since the visit; None where it never came so far
PEOPLE: list[tuple[str, list[timedelta | None]]] = [
    ("desktop", [timedelta(minutes=10), timedelta(days=1), timedelta(days=3)]),
    (
        "desktop",
        [timedelta(minutes=10, microseconds=1), timedelta(hours=1), timedelta(days=2, hours=1, seconds=1)],
    ),
    ("desktop", [timedelta(minutes=3), None, timedelta(days=1)]),
    ("desktop", [None, None, None]),
    ("mobile", [timedelta(seconds=30), None, None]),
    ("mobile", [timedelta(seconds=31), timedelta(minutes=1), None]),
    ("tablet", [None, None, timedelta(days=2)]),
    ("tablet", [None, None, timedelta(days=2, microseconds=1)]),
]


def test_those_who_came_within_the_ideal_of_their_persona_are_counted() -> None:
    events = [
        make_event(f"d{number}", START + since, name, device=device)
        for number, (device, times) in enumerate(PEOPLE)
        for name, since in zip(("visit", "cart", "pay", "buy"), (timedelta(), *times), strict=True)
        if since is not None
    ]
    tables = build_world(
        events,
        [JOURNEY],
        timezone=TIMEZONE,
        inactivity_seconds=1800,
        horizon=START + timedelta(days=30),
        currency="EUR",
    )
    told: dict[tuple[str, str], Counter[str] | None] = {}
    for row in records(tables["stage_cohorts"]):
        key = row["persona"], row["stage"]
        if row["within_ideal"] is None:
            assert told.setdefault(key, None) is None, "an ideal is written for a whole stage or not at all"
            continue
        counts = told.setdefault(key, Counter())
        assert counts is not None
        came = row["attempts"] if row["age_days"] is not None else 0
        counts.update(attempts=row["attempts"], came=came, within=row["within_ideal"])
        assert row["within_ideal"] <= came
    assert told == {
        ("default", "visit"): {"attempts": 4, "came": 3, "within": 2},
        ("default", "cart"): None,
        # two days since the payment, not since the visit
        ("default", "pay"): {"attempts": 2, "came": 2, "within": 1},
        ("hasty", "visit"): {"attempts": 2, "came": 2, "within": 1},
        ("hasty", "cart"): None,
        ("hasty", "pay"): {"attempts": 1, "came": 0, "within": 0},
        # the next stage of a persona that needs no cart is the purchase
        ("direct", "visit"): {"attempts": 2, "came": 2, "within": 1},
    }


NAMES = [
    *("reached_date", "age_days", "attempts", "converted", "seconds", "median_seconds", "skipped", "looped"),
    *("backtracked", "above_seconds", "within_seconds", "within_ideal", "next_within_us", "waited_us"),
    *("has_skipped", "has_looped", "has_backtracked"),
]


def test_a_property_of_the_name_of_a_count_is_a_segment_beside_it() -> None:
    properties = ", ".join(f"properties.{name}" for name in NAMES)
    text = JOURNEY.replace("segments: [device]", f"segments: [device, {properties}]")
    columns = segment_columns((parse_journey(text),))
    own = {field: column for column, field in columns.items() if field.startswith("properties.")}
    assert own == {f"properties.{name}": f"property_{name}" for name in NAMES}
    tables = build_world(
        [make_event(f"d{number}", START, "visit", country=str(number)) for number in range(3)],
        [text],
        timezone=TIMEZONE,
        inactivity_seconds=1800,
        horizon=START + timedelta(days=30),
        currency="EUR",
    )
    for name in ("stage_cohorts", "stage_funnel"):
        assert {f"property_{each}" for each in NAMES} <= set(tables[name].columns), name
    assert tables["stage_cohorts"]["attempts"].tolist() == [1, 1, 1]
