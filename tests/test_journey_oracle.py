"""The marts against the oracle: thousands of tiny random users, compared one by one.

Three parts: the oracle itself against cases worked out by hand; whole worlds built by the project
and compared with the oracle; and invariants that need no oracle. `JOURNEY_ORACLE_EXAMPLES=40 pytest
tests/test_journey_oracle.py` looks at more worlds.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import ANY
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from journey_oracle import (
    SEGMENTS,
    Attempt,
    Event,
    FunnelRow,
    Journey,
    Session,
    User,
    backtracks,
    edits,
    fitness,
    glob,
    loops,
    read_user,
    skips,
    stage_funnel,
)

TIMEZONE = "Europe/Madrid"
CURRENCY = "EUR"
INACTIVITY = 1800
EXAMPLES = int(os.environ.get("JOURNEY_ORACLE_EXAMPLES", "6"))  # worlds per variant

Row = dict[str, Any]
Tables = dict[str, pd.DataFrame]
BuildWorld = Callable[..., Tables]

MICRO = timedelta(microseconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


# ---------------------------------------------------------------- journeys and what happens in them


def journey_text(name: str, header: str, stages: str, more: str = "segments: [device]") -> str:
    return f"journey: {name}\n{header}\nstages:\n{stages}\n{more}\n"


SHOP = """
  - {name: discover, match: [{event: view_item_list}, {event: page_view, page: "/collections/*"}]}
  - name: consider
    match: [{event: view_item}]
    owner: Shop
    ideal: {conversion: 0.45, within: 10m, loops: 0.2, backtracks: 0.1, skips: 0.05}
  - {name: wish, optional: true, match: [{event: add_to_wishlist}]}
  - {name: cart, match: [{event: add_to_cart}]}
  - {name: buy, match: [{event: purchase}], value: value, ideal: auto}
"""
SHOP_EVENTS = (
    ("view_item_list", "/collections/shoes"),
    ("page_view", "/collections/"),
    ("page_view", "/collections/a/b"),
    ("view_item", "/p/1"),
    ("view_item", "/p/2"),
    ("add_to_wishlist", "/p/1"),
    ("add_to_cart", "/cart"),
    ("purchase", "/thanks"),
    ("purchase", "/thanks/again"),
    ("page_view", "/about"),
    ("scroll", None),
)

# Optional stages before the entry, side by side in the middle, and behind the goal.
EDGES = """
  - {name: inspire, optional: true, match: [{event: read_blog}]}
  - {name: look, match: [{event: view_item}]}
  - {name: size, optional: true, match: [{event: open_sizes}]}
  - {name: chat, optional: true, match: [{event: open_chat}]}
  - {name: buy, match: [{event: purchase}], value: value}
  - {name: review, optional: true, match: [{event: write_review}]}
"""
EDGES_EVENTS = (
    ("read_blog", "/blog"),
    ("view_item", "/p/1"),
    ("view_item", "/p/2"),
    ("open_sizes", "/p/1"),
    ("open_chat", "/p/1"),
    ("purchase", "/thanks"),
    ("purchase", "/thanks/again"),
    ("write_review", "/p/1"),
    ("scroll", "/p/1"),
)

# Rules that overlap (the first stage claims), lists, globs with characters special elsewhere.
RULES = r"""
  - name: land
    match:
      - {event: page_view, page: ["/", "/home*", '/a\*b/*']}
      - {event: [session_start, "first_*"]}
  - name: browse
    match: [{event: "page_*", page: "*/p/*"}, {event: page_view, page: "/100%_[x].?"}]
  - name: ask
    optional: true
    match: [{page: "/help*", device: mobile}, {event: form*, page: "*"}]
  - {name: order, match: [{event: [purchase, order_confirmed]}], value: value}
"""
RULES_EVENTS = (
    ("page_view", "/"),
    ("page_view", "/home/p/1"),
    ("page_view", "/a*b/c"),
    ("page_view", "/axb/c"),
    ("first_visit", "/q"),
    ("page_view", "/x/p/2"),
    ("page_view", "/100%_[x].?"),
    ("page_view", "/100%_[x].y"),
    ("page_view", "/100%-[x].?"),
    ("page_view", "/100%_x.?"),
    ("page_view", "/100%_[x]a?"),
    ("page_view", "/100%%_[x].?"),
    ("page_view", "/HOME"),
    ("page_view", "/helpdesk"),
    ("form_start", "/q"),
    ("form_start", None),
    ("purchase", "/thanks"),
    ("order_confirmed", "/thanks"),
    ("page_viewed", "/home"),
)

PERSONAS = """
personas:
  new_mobile:
    where: {device: mobile, is_new_user: true}
    ideal: {buy: {conversion: 0.02}}
    without: [wish]
  mobile: {where: {device: "mob*"}, without: [consider, cart]}
  south: {where: {country: [ES, "P*"], channel: [Direct, Email]}, without: [cart]}
segments: [device, channel, country, is_new_user]
"""
ALL_SEGMENTS = "segments: [device, channel, country, is_new_user]"


@dataclass(frozen=True)
class Variant:
    name: str
    journeys: tuple[str, ...]
    events: tuple[tuple[str, str | None], ...]
    vendor_sessions: bool = False
    ties_of_pages: bool = True  # may one moment hold an event on two pages?

    @cached_property
    def parsed(self) -> list[Journey]:
        return [Journey.parse(text) for text in self.journeys]

    @property
    def further_segments(self) -> list[str]:
        return [segment for journey in self.parsed for segment in journey.further_segments]


VARIANTS = [
    Variant(
        "user_first_7d",
        (journey_text("purchase", "scope: user\nwindow: 7d\nentry: first", SHOP, ALL_SEGMENTS),),
        SHOP_EVENTS,
    ),
    Variant(
        "user_first_1h",
        (journey_text("purchase", "scope: user\nwindow: 1h\nentry: first", SHOP),),
        SHOP_EVENTS,
    ),
    Variant(
        "user_any_1d",
        (journey_text("edges", "scope: user\nwindow: 1d\nentry: any", EDGES),),
        EDGES_EVENTS,
    ),
    Variant(
        "session_first_1h",
        (journey_text("purchase", "scope: session\nwindow: 1h\nentry: first", SHOP),),
        SHOP_EVENTS,
    ),
    Variant(
        "session_any_1d_personas",
        (journey_text("purchase", "scope: session\nwindow: 1d\nentry: any", SHOP, PERSONAS),),
        SHOP_EVENTS,
    ),
    Variant(
        "user_first_1d_personas",
        (journey_text("purchase", "scope: user\nwindow: 1d\nentry: first", SHOP, PERSONAS),),
        SHOP_EVENTS,
    ),
    Variant(
        "two_journeys",
        (
            journey_text("long", "scope: user\nwindow: 7d\nentry: first", EDGES, ALL_SEGMENTS),
            journey_text("short", "scope: session\nwindow: 1h\nentry: any", EDGES, "segments: [os, page]"),
        ),
        EDGES_EVENTS,
        ties_of_pages=False,  # the page is a segment here
    ),
    Variant(
        "rules_7d",
        (journey_text("rules", "scope: user\nwindow: 7d\nentry: first", RULES),),
        RULES_EVENTS,
    ),
    Variant(
        "vendor_sessions",
        (
            journey_text("across", "scope: user\nwindow: 1d\nentry: first", EDGES),
            journey_text("inside", "scope: session\nwindow: 1h\nentry: first", EDGES),
        ),
        EDGES_EVENTS,
        vendor_sessions=True,
    ),
]
BY_NAME = {variant.name: variant for variant in VARIANTS}


def make_event(device_id: str, event_at: datetime, event_name: str, **more: Any) -> Event:
    usual: Event = {
        "source": "ga4",
        "device_id": device_id,
        "user_id": None,
        "event_at": event_at,
        "event_name": event_name,
        "page": "/",
        "device": "desktop",
        "os": "Linux",
        "browser": "Firefox",
        "country": "ES",
        "channel": "Direct",
        "is_new_user": False,
        "value": None,
        "currency": None,
        "transaction_id": None,
        "vendor_session_id": None,
    }
    return usual | more


# --------------------------------------------------------- the oracle, against cases worked by hand


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("/collections/*", "/collections/a/b", True),
        ("/collections/*", "/collections/", True),
        ("/collections/*", "/collections", False),
        ("*", "", True),
        ("", "", True),
        ("", "/", False),
        ("/a?c", "/abc", False),
        ("/[a]", "/a", False),
        ("/[a]", "/[a]", True),
        (r"/a\*b", "/a*b", True),
        (r"/a\*b", "/axb", False),
        (r"/a\*b*", "/a*bcd", True),
        ("a*b*c", "a-c-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("/A", "/a", False),
    ],
)
def test_oracle_glob(pattern: str, text: str, expected: bool) -> None:
    assert glob(pattern, text) is expected


# Stages 1 2 4 5 are required, 3 is optional.
@pytest.mark.parametrize(
    ("path", "converted", "skipped", "looped", "went_back", "fits"),
    [
        ([1, 2, 4, 5], True, 0, 0, 0, 1.0),
        ([1, 2, 3, 4, 5], True, 0, 0, 0, 1.0),
        ([1], False, 0, 0, 0, 1.0),
        ([1, 2], False, 0, 0, 0, 1.0),
        ([1, 2, 3], False, 0, 0, 0, 1.0),  # required up to the optional stage: 1 and 2
        ([1, 3], False, 1, 0, 0, 1 - 1 / 4),  # insert 2
        ([1, 5], True, 2, 0, 0, 1 - 2 / 6),  # insert 2 and 4
        ([5], True, 3, 0, 0, 1 - 3 / 5),
        ([1, 2, 1, 2, 4, 5], True, 0, 2, 1, 1 - 2 / 10),  # delete one 1 and one 2
        ([1, 1], False, 0, 1, 0, 1 - 1 / 3),  # two sessions, the same stage: a loop, no step back
        ([2, 1], False, 0, 0, 1, 1 - 2 / 4),  # delete the 1 and insert it in front
        ([4, 2, 1], False, 0, 0, 2, 1 - 4 / 6),
        ([3, 4, 3], False, 2, 1, 1, 1 - 3 / 6),  # insert 1 and 2, delete one 3
        ([1, 4, 3, 4, 5], True, 1, 1, 1, 1 - 2 / 9),  # delete the first 4, insert 2
        ([1, 4, 2, 2], False, 0, 1, 2, 1 - 3 / 7),  # delete both 2, insert one before 4
        ([3], False, 2, 0, 0, 1 - 2 / 3),
    ],
)
def test_oracle_shape_of_a_path(
    path: list[int], converted: bool, skipped: int, looped: int, went_back: int, fits: float
) -> None:
    required = [1, 2, 4, 5]
    assert (skips(path, required), loops(path), backtracks(path)) == (skipped, looped, went_back)
    assert fitness(path, required, [3], converted) == pytest.approx(fits)


def test_oracle_edits() -> None:
    assert edits([1, 2, 3], [1, 2, 3]) == 0
    assert edits([], [1, 2]) == 2
    assert edits([2, 1], [1, 2]) == 2
    assert edits([1, 3, 2, 3], [1, 2, 3]) == 1


LETTERS = {
    "L": "view_item_list",
    "I": "view_item",
    "W": "add_to_wishlist",
    "C": "add_to_cart",
    "P": "purchase",
    "x": "scroll",
}
MONDAY = datetime(2025, 6, 9, 8)


def tell(story: str, header: str, more: str = "segments: [device]", **settings: Any) -> User:
    """`"L0 I10 P20.5"`: a list at minute 0, an item at minute 10, a purchase at minute 20.5."""
    events = []
    for number, step in enumerate(story.split()):
        moment = MONDAY + float(step[1:]) * MINUTE
        bought = {"value": 10.0, "currency": "EUR", "transaction_id": f"t{number}"}
        events.append(make_event("d", moment, LETTERS[step[0]], **(bought if "P" in step else {})))
    return read(events, header, more, **settings)


def read(events: list[Event], header: str, more: str = "segments: [device]", **settings: Any) -> User:
    horizon = settings.get("horizon", MONDAY + 30 * DAY)
    journey = Journey.parse(journey_text("j", header, SHOP, more))
    return read_user(events, [journey], TIMEZONE, INACTIVITY, horizon, CURRENCY)


def outlines(user: User) -> list[tuple[str, str]]:
    return [
        (">".join(visit.stage.name for visit in attempt.visits), attempt.outcome)
        for attempt in user.attempts["j"]
    ]


LONELY = "#"  # a visit that belongs to no attempt


def belonging(user: User) -> str:
    """Per visit the number of its attempt."""
    places = {id(attempt): str(place) for place, attempt in enumerate(user.attempts["j"], start=1)}
    return "".join(places.get(id(visit.attempt), LONELY) for visit in user.visits["j"])


@pytest.mark.parametrize(
    ("story", "header", "expected", "owners"),
    [
        (
            "L0 I10 L12 I13 C14 P20",
            "window: 7d",
            "discover>consider>discover>consider>cart>buy",
            "111111",
        ),
        # Unmatched events do not break a run; another stage does; a new session (after 40) does.
        ("L0 x1 L2 I3 I33 I73", "window: 7d", "discover>consider>consider", "111"),
        # Ties resolve by the order of the stages, however the events come.
        ("P5 C5 I5 L5", "window: 7d", "discover>consider>cart>buy", "1111"),
        ("I5 L5 L6", "window: 7d", "discover>consider>discover", "111"),
        # Before the first entry visit nothing is open; with entry any everything opens.
        ("I0 L1 I2", "window: 7d", "discover>consider", "#11"),
        ("I0 L1 I2", "window: 7d\nentry: any", "consider>discover>consider", "111"),
        ("W0 I1", "window: 7d\nentry: any", "wish>consider", "11"),
        ("P0", "window: 7d\nentry: any", "buy", "1"),
        ("P0", "window: 7d", "", "#"),
        # The window is inclusive; the next attempt opens behind it.
        ("L0 P60", "window: 1h", "discover>buy", "11"),
        ("L0 P60.001", "window: 1h", "discover", "1#"),
        ("L0 L60", "window: 1h", "discover>discover", "11"),
        ("L0 L60.001", "window: 1h", "discover|discover", "12"),
        ("L0 I45 L90 P150", "window: 1h", "discover>consider|discover>buy", "1122"),
        # After a conversion: not in this session, not in one that starts at its end.
        ("L0 P1 L2 I3", "window: 7d", "discover>buy", "11##"),
        ("L0 P1 L2 I3 L34 I35", "window: 7d", "discover>buy|discover>consider", "11##22"),
        ("L0 P1 P2 x3 P4", "window: 7d", "discover>buy", "11"),
        # Scope session: one attempt a session, whatever follows in it.
        ("L0 I40 P41", "window: 7d\nscope: session", "discover", "1##"),
        ("L0 P1 L2", "window: 7d\nscope: session", "discover>buy", "11#"),
        ("L0 x25 I50 x70 L75 P76", "window: 1h\nscope: session", "discover>consider", "11##"),
        ("L0 L40 P41", "window: 7d\nscope: session", "discover|discover>buy", "122"),
    ],
)
def test_oracle_attempts(story: str, header: str, expected: str, owners: str) -> None:
    user = tell(story, header)
    assert "|".join(path for path, _ in outlines(user)) == expected
    assert belonging(user) == owners


def test_oracle_sessions_cut_at_a_longer_gap_only() -> None:
    moments = [MONDAY, MONDAY + 30 * MINUTE, MONDAY + 60 * MINUTE + MICRO]
    user = read([make_event("d", moment, "scroll") for moment in moments], "window: 1d")
    assert [(session.start, session.end) for session in user.sessions] == [
        (moments[0], moments[1]),
        (moments[2], moments[2]),
    ]


def test_oracle_vendor_sessions_are_not_cut() -> None:
    vendor = ["a", "b", "a"]
    events = [
        make_event("d", MONDAY + hour * HOUR, "scroll", vendor_session_id=name)
        for hour, name in enumerate(vendor)
    ]
    sessions = read(events, "window: 1d").sessions
    assert [(s.start, s.end) for s in sessions] == [
        (MONDAY, MONDAY + 2 * HOUR),
        (MONDAY + HOUR, MONDAY + HOUR),
    ]


@pytest.mark.parametrize(
    ("story", "header", "horizon", "outcome", "matured"),
    [
        ("L0 I1", "window: 1d", DAY + MICRO, "abandoned", True),
        ("L0 I1", "window: 1d", DAY, "open", False),
        ("L0 I1", "window: 1d", HOUR, "open", False),
        ("L0 P1", "window: 1d", HOUR, "converted", False),
        ("L0 P1", "window: 1d", 2 * DAY, "converted", True),
        # Scope session: the session ends at minute 20 and could have gone on until 50.
        ("L0 I10 x20", "window: 1d\nscope: session", 50 * MINUTE, "open", False),
        ("L0 I10 x20", "window: 1d\nscope: session", 50 * MINUTE + MICRO, "abandoned", True),
        ("L0 I29 x58", "window: 1h\nscope: session", 60 * MINUTE + MICRO, "abandoned", True),
    ],
)
def test_oracle_outcome(story: str, header: str, horizon: timedelta, outcome: str, matured: bool) -> None:
    (attempt,) = tell(story, header, horizon=MONDAY + horizon).attempts["j"]
    assert (attempt.outcome, attempt.matured) == (outcome, matured)


def test_oracle_value_counts_transactions_once_until_the_session_ends() -> None:
    def bought(minute: float, transaction: str | None, value: float | None, **more: Any) -> Event:
        money = {"value": value, "currency": "EUR", "transaction_id": transaction} | more
        return make_event("d", MONDAY + minute * MINUTE, "purchase", **money)

    events = [
        make_event("d", MONDAY, "view_item_list"),
        bought(1, "a", 10.0),
        bought(2, "a", 99.0),  # repeated: dropped
        bought(3, "b", 5.0),
        bought(4, None, 2.0),
        bought(5, None, 2.0),
        bought(6, "c", 50.0, currency="USD"),  # foreign: left out
        bought(7, "d", None),
        make_event("d", MONDAY + 30 * MINUTE, "scroll"),
        bought(60, "e", 1.0),  # 30 minutes after the scroll: the same session
        bought(91, "f", 1000.0),  # another session
        bought(120, "a", 10.0),  # dropped: it prolongs no session
    ]
    user = read(events, "window: 7d")
    (attempt,) = user.attempts["j"]
    assert attempt.value == 20.0
    assert [len(session.events) for session in user.sessions] == [9, 1]
    assert user.sessions[-1].end == MONDAY + 91 * MINUTE


def test_oracle_personas_and_their_ideals() -> None:
    def told(device: str, new: bool, *names: str) -> tuple[str, int, float]:
        more = {"device": device, "is_new_user": new}
        events = [
            make_event("d", MONDAY + minute * MINUTE, name, **(more if minute == 0 else {}))
            for minute, name in enumerate(names)
        ]
        (attempt,) = read(events, "window: 7d", PERSONAS).attempts["j"]
        fit = fitness(attempt.path, attempt.required, attempt.optional, attempt.converted)
        return attempt.persona.name, skips(attempt.path, attempt.required), round(fit, 6)

    all_of_it = ("view_item_list", "view_item", "add_to_wishlist", "add_to_cart", "purchase")
    # new_mobile matches first, and may not wish: one visit too many of 5, 4 required.
    assert told("mobile", True, *all_of_it) == ("new_mobile", 0, round(1 - 1 / 9, 6))
    # mobile needs discover and buy only, and may wish.
    assert told("mobile", False, *all_of_it) == ("mobile", 0, round(1 - 2 / 7, 6))
    assert told("mobile", False, "view_item_list", "purchase") == ("mobile", 0, 1.0)
    # south: desktop, ES, Direct; no cart.
    assert told("desktop", True, "view_item_list", "purchase") == ("south", 1, 1 - 1 / 5)
    assert told("desktop", True, *all_of_it) == ("south", 0, 1 - 1 / 8)


def test_oracle_entry_date_is_local() -> None:
    # 2025-03-30 01:00 UTC Madrid goes from +1 to +2; 2025-10-26 01:00 UTC back to +1.
    for moment, day in [
        (datetime(2025, 3, 29, 22, 59, 59, 999999), date(2025, 3, 29)),
        (datetime(2025, 3, 29, 23), date(2025, 3, 30)),
        (datetime(2025, 3, 30, 21, 59), date(2025, 3, 30)),
        (datetime(2025, 3, 30, 22), date(2025, 3, 31)),
        (datetime(2025, 10, 25, 22), date(2025, 10, 26)),
        (datetime(2025, 10, 26, 22, 30), date(2025, 10, 26)),
        (datetime(2025, 10, 26, 23), date(2025, 10, 27)),
    ]:
        (attempt,) = read([make_event("d", moment, "view_item_list")], "window: 7d").attempts["j"]
        assert attempt.entry_date == day


def test_oracle_funnel() -> None:
    stories = ["L0 I10 W11 C12 P20", "L0 C5 I7", "L0 I30", "L0 P4", "L0 I1 C61 x70"]
    attempts = [a for story in stories for a in tell(story, "window: 1d").attempts["j"]]
    late = tell("L0 I6", "window: 1d", horizon=MONDAY + DAY)  # open
    rows = stage_funnel([*attempts, *late.attempts["j"]])
    day = date(2025, 6, 9)
    grain = ("j", "default", day, "desktop", "Linux", "Firefox", "ES", "Direct", False)
    assert rows == {
        (*grain, stage): row
        for stage, row in {
            "discover": FunnelRow(1, "consider", 6, 5, 0, 1, 5, 4, [600, 420, 1800, 60, 360]),
            "consider": FunnelRow(2, "cart", 5, 2, 1, 2, 4, 2, [120, 3600]),
            "cart": FunnelRow(4, "buy", 3, 1, 0, 2, 3, 1, [480]),
            "buy": FunnelRow(5, None, 2, 2, 0, 0, 2, 2),
        }.items()
    }
    assert rows[(*grain, "discover")].median_seconds_to_next == 420
    assert rows[(*grain, "consider")].median_seconds_to_next == 1860
    assert rows[(*grain, "buy")].median_seconds_to_next is None


# ------------------------------------------------------------------------------------ random worlds

# Local midnight of Madrid is 22:00 UTC in summer and 23:00 in winter; both clock changes of 2025,
# a leap day, a new year, and a plain June.
BASES = [
    datetime(2025, 3, 24),
    datetime(2025, 10, 20),
    datetime(2024, 2, 22),
    datetime(2025, 12, 24),
    datetime(2025, 6, 2),
]
SPAN = 17 * DAY
JUNE = datetime(2025, 6, 2)
STEPS = [
    *([timedelta(0)] * 3),
    MICRO,
    *([5 * MINUTE, 10 * MINUTE] * 3),
    *([30 * MINUTE] * 3),
    30 * MINUTE - MICRO,
    *([30 * MINUTE + MICRO] * 2),
    HOUR,
    HOUR + MICRO,
    6 * HOUR,
    DAY,
    3 * DAY,
]
SIZES = [1, 2, 2, 3, 3, 4, 4, 5, 6, 7, 9, 12]
NUDGES = [-MICRO, timedelta(0), timedelta(0), MICRO]
MONEY = ("purchase", "order_confirmed")


@dataclass(frozen=True)
class World:
    variant: Variant
    events: list[Event]
    horizon: datetime

    def build(self, build_world: BuildWorld) -> Tables:
        return build_world(
            self.events,
            list(self.variant.journeys),
            timezone=TIMEZONE,
            inactivity_seconds=INACTIVITY,
            horizon=self.horizon,
            currency=CURRENCY,
        )


def make_world(variant: Variant, seed: int, base: datetime | None = None) -> World:
    rng = random.Random(f"{variant.name} {seed}")
    base = base or rng.choice(BASES)
    horizon = base + SPAN + rng.choice([0, 22, 23]) * HOUR
    events: list[Event] = []
    for number in range(rng.randint(200, 600)):
        events += make_user(rng, f"device-{number:03}", variant, base, horizon)
    rng.shuffle(events)
    return World(variant, events, horizon)


def make_times(rng: random.Random, variant: Variant, base: datetime, horizon: datetime) -> list[datetime]:
    """Increasing, many equal, many at the very edge of a session, a window, a day, the horizon."""
    windows = [journey.window for journey in variant.parsed]
    if rng.random() < 0.2:  # an opening whose window ends about the horizon
        start = horizon - rng.choice([*windows, HOUR, 30 * MINUTE]) + rng.choice(NUDGES)
    else:
        start = base + rng.randrange(16) * DAY
        start += rng.choice([21.5, 22, 22.5, 23, 23.5, 0, 1, 12]) * HOUR
        start += rng.choice([*NUDGES, timedelta(0)])
    times = [start]
    for _ in range(rng.choice(SIZES) - 1):
        if rng.random() < 0.15:
            times.append(rng.choice(times) + rng.choice(windows) + rng.choice(NUDGES))
        else:
            times.append(max(times) + rng.choice(STEPS))
    return sorted(time for time in times if time < horizon)


def make_names(rng: random.Random, variant: Variant, size: int) -> list[tuple[str, str | None]]:
    """Few different events, so that stages repeat; some users walk forward, some wander."""
    letters = sorted(rng.sample(range(len(variant.events)), rng.randint(1, 5)))
    if rng.random() < 0.6:
        letters = sorted({0, 1, *letters})
    if rng.random() < 0.3:
        money = {n for n, (name, _) in enumerate(variant.events) if name in MONEY}
        letters = sorted({*letters, *money})
    if rng.random() < 0.5:
        return [variant.events[rng.choice(letters)] for _ in range(size)]
    walk, place = [], 0
    for _ in range(size):
        walk.append(variant.events[letters[place]])
        place = max(0, min(len(letters) - 1, place + rng.choice([1, 1, 1, 0, -1])))
    return walk


def make_user(
    rng: random.Random, device_id: str, variant: Variant, base: datetime, horizon: datetime
) -> list[Event]:
    times = make_times(rng, variant, base, horizon)
    several_names = variant.events is RULES_EVENTS  # one transaction may come under two names
    vendor = variant.vendor_sessions and rng.random() < 0.8
    steady = {
        "device": rng.choice(["mobile", "desktop", "tablet"]),
        "os": rng.choice(["iOS", "Windows"]),
        "country": rng.choice(["ES", "PT", "FR", None]),
        "channel": rng.choice(["Direct", "Email", "Paid Search"]),
        "is_new_user": rng.random() < 0.5,
    }
    # What is decided per moment and not per event keeps ties from deciding what a session is.
    moments: dict[datetime, Row] = {}
    vendor_ids: dict[tuple[datetime, str], str] = {}
    vendor_session = 1
    events: list[Event] = []
    taken: set[tuple[Any, ...]] = set()
    for time, (name, page) in zip(times, make_names(rng, variant, len(times)), strict=True):
        if time not in moments:
            moments[time] = dict(steady)
            if rng.random() < 0.15:
                moments[time] |= {"device": rng.choice(["mobile", "desktop"]), "os": "Android"}
        if vendor and (time, name) not in vendor_ids:  # sessions may overlap and start together
            vendor_session = rng.choice([vendor_session, vendor_session + 1, 1])
            vendor_ids[time, name] = str(vendor_session)
        vendor_id = vendor_ids.get((time, name))
        more = moments[time] | {"page": page, "vendor_session_id": vendor_id}
        event = make_event(device_id, time, name, **more)
        if name in MONEY:
            number = rng.choice([1, 1, 2, 3])
            value = float(number) if several_names else rng.choice([0.25, 10.5, 100.0, None])
            foreign = number == 3 and rng.random() < 0.5 and not several_names
            event |= {
                "transaction_id": rng.choice([f"{device_id}-{number}", f"shared-{number}", None]),
                "value": value,
                "currency": "USD" if foreign else "EUR",
            }
        # No two events that only an id could tell apart.
        keys: set[tuple[Any, ...]] = {(time, name, page), (time, name, event["transaction_id"] or page)}
        if name != "purchase" and event["transaction_id"]:
            keys.add((name, event["transaction_id"]))  # is a repeat of it a repeated purchase? undecided
        if not variant.ties_of_pages:
            keys.add((time, name))
        if not keys & taken:
            taken |= keys
            events.append(event)
    return events


# -------------------------------------------------------------- both sides in the same plain shapes


def words(text: str) -> list[str]:
    return text.split()


SESSION_COLUMNS = words("""source started_at ended_at event_count session_date device os browser country
    channel is_new_user landing_page exit_page value""")
EVENT_COLUMNS = words("event_at event_name page transaction_id device is_new_user")
VISIT_COLUMNS = words("journey visit_number stage stage_number entered_at left_at event_count")
ATTEMPT_COLUMNS = words("""journey entered_at entry_date furthest_stage furthest_stage_number outcome
    converted_at path skips loops backtracks fitness value persona""")
ATTEMPT_COLUMNS += SEGMENTS
FUNNEL_COUNTS = words("reached advanced still_open lost matured matured_advanced")
FUNNEL_COLUMNS = ["stage_number", "next_stage", *FUNNEL_COUNTS, "median_seconds_to_next"]
SORT_KEYS = {
    "events": ("event_at", "event_name", "page"),
    "sessions": ("started_at", "ended_at", "event_count", "value"),
    "visits": ("journey", "visit_number"),
    "attempts": ("journey", "entered_at", "path"),
}
UserRows = dict[str, list[Row]]  # the keys of SORT_KEYS


@dataclass
class Plain:
    """A world without opaque ids."""

    users: dict[str, UserRows]  # by device
    funnel: dict[tuple[Any, ...], Row]  # by the journey's own grain
    paths: dict[tuple[str, str], Row]  # by journey and path


def in_order(rows: UserRows) -> UserRows:
    def key(table: str, row: Row) -> list[str]:
        return [f"{row[column]:>9}" if column == "visit_number" else str(row[column])
                for column in SORT_KEYS[table]]  # fmt: skip

    return {name: sorted(found, key=lambda row: key(name, row)) for name, found in rows.items()}


def stage_names(attempt: Attempt) -> str:
    return ">".join(visit.stage.name for visit in attempt.visits)


def expected_user(user: User, further_segments: Sequence[str]) -> UserRows:
    rows: UserRows = {"sessions": [], "visits": [], "attempts": []}
    rows["events"] = [
        {column: event[column] for column in EVENT_COLUMNS}
        | {"session": next(s.start for s in user.sessions if event in s.events)}
        for event in user.events
    ]
    alike = Counter(outline(session) for session in user.sessions)
    for session in user.sessions:
        first = session.events[0]
        alone = alike[outline(session)] == 1
        local = session.start.replace(tzinfo=UTC).astimezone(ZoneInfo(TIMEZONE))
        revenue = [e["value"] or 0.0 for e in session.events if e["currency"] == CURRENCY]
        only_purchases = {e["event_name"] for e in session.events if e["value"]} <= {"purchase"}
        rows["sessions"].append(
            {column: first[column] for column in SESSION_COLUMNS if column in first}
            | {
                "started_at": session.start,
                "ended_at": session.end,
                "event_count": len(session.events),
                "session_date": local.date(),
                "landing_page": only_page(session.events, session.start) if alone else ANY,
                "exit_page": only_page(session.events, session.end) if alone else ANY,
                "value": sum(revenue, 0.0) if only_purchases else ANY,
            }
        )
    for journey, visits in user.visits.items():
        for visit in visits:
            rows["visits"].append(
                {
                    "journey": journey,
                    "visit_number": visit.number,
                    "stage": visit.stage.name,
                    "stage_number": visit.stage.number,
                    "entered_at": visit.entered_at,
                    "left_at": visit.events[-1]["event_at"],
                    "event_count": len(visit.events),
                    "session": visit.session.start,
                    "attempt": visit.attempt.opening.entered_at if visit.attempt else None,
                }
            )
    for journey, attempts in user.attempts.items():
        for attempt in attempts:
            path, required = attempt.path, attempt.required
            first = attempt.opening.events[0]
            rows["attempts"].append(
                {segment: first[segment] for segment in SEGMENTS}
                | {s: first[s] if s in attempt.journey.further_segments else None for s in further_segments}
                | {
                    "journey": journey,
                    "entered_at": attempt.opening.entered_at,
                    "entry_date": attempt.entry_date,
                    "furthest_stage": attempt.journey.stages[max(path) - 1].name,
                    "furthest_stage_number": max(path),
                    "outcome": attempt.outcome,
                    "converted_at": attempt.visits[-1].entered_at if attempt.converted else None,
                    "path": stage_names(attempt),
                    "skips": skips(path, required),
                    "loops": loops(path),
                    "backtracks": backtracks(path),
                    "fitness": round(fitness(path, required, attempt.optional, attempt.converted), 9),
                    "value": attempt.value,
                    "persona": attempt.persona.name,
                }
            )
    return in_order(rows)


def outline(session: Session) -> tuple[datetime, datetime, int]:
    return session.start, session.end, len(session.events)


def only_page(events: list[Event], moment: datetime) -> Any:
    """The page of the first or last event; anything where a tie or no page leaves it open."""
    pages = {event["page"] for event in events if event["event_at"] == moment}
    return pages.pop() if len(pages) == 1 and None not in pages else ANY


def expected_world(world: World) -> Plain:
    by_device = defaultdict(list)
    for event in world.events:
        by_device[event["device_id"]].append(event)
    journeys = world.variant.parsed
    users = {
        device: read_user(events, journeys, TIMEZONE, INACTIVITY, world.horizon, CURRENCY)
        for device, events in by_device.items()
    }
    attempts = [a for user in users.values() for found in user.attempts.values() for a in found]
    funnel = {
        key: {
            "median_seconds_to_next": row.median_seconds_to_next,
            **{column: getattr(row, column) for column in FUNNEL_COLUMNS},
        }
        for key, row in stage_funnel(attempts).items()
    }
    paths: dict[tuple[str, str], Row] = {}
    for attempt in attempts:
        key = (attempt.journey.name, stage_names(attempt))
        row = paths.setdefault(key, {"attempts": 0, "converted": 0, "value": 0.0})
        row["attempts"] += 1
        row["converted"] += attempt.converted
        row["value"] += attempt.value
    further = world.variant.further_segments
    return Plain({device: expected_user(user, further) for device, user in users.items()}, funnel, paths)


def plain_value(value: Any) -> Any:
    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value.item() if hasattr(value, "item") else value


def records(frame: pd.DataFrame) -> list[Row]:
    return [
        {str(column): plain_value(value) for column, value in row.items()} for row in frame.to_dict("records")
    ]


def pick(row: Row, columns: Iterable[str]) -> Row:
    """The columns; days as dates, no money as 0."""
    picked = {column: row[column] for column in columns}
    for column in ("entry_date", "session_date"):
        if isinstance(picked.get(column), datetime):
            picked[column] = picked[column].date()
    if "value" in picked:
        picked["value"] = picked["value"] or 0.0
    if "fitness" in picked:
        picked["fitness"] = round(picked["fitness"], 9)
    return picked


def got_world(world: World, tables: Tables) -> Plain:
    devices = {row["user_key"]: row["device_id"] for row in records(tables["users"])}
    users: dict[str, UserRows] = {device: {name: [] for name in SORT_KEYS} for device in devices.values()}
    started = {}
    for row in records(tables["sessions"]):
        started[row["session_id"]] = row["started_at"]
        users[devices[row["user_key"]]]["sessions"].append(pick(row, SESSION_COLUMNS))
    for row in records(tables["events"]):
        found = pick(row, EVENT_COLUMNS) | {"session": started[row["session_id"]]}
        users[row["device_id"]]["events"].append(found)
    opened = {None: None}
    further = world.variant.further_segments
    for row in records(tables["attempts"]):
        opened[row["attempt_id"]] = row["entered_at"]
        users[devices[row["user_key"]]]["attempts"].append(pick(row, [*ATTEMPT_COLUMNS, *further]))
    for row in records(tables["stage_visits"]):
        found = pick(row, VISIT_COLUMNS) | {
            "session": started[row["session_id"]],
            "attempt": opened[row["attempt_id"]],
        }
        users[devices[row["user_key"]]]["visits"].append(found)

    own = {journey.name: journey.further_segments for journey in world.variant.parsed}
    funnel: dict[tuple[Any, ...], Row] = {}
    for row in records(tables["stage_funnel"]):
        grain = ["journey", "persona", "entry_date", *SEGMENTS, *own[row["journey"]], "stage"]
        key = tuple(pick(row, grain).values())
        assert key not in funnel, f"stage_funnel has two rows of {dict(zip(grain, key, strict=True))}"
        assert not [s for s in further if s not in own[row["journey"]] and row[s] is not None]
        funnel[key] = pick(row, FUNNEL_COLUMNS)
    # A stage nobody reached may have a row or not.
    funnel = {key: row for key, row in funnel.items() if row["reached"] or any_count(row)}
    paths = {
        (row["journey"], row["path"]): pick(row, ["attempts", "converted", "value"])
        for row in records(tables["stage_paths"])
    }
    return Plain({device: in_order(rows) for device, rows in users.items()}, funnel, paths)


def any_count(row: Row) -> bool:
    return any(row[column] for column in FUNNEL_COUNTS)


def differences(expected: Sequence[Row], got: Sequence[Row]) -> str:
    """`-` only expected, `+` only got, and a note where a row differs in some columns only."""
    lines = []
    for place in range(max(len(expected), len(got))):
        want = expected[place] if place < len(expected) else None
        have = got[place] if place < len(got) else None
        if want == have:
            lines.append(f"    {brief(want)}")
            continue
        lines += [f"  - {brief(want)}"] if want else []
        lines += [f"  + {brief(have)}"] if have else []
        if want and have:
            wrong = [column for column in want if want[column] != have.get(column)]
            lines.append("  ^ " + ", ".join(f"{c}: {want[c]!r} -> {have.get(c)!r}" for c in wrong))
    return "\n".join(lines)


def brief(row: Row | None) -> str:
    return "  ".join(f"{key}={value}" for key, value in (row or {}).items() if value is not None)


def compare(world: World, expected: Plain, got: Plain) -> None:
    about = f"{world.variant.name}, horizon {world.horizon}\n" + "\n".join(world.variant.journeys)
    nothing: UserRows = {name: [] for name in SORT_KEYS}
    wrong = [
        device
        for device in expected.users.keys() | got.users.keys()
        if expected.users.get(device) != got.users.get(device)
    ]
    if wrong:
        sizes = Counter(event["device_id"] for event in world.events)
        device = min(wrong, key=lambda device: (sizes[device], device))
        events = sorted(
            (event for event in world.events if event["device_id"] == device),
            key=lambda event: event["event_at"],
        )
        lines = [f"{len(wrong)} of {len(expected.users)} users differ, smallest {device}", about]
        lines += [f"    {brief(event)}" for event in events]
        for name in SORT_KEYS:
            want = expected.users.get(device, nothing)[name]
            have = got.users.get(device, nothing)[name]
            if want != have:
                lines += [f"{name} (- expected, + got)", differences(want, have)]
        pytest.fail("\n".join(lines), pytrace=False)
    for name, want_rows, have_rows in [
        ("stage_funnel", expected.funnel, got.funnel),
        ("stage_paths", expected.paths, got.paths),
    ]:
        keys = want_rows.keys() | have_rows.keys()
        bad = sorted((k for k in keys if want_rows.get(k) != have_rows.get(k)), key=str)
        if bad:
            lines = [f"{name}: {len(bad)} of {len(keys)} rows differ", about]
            for key in bad[:5]:
                lines += [str(key), f"  - {brief(want_rows.get(key))}"]
                lines += [f"  + {brief(have_rows.get(key))}"]
            pytest.fail("\n".join(lines), pytrace=False)


# ------------------------------------------------------------------------- the marts and the oracle


@pytest.fixture(scope="module")
def build_world() -> BuildWorld:
    from pipelines.world import build_world

    return build_world


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_marts_equal_the_oracle(build_world: BuildWorld, variant: Variant) -> None:
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],  # the report picks the smallest user; a smaller seed says nothing
        suppress_health_check=list(HealthCheck),
    )
    @given(seed=st.integers(0, 2**32 - 1))
    def check(seed: int) -> None:
        world = make_world(variant, seed)
        tables = world.build(build_world)
        compare(world, expected_world(world), got_world(world, tables))
        check_identities(world, tables)

    check()


def check_identities(world: World, tables: Tables) -> None:
    """What holds inside the tables, whatever the oracle says."""
    funnel, attempts, visits = (tables[t] for t in ("stage_funnel", "attempts", "stage_visits"))
    for frame, key in [(attempts, "attempt_id"), (tables["sessions"], "session_id")]:
        assert frame[key].notna().all(), key
        assert frame[key].is_unique, key
    parts = funnel["advanced"] + funnel["still_open"] + funnel["lost"]
    assert (funnel["reached"] == parts).all()
    assert (funnel["matured"] <= funnel["reached"]).all()
    assert (funnel["matured_advanced"] <= funnel[["matured", "advanced"]].min(axis=1)).all()
    for journey in world.variant.parsed:
        mine = attempts[attempts["journey"] == journey.name]
        rows = funnel[funnel["journey"] == journey.name]
        if journey.entry == "first":
            first = next(stage.name for stage in journey.stages if not stage.optional)
            assert rows.loc[rows["stage"] == first, "reached"].sum() == len(mine)
        converted = rows.loc[rows["stage"] == journey.goal.name, "reached"].sum()
        assert converted == (mine["outcome"] == "converted").sum()
    owned = visits[visits["attempt_id"].notna()].groupby("attempt_id").size()
    stages = attempts.set_index("attempt_id")["path"].str.count(">") + 1
    assert owned.to_dict() == stages.to_dict()
    assert tables["stage_paths"]["attempts"].sum() == len(attempts)
    assert attempts["fitness"].between(0, 1).all()
    assert visits["event_count"].ge(1).all()
    assert (visits["left_at"] >= visits["entered_at"]).all()


# --------------------------------------------------------------------------------------- invariants


def printed(tables: Tables) -> dict[str, list[tuple[str, ...]]]:
    """Every column of every table, ids included."""
    return {
        name: sorted(tuple(str(row[column]) for column in sorted(row)) for row in records(tables[name]))
        for name in tables
    }


@pytest.mark.parametrize("name", ["two_journeys", "vendor_sessions"])
def test_order_of_input_changes_nothing(build_world: BuildWorld, name: str) -> None:
    world = make_world(BY_NAME[name], seed=1)
    in_time = sorted(world.events, key=lambda e: (e["event_at"], e["device_id"], e["event_name"]))
    ordered = World(world.variant, in_time, world.horizon)
    first, second = (printed(w.build(build_world)) for w in (world, ordered))
    assert first.keys() == second.keys()
    for table in first:
        assert first[table] == second[table], table


def test_a_file_a_day_is_as_good_as_one(build_world: BuildWorld, tmp_path: Path) -> None:
    world = make_world(BY_NAME["two_journeys"], seed=1)

    def spread(events: Iterable[Row], journeys: Sequence[str], **others: Any) -> Tables:
        return build_world(events, journeys, day_files=tmp_path / "days", **others)

    together, apart = printed(world.build(build_world)), printed(world.build(spread))
    assert len(list((tmp_path / "days").glob("*/*.parquet"))) > 3
    assert apart == together


def test_a_rule_that_asks_the_session_counts_like_one_that_asks_the_event(build_world: BuildWorld) -> None:
    """Journeys that ask where a visit came from are computed another way; here it changes nothing."""
    world = make_world(BY_NAME["two_journeys"], seed=1)

    def asking(events: Iterable[Row], journeys: Sequence[str], **others: Any) -> Tables:
        asked = [re.sub(r"\{(event: [^,}]+)", r"{\1, medium: direct", text) for text in journeys]
        assert asked != journeys
        return build_world(events, asked, **others)

    plain, asked = printed(world.build(build_world)), printed(world.build(asking))
    for table in ("stage_visits", "attempts", "stage_funnel", "stage_paths", "stage_cohorts"):
        assert asked[table] == plain[table], table


@pytest.mark.parametrize("name", ["user_first_1d_personas", "session_first_1h"])
def test_whole_weeks_later_everything_is_whole_weeks_later(build_world: BuildWorld, name: str) -> None:
    weeks = timedelta(weeks=7)  # June to August: no clock change between

    def moved(thing: Any) -> Any:
        if isinstance(thing, date):  # datetimes too
            return thing + weeks
        if isinstance(thing, tuple | list):
            return type(thing)(moved(item) for item in thing)
        if isinstance(thing, dict):
            return {moved(key): moved(value) for key, value in thing.items()}
        return thing

    world = make_world(BY_NAME[name], seed=2, base=JUNE)
    later = World(world.variant, moved(world.events), world.horizon + weeks)
    before = got_world(world, world.build(build_world))
    for rows in before.users.values():
        for session in rows["sessions"]:  # between two pages at one moment an id decides, and ids differ
            session |= {"landing_page": ANY, "exit_page": ANY}
    after = got_world(later, later.build(build_world))
    compare(later, Plain(moved(before.users), moved(before.funnel), before.paths), after)


def test_worlds_hold_what_they_are_for() -> None:
    """The random worlds hold each edge many times; else the comparison proves little."""
    found: Counter[str] = Counter()
    for variant in VARIANTS:
        for seed in range(2):
            world = make_world(variant, seed)
            for rows in expected_world(world).users.values():
                found["users"] += 1
                for visit in rows["visits"]:
                    found["visit without attempt"] += visit["attempt"] is None
                opened = defaultdict(list)
                for attempt in rows["attempts"]:
                    opened[attempt["journey"]].append(attempt)
                    found[attempt["outcome"]] += 1
                    found[attempt["persona"]] += 1
                    for shape in ("loops", "backtracks", "skips", "value"):
                        found[shape] += attempt[shape] > 0
                found["several attempts"] += any(len(some) > 1 for some in opened.values())
                times = [event["event_at"] for event in rows["events"]]
                found["ties"] += len(set(times)) < len(times)
                gaps = [b - a for a, b in pairwise(times)]
                found["gap of exactly 30 minutes"] += 30 * MINUTE in gaps
                found["gap just longer"] += 30 * MINUTE + MICRO in gaps
    rare = {name: count for name, count in found.items() if count < 20}
    names = {"converted", "abandoned", "open", "new_mobile", "mobile", "south", "default"}
    assert not rare, found
    assert names <= found.keys(), found
