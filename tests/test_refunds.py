"""Refunds take money off revenue: what a refund is worth, once, whatever the tool sends of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import build_steps

START = 1773140400  # 2026-03-10 11:00 UTC, in seconds
SECOND, HOUR, DAY = 1, 3_600, 86_400

JOURNEY = """\
journey: shop
window: 7d
stages:
  - {name: see, match: [{event: view_item}]}
  - {name: buy, match: [{event: purchase}], value: value}
"""
CONFIG = """\
timezone = "UTC"
currency = "EUR"
[fx]
USD = 0.5
[sources.ga4]
files = "ga4.jsonl"
[sources.till]
kind = "table"
files = "till.csv"
columns.event_at = "when"
columns.event_name = "what"
columns.user_id = "who"
columns.value = "amount"
columns.transaction_id = "order"
"""

Event = dict[str, Any]


def event(
    name: str,
    order: str,
    at: int,
    value: float | None = None,
    *,
    device: str = "",
    currency: str | None = None,
) -> Event:
    """A GA4 event ``at`` seconds after the start, in a session of its own day."""
    params = [("ga_session_id", "int_value", 1 + at // DAY)]
    params += [("currency", "string_value", currency)] if currency else []
    money = {"purchase": "purchase_revenue", "refund": "refund_value"}.get(name)
    given = {money: value} if money and value is not None else {}
    return {
        "event_date": f"202603{10 + at // DAY}",
        "event_timestamp": str((START + at) * 1_000_000),
        "event_name": name,
        "user_pseudo_id": device or f"device of {order}",
        "event_params": [{"key": key, "value": {kind: worth}} for key, kind, worth in params],
        "ecommerce": {"transaction_id": order} | given,
    }


def bought(order: str, value: float = 40, **more: Any) -> list[Event]:
    return [
        event("view_item", "", 0, device=f"device of {order}"),
        event("purchase", order, 60, value, **more),
    ]


def shop(tmp_path: Path, ga4: list[Event], till: list[str] | None = None) -> duckdb.DuckDBPyConnection:
    (tmp_path / "journeys").mkdir()
    (tmp_path / "journeys" / "shop.yaml").write_text(JOURNEY, "utf-8")
    (tmp_path / "painpoints.toml").write_text(CONFIG, "utf-8")
    (tmp_path / "ga4.jsonl").write_text("".join(json.dumps(each) + "\n" for each in ga4), "utf-8")
    lines = ["when,what,who,amount,order", *(till or ["2026-03-10 09:00:00,seen,nobody,,"])]
    (tmp_path / "till.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return build_steps(tmp_path)


def refund_values(db: duckdb.DuckDBPyConnection, source: str = "ga4") -> list[float | None]:
    query = "select value from marts.events where event_name = 'refund' and source = ? order by event_at"
    return [row[0] for row in db.execute(query, [source]).fetchall()]


CASES: dict[str, tuple[list[Event], list[float | None]]] = {
    "a full refund carries the order number only": (
        [*bought("T1"), event("refund", "T1", DAY)],
        [-40.0],
    ),
    "sent twice at once, and again the next day, it counts once": (
        [*bought("T1"), *(event("refund", "T1", DAY + at) for at in (0, 5 * SECOND, DAY))],
        [-40.0, None, None],
    ),
    "an amount is taken as sent, whichever sign the shop gives it": (
        [*bought("T1"), event("refund", "T1", DAY, 15), *bought("T2"), event("refund", "T2", DAY + 1, -15)],
        [-15.0, -15.0],
    ),
    "parts of an order may be worth the same": (
        [*bought("T1"), event("refund", "T1", DAY, 10), event("refund", "T1", 2 * DAY, 10)],
        [-10.0, -10.0],
    ),
    "a part sent again without a pause is a reload": (
        [*bought("T1"), event("refund", "T1", DAY, 10), event("refund", "T1", DAY + 5 * SECOND, 10)],
        [-10.0, None],
    ),
    "a reload does not use up what may still be given back": (
        [*bought("T1"), *(event("refund", "T1", DAY + at, 20) for at in (0, 5 * SECOND, DAY))],
        [-20.0, None, -20.0],
    ),
    "the same amount again is a repeat where it gives back more than was paid": (
        [*bought("T1"), event("refund", "T1", DAY, 30), event("refund", "T1", 2 * DAY, 30)],
        [-30.0, None],
    ),
    "thirds of an order add up to it": (
        [*bought("T1", 99.99), *(event("refund", "T1", n * DAY, 33.33) for n in (1, 2, 3))],
        [-33.33, -33.33, -33.33],
    ),
    "more than was paid stays as sent": (
        [*bought("T1"), event("refund", "T1", DAY, 50)],
        [-50.0],
    ),
    "without an amount, after a part, it gives back what is left": (
        [*bought("T1"), event("refund", "T1", DAY, 30), event("refund", "T1", 2 * DAY)],
        [-30.0, -10.0],
    ),
    "a repeat that did not count leaves what it would have taken": (
        [
            *bought("T1"),
            *(event("refund", "T1", n * DAY, 30) for n in (1, 2)),
            event("refund", "T1", 3 * DAY),
        ],
        [-30.0, None, -10.0],
    ),
    "without an amount, after all parts, nothing is left": (
        [
            *bought("T1"),
            *(event("refund", "T1", n * DAY, 20) for n in (1, 2)),
            event("refund", "T1", 3 * DAY),
        ],
        [-20.0, -20.0, None],
    ),
    "what was left is given back once": (
        [*bought("T1"), event("refund", "T1", DAY, 30), *(event("refund", "T1", n * DAY) for n in (2, 3))],
        [-30.0, -10.0, None],
    ),
    "an order of the workspace's currency may be refunded with its name": (
        [*bought("T1"), *(event("refund", "T1", n * DAY, 40, currency="EUR") for n in (1, 2))],
        [-40.0, None],
    ),
    "what nobody saw bought has no value": (
        [*bought("T1"), event("refund", "T9", DAY)],
        [None],
    ),
    "an order reloaded on its thank-you page was paid once": (
        [*bought("T1"), event("purchase", "T1", 90, 40), event("refund", "T1", DAY)],
        [-40.0],
    ),
    "the shop's server refunds as nobody in particular": (
        [*bought("T1"), event("refund", "T1", DAY, device="server")],
        [-40.0],
    ),
    "two people with one order number get back what each of them paid": (
        [
            *bought("T1", 40),
            event("purchase", "T1", 120, 70, device="another"),
            event("refund", "T1", DAY, device="another"),
        ],
        [-70.0],
    ),
    "refunds without an order number are told apart by nothing": (
        [*bought("T1"), event("refund", "(not set)", DAY, 5), event("refund", "(not set)", DAY + 1, 5)],
        [-5.0, -5.0],
    ),
}


@pytest.fixture(scope="module")
def all_cases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """One shop in which every case has its own people and orders, told apart by a prefix."""
    events = []
    for number, (sent, _) in enumerate(CASES.values()):
        for each in sent:
            order = each["ecommerce"]["transaction_id"]
            own = order if order in ("", "(not set)") else f"{number}:{order}"
            events.append(
                each
                | {"user_pseudo_id": f"{number}:{each['user_pseudo_id']}"}
                | {"ecommerce": each["ecommerce"] | {"transaction_id": own}}
            )
    with shop(tmp_path_factory.mktemp("refunds"), events) as db:
        yield db


@pytest.mark.parametrize("name", CASES)
def test_what_a_ga4_refund_is_worth(all_cases: duckdb.DuckDBPyConnection, name: str) -> None:
    own = f"device_id like '{list(CASES).index(name)}:%'"
    query = f"select value from marts.events where event_name = 'refund' and {own} order by event_at"
    found = [row[0] for row in all_cases.execute(query).fetchall()]
    assert found == CASES[name][1]
    ((earned, left),) = all_cases.execute(
        f"""select (select sum(value) from marts.events where event_name = 'purchase' and {own}),
            (select sum(value) from marts.sessions
             where session_id in (select session_id from marts.events where {own}))"""
    ).fetchall()
    assert left == pytest.approx(earned + sum(value or 0 for value in found)), "sessions show what is left"


def test_a_refund_falls_into_the_session_it_is_sent_in_and_leaves_the_attempt_as_it_was(
    tmp_path: Path,
) -> None:
    with shop(tmp_path, [*bought("T1"), event("refund", "T1", DAY)]) as db:
        days = db.execute("select session_date::varchar, value from marts.sessions where source = 'ga4' "
                          "order by 1").fetchall()  # fmt: skip
        assert days == [("2026-03-10", 40.0), ("2026-03-11", -40.0)]
        # an attempt's value is that of its goal until the converting session ends; history is not restated
        attempts = db.execute("select outcome, value from marts.attempts").fetchall()
        assert attempts == [("converted", 40.0)]


def test_a_refund_in_the_session_of_the_purchase_leaves_nothing_of_it(tmp_path: Path) -> None:
    with shop(tmp_path, [*bought("T1"), event("refund", "T1", 300)]) as db:
        assert db.execute("select value from marts.sessions where source = 'ga4'").fetchall() == [(0.0,)]


def test_a_full_refund_is_in_the_currency_of_the_order(tmp_path: Path) -> None:
    events = [
        *bought("T1", 40, currency="USD"),
        event("refund", "T1", DAY),
        # a currency without an amount says nothing
        *bought("T2", 60, currency="USD"),
        event("refund", "T2", DAY + HOUR, currency="EUR"),
    ]
    with shop(tmp_path, events) as db:
        query = "select value, currency from marts.events where event_name = 'refund' order by event_at"
        assert db.execute(query).fetchall() == [(-40.0, "USD"), (-60.0, "USD")]
        total = db.execute("select sum(value) from marts.sessions").fetchall()
        assert total == [(0.0,)], "bought and refunded at the same rate"


def test_other_sources_send_refunds_as_negative_values_and_mean_each(tmp_path: Path) -> None:
    till = [
        "2026-03-10 10:00:00,purchase,c1,40,T1",
        # two lines of one order, given back together
        "2026-03-11 10:00:00,refund,c1,-15,T1",
        "2026-03-11 10:00:01,refund,c1,-15,T1",
    ]
    with shop(tmp_path, [*bought("T1"), event("refund", "T1", DAY)], till) as db:
        assert refund_values(db, "till") == [-15.0, -15.0]
        assert refund_values(db) == [-40.0], "an order of another tool is another order"
        query = "select source, sum(value) from marts.sessions group by source order by source"
        assert db.execute(query).fetchall() == [("ga4", 0.0), ("till", 10.0)]
