"""Workspaces with a small published file, for the tests of the report."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from models.pain_point import PainPoint
from pipelines.finding_store import make_state, save_night, save_notes
from pipelines.workspace import Workspace, open_workspace
from pipelines.world import build_world

SCRIPT = "<script>alert(1)</script>"
STAGE = "<svg/onload=alert(1) x='\"&amp;"  # a stage name holds no '>'
QUOTES = 'o\'brien "page"; --'
PAGES = {"view_item": "/products/1", "add_to_cart": "/cart"}
FIRST = date(2026, 9, 1)
NIGHT = FIRST + timedelta(days=45)
MATURED = (NIGHT - timedelta(days=35), NIGHT - timedelta(days=8))  # the last 28 days that are over

LONG = "the delivery cost came last " * 12
TEXTS = (
    *("device", "browser", "channel", "persona", "stage", "next_stage", "journey", "path", "page"),
    *("attempt_id", "session_id", "event_name"),
)

SHOP = f"""
journey: {json.dumps(QUOTES)}
window: 7d
stages:
  - name: visit
    match: [{{event: session_start}}]
    touchpoints: [search ads, {json.dumps(SCRIPT)}]
    owner: Marketing
    tasks: [keep landing pages under 2 s]
  - name: {json.dumps(STAGE)}
    match: [{{event: view_item}}]
    ideal: {{conversion: 0.5, within: 10m}}
  - name: wish
    optional: true
    match: [{{event: add_to_wishlist}}]
  - name: cart
    match: [{{event: add_to_cart}}]
    owner: Checkout team
    tasks: [{json.dumps(QUOTES)}]
    ideal: {{conversion: 0.6}}
  - name: buy
    match: [{{event: purchase}}]
    value: value
personas:
  phone: {{where: {{device: mobile}}, ideal: {{cart: {{conversion: 0.55}}}}, without: [wish]}}
segments: [device, browser, is_new_user]
"""
SIGNUP = """
journey: signup
scope: session
stages:
  - {name: visit, match: [{event: session_start}]}
  - {name: done, match: [{event: sign_up}]}
segments: [device]
"""
UNUSED = """
journey: after sales
stages:
  - {name: call, match: [{event: phone_call}]}
  - {name: solved, match: [{event: solved}]}
"""


def shop_events() -> list[dict[str, Any]]:
    """45 days of people who visit, look, wish, fill a cart and buy; fewer on mobile from day 25."""
    chance = random.Random(7)
    events = []
    for number in range(45 * 60):
        day = number // 60
        mobile = chance.random() < 0.4
        person = {
            "source": "ga4",
            "device_id": f"d{number}",
            "device": "mobile" if mobile else "desktop",
            "browser": SCRIPT if number % 10 == 0 else QUOTES if number % 50 == 1 else "Firefox",
            "is_new_user": number % 3 > 0,
            "vendor_session_id": "1",
        }
        at = datetime.combine(FIRST, datetime.min.time()) + timedelta(days=day, minutes=number % 60 * 20)
        worse = 0.5 if mobile and day >= 25 else 1.0
        names = ["session_start"]
        if number % 12 == 0:
            names += ["add_to_cart", "view_item"]  # the wrong way round: a cart, but not after a product
        elif number % 12 == 6:
            names += ["add_to_cart", "purchase"]
        elif chance.random() < 0.45:
            names.append("view_item")
            names += ["add_to_wishlist"] if chance.random() < 0.2 else []
            if chance.random() < 0.55 * worse:
                names += ["add_to_cart"]
                names += ["view_item", "add_to_cart"] if chance.random() < 0.2 else []
                names += ["purchase"] if chance.random() < 0.6 else []
        names += ["sign_up"] if chance.random() < 0.1 else []
        for step, name in enumerate(names):
            page = {"page": PAGES[name]} if name in PAGES else {}
            sale = {"value": 40.0, "transaction_id": f"t{number}"} if name == "purchase" else {}
            events.append(
                {**person, **sale, **page, "event_name": name, "event_at": at + timedelta(minutes=step)}
            )
    return events


@cache
def world(is_empty: bool) -> dict[str, pd.DataFrame]:
    return build_world(
        [] if is_empty else shop_events(),
        [SHOP, SIGNUP, UNUSED],
        timezone="UTC",
        inactivity_seconds=1800,
        horizon=datetime.combine(NIGHT, datetime.min.time()),
    )


def pain_point(name: str, **changes: Any) -> PainPoint:
    point = PainPoint(
        pain_point_id=name,
        kind="below_ideal",
        journey=QUOTES,
        persona="default",
        stage="visit",
        next_stage=STAGE,
        segment="all",
        segment_filter="TRUE",
        status="ongoing",
        first_seen=NIGHT - timedelta(days=3),
        started_on=None,
        last_seen=NIGHT,
        attempts=1001,
        observed=0.43,
        expected=0.5,
        ideal=0.5,
        lost_conversions=36.4,
        lost_low=21.2,
        lost_high=51.6,
        lost_per_week=12.3,
        lost_value=1456.0,
        currency="EUR",
        q_value=0.0004,
        owner="Marketing",
        headline=f"headline of {name}",
        evidence="{}",
        sql=f"SELECT 1 AS attempts -- {SCRIPT}",
        lost_value_low=848.0,
        lost_value_high=2064.0,
        provisional=False,
    )
    point = replace(point, **changes)
    pieces = [] if point.segment == "all" else point.segment.split(" & ")
    evidence = {
        "segment": [list(piece.partition("=")[::2]) for piece in pieces],
        "first_day": MATURED[0].isoformat(),
        "successes": 430,
    }
    return replace(point, evidence=json.dumps(evidence))


def several_points() -> list[PainPoint]:
    """Four open ones that are not in rank order, and a resolved one that cost the most."""
    regression = {
        "kind": "regression",
        "persona": "phone",
        "stage": STAGE,
        "next_stage": "cart",
        "segment": "device=mobile & is_new_user=true",
        "segment_filter": "device = 'mobile' AND is_new_user = TRUE",
        "started_on": FIRST + timedelta(days=25),
        "ideal": None,
    }
    hostile = {
        "segment": f"browser={SCRIPT}",
        "segment_filter": f"browser = '{SCRIPT}'",
        "headline": f"cart to buy {SCRIPT} {QUOTES}",
        "owner": SCRIPT,
        "stage": "cart",
        "next_stage": "buy",
    }
    unpriced = {"lost_value": None, "lost_value_low": None, "lost_value_high": None}
    friction = {"kind": "friction", "lost_conversions": None, "lost_per_week": None, "lost_high": None}
    signup = {"journey": "signup", "stage": "visit", "next_stage": "done", **unpriced}
    return [
        pain_point("pp-third", lost_low=5.0, lost_per_week=3.5, status="recovering", **hostile),
        pain_point("pp-first", lost_low=90.0, lost_per_week=40.0, status="worsening", **regression),
        pain_point("pp-last", lost_low=None, **friction, **unpriced),
        pain_point("pp-second", lost_low=21.2, status="new", provisional=True, **signup),
        pain_point("pp-gone", lost_low=500.0, status="resolved"),
    ]


def make_workspace(
    root: Path,
    points: Sequence[PainPoint] = (),
    *,
    is_empty: bool = False,
    health: Sequence[tuple[str, date, str, str, str]] = (),
    marks: Sequence[tuple[Any, ...]] = (),
    journeys: Sequence[str] = (SHOP, SIGNUP, UNUSED),
    frames: dict[str, pd.DataFrame] | None = None,
) -> Workspace:
    """A workspace with a published file of ``frames`` (by default the shop's, empty or not) and findings.

    ``marks`` are rows of (pain_point_id, mark, marked_at, mark_until, mark_note, fixed_on, fix_verdict).
    """
    (root / "journeys").mkdir(parents=True)
    for number, text in enumerate(journeys):
        (root / "journeys" / f"{number}.yaml").write_text(text)
    (root / "painpoints.toml").write_text(
        'timezone = "UTC"\ncurrency = "EUR"\n[sources.ga4]\nfiles = "x.parquet"\n'
    )
    workspace = open_workspace(root)
    with duckdb.connect(str(workspace.published)) as connection:
        connection.execute("create schema marts; create schema state")
        for name, frame in (world(is_empty) if frames is None else frames).items():
            connection.register("given", frame)
            # an empty or all-NULL column of a frame has lost its type
            typed = [column for column in ("entry_date", "session_date") if column in frame]
            casts = [f"{column}::date as {column}" for column in typed]
            casts += [f"{c}::varchar as {c}" for c in TEXTS if c in frame]
            what = f"* replace ({', '.join(casts)})" if casts else "*"
            connection.execute(f"create table marts.{name} as select {what} from given")
            connection.unregister("given")
        make_state(connection)
        earlier = [replace(each, status="new") for each in points if each.status != "new"]
        save_night(connection, NIGHT - timedelta(days=1), earlier)
        save_night(connection, NIGHT, points)
        if not is_empty:
            note = {"kind": "quiet_stage", "journey": "signup", "persona": "default", "stage": "visit"}
            text = "visit to done converts 10 %; a drop of 22 % of that would have been seen"
            save_notes(connection, NIGHT, [{**note, "next_stage": "done", "segment": "all", "note": text}])
            connection.execute(
                "insert into state.runs (run_id, data_as_of, status) values ('r', ?, 'done')", [NIGHT]
            )
        connection.execute(
            "create temp table given_marks (pain_point_id varchar, mark varchar, marked_at timestamp, "
            "mark_until date, mark_note varchar, fixed_on date, fix_verdict varchar)"
        )
        if marks:
            connection.executemany("insert into given_marks values (?, ?, ?, ?, ?, ?, ?)", marks)
        connection.execute(
            "create table marts.pain_point_history as select * from state.pain_point_history;"
            "create table marts.pain_points as select h.* exclude (night), m.* exclude (pain_point_id) "
            "from state.pain_point_history as h left join given_marks as m using (pain_point_id) "
            "where h.night = (select max(night) from state.nights);"
            "create table marts.notes as select * from state.notes;"
            "create table marts.runs as select * from state.runs;"
            "create table marts.tracking_health (source varchar, day date, check_name varchar, "
            "status varchar, detail varchar);"
            "create table marts.survey_answers (source varchar, answered_at timestamp, "
            "response_number varchar, hotjar_user_id varchar, country varchar, device varchar, page varchar, "
            "question varchar, answer varchar, question_type varchar);"
            "create table marts.stage_friction (journey varchar, stage varchar, day date, "
            "recordings bigint, recordings_with_rage bigint, recordings_with_u_turns bigint)"
        )
        if health:
            connection.executemany("insert into marts.tracking_health values (?, ?, ?, ?, ?)", health)
        if points:
            connection.executemany(
                "insert into marts.survey_answers values "
                "('hotjar', ?, ?, 'u', 'ES', 'mobile', ?, 'What stopped you?', ?, ?)",
                [
                    (f"{NIGHT - timedelta(days=2)} 10:00", "1", "/cart", f"the card form {SCRIPT}", None),
                    (f"{NIGHT - timedelta(days=3)} 10:00", "2", None, "   ", None),
                    (f"{NIGHT - timedelta(days=4)} 10:00", "3", "/cart", LONG, None),
                    *((f"{NIGHT} 09:0{n}", f"s{n}", "/products/1", str(n), "nps") for n in range(4, 10)),
                ],
            )
            connection.executemany(
                "insert into marts.stage_friction values (?, ?, ?, ?, ?, ?)",
                [
                    (QUOTES, "cart", NIGHT - timedelta(days=1), 40, 20, 6),
                    (QUOTES, STAGE, NIGHT - timedelta(days=1), 200, 10, 8),
                    (QUOTES, STAGE, NIGHT - timedelta(days=60), 900, 900, 900),
                ],
            )
    return workspace


def loud_workspace(root: Path) -> Workspace:
    """Two journeys and one nobody entered, five pain points, broken tracking, hostile names."""
    return make_workspace(
        root,
        several_points(),
        health=[
            ("ga4", NIGHT - timedelta(days=2), "event_vanished", "broken", f'event "{SCRIPT}" vanished'),
            ("ga4", NIGHT - timedelta(days=9), "day_missing", "broken", "nine days ago"),
            ("ga4", NIGHT - timedelta(days=1), "duplicates", "info", "3 rows were dropped"),
            ("ga4", NIGHT - timedelta(days=30), "day_missing", "broken", "long ago"),
        ],
        marks=[
            ("pp-second", "fixed", NIGHT, None, f"new form {SCRIPT}", MATURED[1], "fix works"),
            ("pp-third", "acknowledged", NIGHT, None, None, None, None),
        ],
    )
