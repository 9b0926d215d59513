"""Every file format a source may come in, from the file to marts.events."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import make_workspace, run_steps

JOURNEY = """\
journey: shop
stages:
  - {name: see, match: [{event: [view_item, "Product Viewed", seen]}]}
  - {name: buy, match: [{event: [purchase, "Order Completed", bought]}]}
"""


def run(folder: Path, config: str) -> duckdb.DuckDBPyConnection:
    """Pull, build and detect; returns the published file."""
    (folder / "journeys").mkdir(exist_ok=True)
    (folder / "journeys" / "shop.yaml").write_text(JOURNEY, "utf-8")
    (folder / "painpoints.toml").write_text(config, "utf-8")
    return run_steps(folder)


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    frame: pd.DataFrame = connection.execute(query).df()
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def parameter(key: str, **value: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("string_value", "int_value", "float_value", "double_value"))
    return {"key": key, "value": empty | value}


def ga4_event(name: str, at: int, **more: Any) -> dict[str, Any]:
    """A row of the export as of today; ``at`` in microseconds."""
    row: dict[str, Any] = {
        "event_date": "20260310",
        "event_timestamp": at,
        "event_name": name,
        "event_params": [
            parameter("ga_session_id", int_value=77),
            parameter("ga_session_number", int_value=1),
            parameter("page_location", string_value="https://shop.example/p/1?utm=x#top"),
        ],
        "user_pseudo_id": "c.1",
        "user_id": None,
        "device": {
            "category": "mobile",
            "operating_system": "iOS",
            "web_info": {"browser": "Safari", "browser_version": "26"},
        },
        "geo": {"country": "Spain", "city": "Madrid"},
        "items": [{"item_id": "a", "price": 5.0, "item_params": [parameter("colour", string_value="red")]}],
        "ecommerce": None,
        "is_active_user": True,
        "batch_page_id": 1773130000000,
        "batch_ordering_id": 1,
        "batch_event_index": 1,
        "collected_traffic_source": {"manual_source": "news", "manual_medium": "email"},
        "session_traffic_source_last_click": {
            "manual_campaign": {"source": "news", "medium": "email", "campaign_name": "march"},
            "cross_channel_campaign": {"source": "news", "medium": "email", "campaign_name": "march"},
        },
    }
    return row | more


START = 1773140400_000000  # 2026-03-10 11:00 UTC


def current_export() -> list[dict[str, Any]]:
    seen = ga4_event("view_item", START)
    bought = ga4_event(
        "purchase",
        START + 60_000_000,
        ecommerce={"purchase_revenue": 40.0, "transaction_id": "T1"},
        batch_ordering_id=2,
    )
    reloaded = ga4_event(
        "purchase",
        START + 90_000_000,
        ecommerce={"purchase_revenue": 40.0, "transaction_id": "T1"},
        batch_ordering_id=3,
    )
    unset = [
        ga4_event(
            "purchase",
            START + 100_000_000 + n,
            ecommerce={"purchase_revenue": 10.0, "transaction_id": "(not set)"},
            batch_ordering_id=4 + n,
        )
        for n in range(2)
    ]
    refund = ga4_event(
        "refund",
        START + 200_000_000,
        ecommerce={"refund_value": 15.0, "transaction_id": "T1"},
        batch_ordering_id=9,
    )
    denied = ga4_event("view_item", START + 5, user_pseudo_id=None, event_params=[])
    return [seen, seen, bought, reloaded, *unset, refund, denied]


GA4_CONFIG = 'timezone = "Europe/Madrid"\ncurrency = "EUR"\n[sources.ga4]\nfiles = "exports/*"\n'


def write_ga4(folder: Path, kind: str, events: list[dict[str, Any]]) -> None:
    (folder / "exports").mkdir(parents=True)
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(events), folder / "exports" / "events_20260310.parquet")
        return
    lines = []
    for event in events:
        # BigQuery's JSON leaves NULLs out and writes integers as text
        kept = {key: value for key, value in event.items() if value is not None}
        kept["event_timestamp"] = str(kept["event_timestamp"])
        lines.append(json.dumps(kept, default=str))
    text = ("\n".join(lines) + "\n").encode()
    if kind == "jsonl":
        (folder / "exports" / "events.jsonl").write_bytes(text)
    else:
        (folder / "exports" / "events.json.gz").write_bytes(gzip.compress(text))


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "jsonl.gz"])
def test_ga4_export_of_today_in_every_format(tmp_path: Path, kind: str) -> None:
    write_ga4(tmp_path, kind, current_export())
    with run(tmp_path, GA4_CONFIG) as db:
        events = rows(
            db,
            "select event_name, value, transaction_id, page, device, os, browser, country, channel, "
            "campaign, is_new_user, event_seq, user_key is null as nobody from marts.events "
            "order by event_at, event_name",
        )
        assert [(e["event_name"], e["value"]) for e in events if e["value"] == e["value"]] == [
            ("purchase", 40.0),  # the reload is not counted again
            ("purchase", 10.0),  # "(not set)" is no transaction id: both count
            ("purchase", 10.0),
            ("refund", -15.0),
        ]
        first = events[0]
        assert (first["event_name"], first["page"], first["device"], first["browser"]) == (
            "view_item",
            "/p/1",
            "mobile",
            "Safari",
        )
        assert (first["channel"], first["campaign"], first["is_new_user"]) == ("Email", "march", True)
        assert [e["nobody"] for e in events].count(True) == 1
        session = rows(db, "select * from marts.sessions")
        assert len(session) == 1
        assert session[0]["value"] == 45.0  # 40 + 10 + 10 - 15
        attempt = rows(db, "select * from marts.attempts")
        assert [(a["outcome"], a["value"]) for a in attempt] == [("converted", 60.0)]
        health = dict(db.execute("select check_name, detail from marts.tracking_health").fetchall())
        assert health["duplicates"].startswith("1 of 8 rows")
        assert health["repeated_purchases"].startswith("1 purchases")
        assert health["no_identity"].startswith("1 of 7 events")


@pytest.mark.parametrize("cell", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_money_that_is_no_finite_number_is_none(tmp_path: Path, cell: str) -> None:
    def bought(second: int, value: float | str, **money: str) -> dict[str, Any]:
        order = {"transaction_id": f"T{second}"} | money
        given = ga4_event("purchase", START + second, ecommerce=order, batch_ordering_id=second)
        return given | {"event_params": [*given["event_params"], parameter("value", double_value=value)]}

    ga4 = [
        ga4_event("view_item", START),
        bought(2, 7.5, purchase_revenue=cell),  # the parameter counts where the column holds no number
        bought(3, cell),
        bought(4, 4),
    ]
    write_ga4(tmp_path, "jsonl", ga4)
    mixpanel = [
        mixpanel_line("Product Viewed", START // 1_000_000, "a", distinct_id="u"),
        mixpanel_line("Order Completed", START // 1_000_000 + 1, "b", distinct_id="u", value=cell),
        mixpanel_line("Order Completed", START // 1_000_000 + 2, "c", distinct_id="u", value=3),
    ]
    (tmp_path / "mixpanel.jsonl").write_text("\n".join(mixpanel), "utf-8")
    config = GA4_CONFIG + '[sources.mixpanel]\nfiles = "mixpanel.jsonl"\n'
    with run(tmp_path, config) as db:
        values = "select source, sum(value), count(value) from marts.events group by source order by source"
        assert db.execute(values).fetchall() == [("ga4", 11.5, 2), ("mixpanel", 3.0, 1)]
        assert db.execute("select sum(value) from marts.sessions").fetchall() == [(14.5,)]


def test_ga4_files_of_2021_lack_columns_and_split_into_days(tmp_path: Path) -> None:
    old = ("event_date", "event_timestamp", "event_name", "event_params", "user_pseudo_id", "ecommerce")
    events = [
        {key: value for key, value in event.items() if key in old}
        for event in (
            ga4_event("view_item", START),
            ga4_event("view_item", START + 86_400_000_000, event_date="20260311"),
            ga4_event(
                "purchase",
                START + 86_500_000_000,
                event_date="20260311",
                ecommerce={"transaction_id": "x", "purchase_revenue": None},
                event_params=[
                    parameter("ga_session_id", int_value=77),
                    parameter("value", int_value=12),
                ],
            ),
        )
    ]
    write_ga4(tmp_path, "parquet", events)
    with run(tmp_path, GA4_CONFIG) as db:
        found = rows(db, "select event_name, value, channel from marts.events order by event_at")
        assert [event["event_name"] for event in found] == ["view_item", "view_item", "purchase"]
        assert found[2]["value"] == 12.0, "without purchase_revenue the parameter `value` counts"
        assert found[0]["channel"] == "Direct"
    days = sorted(path.name for path in (tmp_path / "lake" / "ga4").glob("date=*"))
    assert days == ["date=2026-03-10", "date=2026-03-11"]


def test_vendor_order_decides_inside_one_timestamp(tmp_path: Path) -> None:
    # against the order of the journey: only the batch columns can tell
    events = [
        ga4_event("purchase", START, batch_event_index=1, ecommerce={"transaction_id": "a"}),
        ga4_event("view_item", START, batch_event_index=2),
    ]
    write_ga4(tmp_path, "parquet", events)
    with run(tmp_path, GA4_CONFIG) as db:
        visits = db.execute("select stage from marts.stage_visits order by visit_number").fetchall()
        assert visits == [("buy",), ("see",)]


def mixpanel_line(name: str, time: int, insert_id: str | None, **properties: Any) -> str:
    extra = {} if insert_id is None else {"$insert_id": insert_id}
    return json.dumps({"event": name, "properties": {"time": time} | extra | properties})


def test_mixpanel_joins_the_device_before_login_with_the_user_after_it(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    start = START // 1_000_000
    anonymous = {"distinct_id": "$device:d1", "$device_id": "d1", "$os": "iOS", "mp_country_code": "ES"}
    known = {"distinct_id": "anna", "$device_id": "d1", "$user_id": "anna", "$os": "iOS"}
    lines = [
        mixpanel_line("Product Viewed", start, "i1", **anonymous, utm_source="google", utm_medium="cpc"),
        mixpanel_line("Product Viewed", start, "i1", **anonymous, utm_source="google", utm_medium="cpc"),
        mixpanel_line("Order Completed", start + 60, None, **known, order_id="o1", revenue=30),
        mixpanel_line("Order Completed", start + 60, None, **known, order_id="o1", revenue=30),
        mixpanel_line("Product Viewed", start + 4000, "i3", distinct_id="anna", **{"$user_id": "anna"}),
    ]
    (tmp_path / "exports" / "day.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    config = '[sources.mixpanel]\nfiles = "exports/*.jsonl.gz"\n'
    with run(tmp_path, config) as db:
        assert rows(db, "select count(distinct user_key) n, count(*) e from marts.events") == [
            {"n": 1, "e": 3}
        ]
        sessions = rows(db, "select event_count, value, channel from marts.sessions order by started_at")
        assert [s["event_count"] for s in sessions] == [2, 1], "over 30 minutes start a new session"
        assert (sessions[0]["value"], sessions[0]["channel"]) == (30.0, "Paid Search")
        attempt = rows(db, "select outcome, device, value from marts.attempts order by entered_at")[0]
        assert attempt == {"outcome": "converted", "device": "mobile", "value": 30.0}


def test_mixpanel_projects_made_before_2023_keep_their_wall_clock(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    wall = 1773139800  # reads 2026-03-10 10:50 when taken for UTC
    lines = [
        mixpanel_line("Product Viewed", wall, "a", distinct_id="u"),
        mixpanel_line("Order Completed", wall + 60, "b", distinct_id="u"),
    ]
    (tmp_path / "exports" / "day.jsonl").write_text("\n".join(lines), "utf-8")
    config = '[sources.mixpanel]\nfiles = "exports/*"\ntimezone = "America/New_York"\n'
    with run(tmp_path, config) as db:
        (first,) = rows(db, "select min(event_at)::varchar as at from marts.events")
        assert first["at"] == "2026-03-10 14:50:00"  # New York is at UTC-4 on that day


RECORDINGS = (
    "Recording URL,Publicly Shared,Already Watched,Comments,Labels,Created,New / Returning,Hotjar User ID,"
    "Country,Action Count,Page Count,Duration (seconds),Device,Device Screen Size,Browser,Operating System,"
    "Referrer URL,Landing Page URL,Exit Page URL,Rage Clicks,U-Turns,Incoming Feedback,"
    "Net Promoter Score®,Events\n"
    "https://h/1,FALSE,False,,,2026-03-10 11:00:00,New,u1,Spain,10,3,95,Mobile,390x844,Safari,iOS,N/A,"
    "https://shop.example/,https://shop.example/checkout?x=1,4,1,N/A,N/A,\n"
)
SURVEYS = (
    "Number,User,Date Submitted,Country,Source URL,Device,Browser,OS,Hotjar User ID,What stopped you?,"
    "Tags for: What stopped you?\n"
    "1,u1,2026-03-10 11:05:00,Spain,https://shop.example/checkout,Mobile,Safari,iOS,u1,"
    '"It said ""error"", twice 😡 <b>no</b>",pay\n'
)


def test_hotjar_recordings_and_answers_land_word_for_word(tmp_path: Path) -> None:
    write_ga4(tmp_path, "jsonl", current_export())
    (tmp_path / "hotjar").mkdir()
    (tmp_path / "hotjar" / "recordings.csv").write_text("\ufeff" + RECORDINGS, "utf-8")
    (tmp_path / "hotjar" / "survey.csv").write_text(SURVEYS, "utf-8")
    config = GA4_CONFIG + (
        '[sources.hotjar]\nrecordings = "hotjar/rec*.csv"\nsurveys = "hotjar/survey*.csv"\n'
    )
    with run(tmp_path, config) as db:
        (recording,) = rows(db, "select *, recorded_at::varchar as at from marts.recordings")
        assert recording["at"] == "2026-03-10 10:00:00", "Created is in the workspace's zone"
        assert (recording["exit_page"], recording["rage_clicks"], recording["u_turns"]) == (
            "/checkout",
            4,
            1,
        )
        (answer,) = rows(db, "select * from marts.survey_answers")
        assert answer["answer"] == 'It said "error", twice 😡 <b>no</b>'
        assert (answer["question"], answer["page"]) == ("What stopped you?", "/checkout")


TABLE_CONFIG = """\
timezone = "Europe/Madrid"
currency = "EUR"
[fx]
USD = 0.5
[sources.crm]
kind = "table"
files = "exports/*"
columns = {event_at = "when", event_name = "what it was", user_id = "who", value = "amount", currency = "cur"}
revenue_events = ["bought"]
"""
TABLE_ROWS = [
    {"when": "2026-03-10 11:00:00", "what it was": "seen", "who": "anna", "amount": "", "cur": ""},
    {"when": "2026-03-10T10:30:00Z", "what it was": "bought", "who": "anna", "amount": "8", "cur": "USD"},
    {"when": "2026-03-10 11:40:00", "what it was": "bought", "who": "ben", "amount": "9", "cur": "JPY"},
]


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "jsonl", "parquet"])
def test_table_source_in_every_format(tmp_path: Path, kind: str) -> None:
    (tmp_path / "exports").mkdir()
    path = tmp_path / "exports" / f"crm.{kind}"
    frame = pd.DataFrame(TABLE_ROWS)
    if kind.startswith("csv"):
        frame.to_csv(path, index=False)
    elif kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, TABLE_ROWS)), "utf-8")
    else:
        frame.to_parquet(path)
    with run(tmp_path, TABLE_CONFIG) as db:
        events = rows(
            db, "select event_at::varchar as at, event_name, value, currency from marts.events order by 1"
        )
        assert [event["at"][11:16] for event in events] == ["10:00", "10:30", "10:40"]
        # a dollar is worth 0.5 EUR; yen have no rate, so they are left out of sums and counted
        assert rows(db, "select sum(value) as v from marts.sessions") == [{"v": 4.0}]
        assert rows(db, "select check_name from marts.tracking_health where status = 'warning'") == [
            {"check_name": "foreign_currency"}
        ]


def test_two_sources_share_a_person_by_user_id_and_placeholders_join_nobody(tmp_path: Path) -> None:
    events = [
        ga4_event("view_item", START, user_id="anna"),
        ga4_event("view_item", START, user_pseudo_id="c.2", user_id="0"),
        ga4_event("view_item", START, user_pseudo_id="c.3", user_id="0"),
    ]
    write_ga4(tmp_path, "parquet", events)
    (tmp_path / "crm.csv").write_text("when,what,who\n2026-03-10 13:00:00,bought,anna\n", "utf-8")
    config = GA4_CONFIG + (
        '[sources.crm]\nkind = "table"\nfiles = "crm.csv"\n'
        'columns = {event_at = "when", event_name = "what", user_id = "who"}\n'
    )
    with run(tmp_path, config) as db:
        people = rows(
            db, "select count(distinct user_key) as n from marts.events group by user_id order by user_id"
        )
        assert people == [{"n": 2}, {"n": 1}]
        converted = rows(db, "select count(*) as n from marts.attempts where outcome = 'converted'")
        assert converted == [{"n": 1}], "anna looked on the web and bought in the shop"


def test_property_rules_personas_and_segments_reach_the_tables(tmp_path: Path) -> None:
    """Names with quotes, dots and SQL in them are data, wherever a journey writes them."""
    odd = """o'brien "page"; --"""
    folder = make_workspace(
        tmp_path / "shop",
        journey=f"""\
journey: shop
stages:
  - {{name: see, match: [{{properties.amount: "1*"}}]}}
  - {{name: {json.dumps(odd)}, match: [{{event: {json.dumps(odd)}}}]}}
personas:
  {json.dumps(odd)}: {{where: {{properties.device: "mobile"}}}}
segments: [device, properties.amount]
""",
        lines=[
            "2026-03-01 10:00:00,seen,u1,mobile,12",
            '2026-03-01 10:01:00,"o\'brien ""page""; --",u1,mobile,',
            "2026-03-01 10:00:00,seen,u2,desktop,15",
            "2026-03-01 10:00:00,seen,u3,desktop,25",
        ],
    )
    with run_steps(folder) as db:
        found = rows(db, "select path, persona, amount from marts.attempts order by amount")
        assert found == [
            {"path": f"see>{odd}", "persona": odd, "amount": "12"},
            {"path": "see", "persona": "default", "amount": "15"},
        ]


def test_properties_named_like_columns_of_ours_get_columns_of_their_own(tmp_path: Path) -> None:
    names = ["path", "value", "Plan A", "plan-a", "7"]
    lines = [
        json.dumps({"when": f"2026-03-01T10:0{n}:00Z", "what it was": name, "who": "u", "amount": None}
                   | dict.fromkeys(names, f"v{n}"))
        for n, name in enumerate(("seen", "bought"))
    ]  # fmt: skip
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "crm.jsonl").write_text("\n".join(lines), "utf-8")
    (tmp_path / "journeys").mkdir()
    (tmp_path / "painpoints.toml").write_text(TABLE_CONFIG.replace(', currency = "cur"', ""), "utf-8")
    segments = ", ".join(f'"properties.{name}"' for name in names)
    (tmp_path / "journeys" / "shop.yaml").write_text(JOURNEY + f"segments: [{segments}]\n", "utf-8")
    with run_steps(tmp_path) as db:
        (attempt,) = rows(
            db, "select path, property_path, property_value, plan_a, plan_a_2, property_7 from marts.attempts"
        )
        assert attempt == {"path": "see>buy"} | dict.fromkeys(list(attempt)[1:], "v0")


def test_a_finding_of_a_journey_that_was_edited_away_ends_with_it(tmp_path: Path) -> None:
    lines = [
        f"2026-03-{day + 1:02d} 10:{n:02d}:00,{what},u{day}-{n},mobile,"
        for day in range(20)
        for n in range(40)
        for what in (("visit",) if n % 4 else ("visit", "cart", "buy"))
    ]
    folder = make_workspace(tmp_path / "shop", lines=lines)
    with run_steps(folder) as db:
        assert db.execute("select count(*) from marts.pain_points").fetchall() == [(1,)]
    journey = (folder / "journeys" / "shop.yaml").read_text("utf-8")
    (folder / "journeys" / "shop.yaml").write_text(journey.replace("name: cart", "name: basket"), "utf-8")
    (folder / "published.before").hardlink_to(folder / "painpoints.duckdb")
    run_steps(folder).close()
    (folder / "after.link").hardlink_to(folder / "painpoints.duckdb")
    with duckdb.connect(str(folder / "after.link"), read_only=True) as db:
        found = db.execute("select stage, next_stage from marts.pain_points").fetchall()
        assert found == [("visit", "basket")]


def test_empty_cells_are_no_values(tmp_path: Path) -> None:
    columns = "when,what,who,amount,cur,order,session,device"
    lines = [
        columns,
        "2026-03-10 10:00:00,seen,u,99,,,,",
        "2026-03-10 10:05:00,bought,u,20,,o1,,mobile",
        "2026-03-11 10:00:00,seen,u,,,,,",
    ]
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "crm.csv").write_text("\n".join(lines) + "\n", "utf-8")
    mapped = "event_at = 'when', event_name = 'what', user_id = 'who', value = 'amount', currency = 'cur', "
    mapped += "transaction_id = 'order', vendor_session_id = 'session', device = 'device'"
    config = f'[sources.crm]\nkind = "table"\nfiles = "exports/*"\ncolumns = {{{mapped}}}\n'
    with run(tmp_path, config + 'constants = {device = "till"}\n') as db:
        sessions = rows(db, "select event_count, value, device from marts.sessions order by started_at")
        assert [(s["event_count"], s["device"]) for s in sessions] == [(2, "till"), (1, "till")]
        assert sessions[0]["value"] == 20.0, "a value without an order is no revenue"
        told = db.execute("select count(*) from marts.tracking_health where status <> 'ok'").fetchall()
        assert told == [(0,)]


def test_half_an_emoji_and_rows_without_a_time_do_no_harm(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    start = START // 1_000_000
    lines = [
        mixpanel_line("Product Viewed", start, "a", distinct_id="u", t="cut \ud83d"),
        mixpanel_line("Order Completed", start + 60, "b", distinct_id="u", title="whole 🛒"),
    ]
    (tmp_path / "exports" / "day.jsonl").write_text("\n".join(lines), "utf-8")
    with run(tmp_path, '[sources.mixpanel]\nfiles = "exports/*"\n') as db:
        found = rows(db, "select properties->>'t' as cut, properties->>'title' as title from marts.events")
        assert {row["cut"] for row in found if isinstance(row["cut"], str)} == {"cut ?"}
        assert {row["title"] for row in found if isinstance(row["title"], str)} == {"whole 🛒"}


def test_a_corrected_zone_reads_the_files_again(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "shop", lines=["2026-03-10 10:00:00,visit,u,m,",
                                                      "2026-03-10 10:01:00,cart,u,m,",
                                                      "2026-03-10 10:02:00,buy,u,m,1"])  # fmt: skip
    run_steps(folder).close()
    config = (folder / "painpoints.toml").read_text("utf-8")
    (folder / "painpoints.toml").write_text(config + 'timezone = "America/New_York"\n', "utf-8")
    (folder / "first.link").hardlink_to(folder / "painpoints.duckdb")
    run_steps(folder).close()
    (folder / "second.link").hardlink_to(folder / "painpoints.duckdb")
    with duckdb.connect(str(folder / "second.link"), read_only=True) as db:
        (first,) = rows(db, "select min(event_at)::varchar as at from marts.events")
        assert first["at"] == "2026-03-10 14:00:00"


def test_a_source_that_matches_nothing_does_not_hold_the_horizon_back(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "shop")
    (folder / "news.csv").write_text("when,what,who\n2026-03-02 08:00:00,opened,u1\n", "utf-8")
    config = (folder / "painpoints.toml").read_text("utf-8")
    news = 'columns = {event_at = "when", event_name = "what", user_id = "who"}\n'
    (folder / "painpoints.toml").write_text(
        config + f'[sources.news]\nkind = "table"\nfiles = "news.csv"\n{news}', "utf-8"
    )
    with run_steps(folder) as db:
        assert rows(db, "select max(data_as_of)::date::varchar as day from marts.runs where false") == [
            {"day": None}
        ]
        opened = rows(db, "select count(*) as n from marts.attempts where outcome = 'abandoned'")
        assert opened[0]["n"] > 100


def test_a_file_replaced_by_a_shorter_one_takes_its_days_with_it(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "shop")
    run_steps(folder).close()
    path = folder / "exports" / "crm.csv"
    kept = [line for line in path.read_text("utf-8").splitlines() if line < "2026-03-07" or "when" in line]
    path.write_text("\n".join(kept) + "\n", "utf-8")
    (folder / "first.link").hardlink_to(folder / "painpoints.duckdb")
    run_steps(folder).close()
    (folder / "second.link").hardlink_to(folder / "painpoints.duckdb")
    with duckdb.connect(str(folder / "second.link"), read_only=True) as db:
        last = rows(db, "select max(entry_date)::varchar as day, count(*) filter (where outcome = 'open') "
                        "as open from marts.attempts")[0]  # fmt: skip
        assert last["day"].startswith("2026-03-06")
        assert last["open"] > 0
        nights = rows(db, "select max(night)::varchar as night from marts.pain_point_history")
        assert not nights[0]["night"] or nights[0]["night"] <= "2026-03-06"


def test_a_workspace_whose_path_looks_like_a_glob(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "shop [eu] *")
    with run_steps(folder) as db:
        assert rows(db, "select count(*) as n from marts.attempts")[0]["n"] == 360
