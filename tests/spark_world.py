# ruff: noqa: E501 - lines of exports
"""A small workspace in which every model has something to do, for the tests that compare engines."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from string import Template
from typing import Any

import duckdb

from connectors.shop import generate_shop
from pipelines.demo import DEMO_IDEALS
from pipelines.scaffold import TEMPLATES

LAST_DAY, DAYS, USERS = date(2026, 5, 31), 30, 600
_CRM = """
[sources.crm]
kind = "table"
files = "exports/crm.csv"
columns = {event_at = "when", event_name = "what", user_id = "who", device_id = "box", browser = "browser", \
vendor_session_id = "visit", value = "amount", currency = "money", transaction_id = "order", page = "page", \
source_name = "from", medium = "by"}
revenue_events = ["buy"]

[exclude]
max_events_per_day = 400

[fx]
USD = 0.9

[detection]
replay_nights = 2
"""
# small machines, and models so small that compiling them takes longer than running them
ENGINE = """
[engine.spark]
wait_seconds = 120

[engine.spark.conf]
"spark.driver.host" = "127.0.0.1"
"spark.executor.memory" = "640m"
"spark.driver.extraJavaOptions" = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"
"spark.executor.extraJavaOptions" = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC"
"spark.sql.codegen.wholeStage" = "false"
"spark.sql.shuffle.partitions" = "2"
"spark.locality.wait" = "0s"
"""
_ORDERS = """\
journey: orders
scope: session
window: 2h
sources: [crm]
stages:
  - {name: look, match: [{event: look, channel: Paid*}, {event: look, channel: Direct}]}
  - {name: rate, optional: true, match: [{event: rate, "properties.plan": "it's 100%"}]}
  - {name: pick, match: [{event: pick, page: "/item/*"}], ideal: {conversion: 0.5, within: 10m}}
  - {name: buy, match: [{event: buy}], ideal: {conversion: 0.5}, value: value}
personas:
  paid: {where: {medium: cpc}, without: [rate]}
segments: [device, browser, properties.plan]
"""
_HEADER = [
    "when",
    "what",
    "who",
    "box",
    "browser",
    "visit",
    "amount",
    "money",
    "order",
    "page",
    "from",
    "by",
    "plan",
]


def write_world(root: Path) -> None:
    """Config, journeys and exports: the demo's shop, people whom a vendor merges, and a shop's own log."""
    generate_shop(root, seed=7, days=DAYS, users=USERS, last_day=LAST_DAY)
    config = (TEMPLATES / "demo_painpoints.toml").read_text("utf-8")
    (root / "painpoints.toml").write_text(config + _CRM + ENGINE, "utf-8")
    (root / "journeys").mkdir()
    for journey, ideals in DEMO_IDEALS.items():
        text = Template((TEMPLATES / f"demo_{journey}.yaml").read_text("utf-8")).substitute(ideals)
        (root / "journeys" / f"{journey}.yaml").write_text(text, "utf-8")
    (root / "journeys" / "orders.yaml").write_text(_ORDERS, "utf-8")
    with (root / "exports" / "crm.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_HEADER)
        writer.writerows(_crm_rows())
    sorted((root / "exports" / "mixpanel").glob("*"))[DAYS // 2].unlink()
    with gzip.open(root / "exports" / "mixpanel" / "merges.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(line) + "\n" for line in _merges())


def _crm_rows() -> Iterator[Sequence[object]]:
    """Visits by day; late ones name `rate` otherwise, tell no value of a `buy`, and at last no `buy`."""
    for day in range(DAYS):
        if day != 14:
            for number in range(48):
                yield from _visit(day, number)
    for second in range(500):
        at = datetime.combine(LAST_DAY, datetime.min.time()) - timedelta(days=9, seconds=-second)
        yield (f"{at:%Y-%m-%d %H:%M:%S}", "look", "", "robot", "Headless 1", *[""] * 8)


def _visit(day: int, number: int) -> Iterator[Sequence[object]]:
    midnight = datetime.combine(LAST_DAY, datetime.min.time()) - timedelta(DAYS - 1 - day)
    at = midnight + timedelta(minutes=15 * number)
    is_late = day >= DAYS - 5
    who = f"u{day % 9}-{number}" if number % 3 else ("null" if number % 2 else "")
    came = (("google", "cpc"), ("", ""), ("news.example", "referral"))[number % 3]
    visit = f"v{number}" if number % 4 else ""
    plan = "it's 100%" if number % 2 else 'a "b" \\ ~/'
    browser = f"Browser {number % 4}"

    def row(
        minutes: int, what: str, page: str = "/", amount: object = "", order: str = ""
    ) -> Sequence[object]:
        money = ("EUR", "USD", "GBP", "")[number % 4] if amount != "" else ""
        moment = f"{at + timedelta(minutes=minutes):%Y-%m-%d %H:%M:%S}"
        url = f"https://shop.example{page}?a=1"
        return (moment, what, who, f"box{number}", browser, visit, amount, money, order, url, *came, plan)

    yield row(0, "look")
    yield row(0, "look")  # the very same row: a duplicate
    yield row(1, "score" if is_late else "rate")
    if number % 2:
        yield row(2 + number % 5, "pick", f"/item/{number % 6}")
        yield row(2 + number % 5, "look")
    if number % 2 and day < DAYS - 2:  # then the goal is not recorded at all
        amount = "" if is_late else 10.1 + number / 7
        yield row(15, "buy", "/", amount, f"o{day}-{number}")
        yield row(16, "buy", "/", amount, f"o{day}-{number}")  # the page loaded again
    if number % 11 == 1:
        yield row(700, "pick", "/item/9")  # after its window


def _merges() -> Iterator[dict[str, Any]]:
    at = datetime(2026, 5, 20, 10, tzinfo=UTC)
    for number in range(30):
        ids = [f"u1-{number}", f"u2-{number}"]
        told = {"time": int(at.timestamp()) + number, "distinct_id": ids[0], "$insert_id": f"merge{number}"}
        yield {"event": "$merge", "properties": {**told, "$distinct_ids": ids}}
        yield {
            "event": "$create_alias",
            "properties": {**told, "alias": f"u3-{number}", "$insert_id": f"alias{number}"},
        }


def vendor_reports(connection: duckdb.DuckDBPyConnection, *_: object) -> None:
    """Reports as GA4 would give them beside the export: some counts differ, a funnel is sampled."""
    connection.execute(
        "create or replace table lake.vendor_days as select 'ga4' as source, "
        "date '2026-05-05' + n::integer as day, n % 3 = 0 as is_sampled, n % 5 = 0 as is_thresholded, "
        "false as has_other_row, n % 7 = 0 as is_truncated, case when n % 11 = 0 then 'no data' end "
        "as empty_reason, 'Europe/Madrid' as time_zone, true as same_zone, n % 13 > 0 as is_settled "
        "from range(30) as r (n)"
    )
    connection.execute(
        "create or replace table lake.vendor_counts as select 'ga4' as source, day, event_name, "
        "(40 + dayofmonth(day))::bigint as vendor_count from lake.vendor_days "
        "cross join (values ('page_view'), ('purchase'), ('(other)'), (null)) as e (event_name)"
    )
    connection.execute(
        "create or replace table lake.vendor_funnels as select 'ga4' as source, 'purchase' as journey, "
        "date '2026-05-10' as first_day, date '2026-05-31' as last_day, n::integer as step_number, stage, "
        "(100 - 9 * n)::bigint as vendor_users, n = 3 as is_sampled from (values (1, 'discover'), (2, 'consider'), "
        "(3, 'cart'), (4, 'checkout')) as s (n, stage)"
    )
