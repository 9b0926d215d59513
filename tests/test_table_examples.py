"""The worked examples of table sources, each on a few rows of an export as its vendor writes them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import build_steps

EXAMPLES = Path(__file__).parent.parent / "pipelines" / "templates" / "sources"
CONFIG = 'timezone = "Europe/Madrid"\ncurrency = "EUR"\n'
Event = dict[str, Any]


@dataclass(frozen=True)
class Example:
    """A fragment of config, an export, what two stages match, and the events that come of it."""

    fragment: str
    file: str
    content: bytes
    journey: tuple[Event, Event]
    events: Sequence[Event]
    revenue: float


def lines(*records: Event) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def table(header: str, *rows: Event, delimiter: str = ",", quoting: Any = csv.QUOTE_MINIMAL) -> bytes:
    """CSV with all columns of ``header``; a row gives the ones it fills."""
    text = io.StringIO()
    names = header.split(delimiter)
    writer = csv.DictWriter(text, names, delimiter=delimiter, restval="", quoting=quoting)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


SHOPIFY_HEADER = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,Subtotal,"
    "Shipping,Taxes,Total,Discount Code,Discount Amount,Shipping Method,Created at,Lineitem quantity,"
    "Lineitem name,Lineitem price,Lineitem compare at price,Lineitem sku,Lineitem requires shipping,"
    "Lineitem taxable,Lineitem fulfillment status,Billing Name,Billing Country,Shipping Name,"
    "Shipping Country,Notes,Note Attributes,Cancelled at,Payment Method,Payment Reference,Refunded Amount,"
    "Vendor,Outstanding Balance,Employee,Location,Device ID,Id,Tags,Risk Level,Source,Lineitem discount"
)


def shopify_order(name: str, email: str, at: str, total: str, items: Sequence[str]) -> list[Event]:
    line = {"Name": name, "Email": email, "Created at": at, "Lineitem quantity": "1", "Vendor": "Leaf"}
    rows = [line | {"Lineitem name": item, "Lineitem price": "20.00"} for item in items]
    rows[0] |= {
        "Financial Status": "paid",
        "Paid at": at,
        "Fulfillment Status": "unfulfilled",
        "Accepts Marketing": "yes",
        "Currency": "EUR",
        "Subtotal": total,
        "Shipping": "0.00",
        "Total": total,
        "Refunded Amount": "0.00",
        "Id": "7410991464714",
    }
    return rows


SHOPIFY = Example(
    "shopify_orders",
    "exports/shopify/orders_export_1.csv",
    table(
        SHOPIFY_HEADER,
        *shopify_order("#1001", "ana@shop.example", "2026-03-10 09:50:26 +0100", "53.91", ["A", "B", "C"]),
        *shopify_order("#1002", "bo@shop.example", "2026-03-10 23:30:00 +0100", "20.00", ["A, large"]),
        *shopify_order("#1003", "ana@shop.example", "2026-03-29 03:10:00 +0200", "5.00", ["A"]),
    ),
    ({"transaction_id": "#1001"}, {"transaction_id": "#1002"}),
    [
        {"event_name": "order", "event_at": "2026-03-10 08:50:26", "user_id": "ana@shop.example",
         "value": 53.91, "transaction_id": "#1001", "currency": "EUR"},
        {"event_name": "order", "event_at": "2026-03-10 22:30:00", "user_id": "bo@shop.example",
         "value": 20.0, "transaction_id": "#1002"},
        {"event_name": "order", "event_at": "2026-03-29 01:10:00", "user_id": "ana@shop.example",
         "value": 5.0, "transaction_id": "#1003"},
    ],
    78.91,
)  # fmt: skip

CRM = Example(
    "crm_stages",
    "exports/crm/OpportunityHistory.csv",
    table(
        "CREATEDDATE,STAGENAME,AMOUNT,OPPORTUNITY.ACCOUNT.ACCOUNTNUMBER",
        *(
            {
                "CREATEDDATE": at,
                "STAGENAME": stage,
                "AMOUNT": amount,
                "OPPORTUNITY.ACCOUNT.ACCOUNTNUMBER": who,
            }
            for at, stage, amount, who in (
                ("2026-03-02T09:15:00.000Z", "Qualification", "", "C-7"),
                ("2026-03-05T10:00:00.125Z", "Proposal/Price Quote", "12000.0", "C-7"),
                ("2026-03-20T16:30:00.000Z", "Closed Won", "11500.5", "C-7"),
            )
        ),
        quoting=csv.QUOTE_ALL,
    ),
    ({"event": "Qualification"}, {"event": "Closed Won"}),
    [
        {"event_name": "Qualification", "event_at": "2026-03-02 09:15:00", "user_id": "C-7", "value": None},
        {"event_name": "Proposal/Price Quote", "event_at": "2026-03-05 10:00:00.125", "value": 12000.0},
        {"event_name": "Closed Won", "event_at": "2026-03-20 16:30:00", "user_id": "C-7", "value": 11500.5},
    ],
    11500.5,
)


def mail(event: str, at: int, **more: Any) -> Event:
    return {
        "email": "ana@shop.example",
        "timestamp": at,
        "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>",
        "event": event,
        "category": ["newsletter"],
        "sg_event_id": f"id-{event}-{at}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        "customer_id": "C-7",
        "marketing_campaign_name": "March offers",
    } | more


NEWSLETTER = Example(
    "newsletter_opens",
    "exports/newsletter/2026-03.jsonl",
    lines(
        mail("processed", 1773129600),
        mail("delivered", 1773129605, response="250 OK"),
        mail("open", 1773129700, useragent="Mozilla/5.0", ip="203.0.113.9"),
        mail("click", 1773129760, url="https://shop.example/sale?utm_source=newsletter", ip="203.0.113.9"),
        mail("bounce", 1773129800, customer_id="C-8", reason="500 unknown recipient"),
    ),
    ({"event": "open"}, {"event": "click"}),
    [
        {"event_name": "open", "event_at": "2026-03-10 08:01:40", "user_id": "C-7", "page": None,
         "channel": "Email", "campaign": "March offers"},
        {"event_name": "click", "event_at": "2026-03-10 08:02:40", "user_id": "C-7", "page": "/sale"},
    ],
    0,
)  # fmt: skip

PHONE_HEADER = "Started;Direction;Caller;Customer no.;First call;Duration;Order no.;Order value"


def call(at: str, direction: str, who: str, first: str, order: str = "", value: str = "") -> Event:
    cells = (at, direction, "+49301234567", who, first, "00:03:10", order, value)
    return dict(zip(PHONE_HEADER.split(";"), cells, strict=True))


PHONE = Example(
    "phone_calls",
    "exports/phone/calls_march.csv",
    table(
        PHONE_HEADER,
        call("10.03.2026 14:05:09", "inbound", "C-7", "Yes"),
        call("10.03.2026 14:30:00", "outbound", "C-7", "No"),
        call("11.03.2026 09:00:00", "inbound", "", "Yes"),
        # the second day after the clocks went forward
        call("30.03.2026 10:00:00", "inbound", "C-7", "no", "P-1", "1.234,56"),
        delimiter=";",
    ),
    ({"is_new_user": True}, {"transaction_id": "P-1"}),
    [
        {"event_name": "phone_call", "event_at": "2026-03-10 13:05:09", "user_id": "C-7",
         "is_new_user": True, "value": None},
        {"event_name": "phone_call", "event_at": "2026-03-30 08:00:00", "user_id": "C-7",
         "is_new_user": False, "value": 1234.56, "transaction_id": "P-1"},
    ],
    1234.56,
)  # fmt: skip


def posthog(event: str, at: str, **properties: Any) -> Event:
    return {
        "uuid": f"018e2b3c-{len(event):04d}-7000-8000-000000000000",
        "event": event,
        "distinct_id": "0190-anonymous",
        "person_id": "018e2b3c-ffff-0000-47d1-7a7a5c0f6f7d",
        "properties": {
            "$device_id": "0190-anonymous",
            "$session_id": "018e2b3c-5e55",
            "$current_url": "https://shop.example/cart?step=2#top",
            "$device_type": "Mobile",
            "$os": "iOS",
            "$browser": "Mobile Safari",
            "$geoip_country_name": "Spain",
            "utm_source": "google",
            "utm_medium": "cpc",
        }
        | properties,
        "person_properties": {"plan": "free"},
        "timestamp": at,
        "created_at": at,
    }


POSTHOG_ROWS = [
    posthog("$pageview", "2026-03-10T08:50:26.123456+00:00"),
    posthog(
        "Order Completed",
        "2026-03-10T08:55:00.000001+00:00",
        **{"$user_id": "C-7", "order_id": "P-9", "revenue": 49.9, "currency": "EUR"},
    ),
]
POSTHOG_EVENTS = [
    {"event_name": "$pageview", "event_at": "2026-03-10 08:50:26.123456", "page": "/cart", "user_id": None,
     "device_id": "0190-anonymous", "device": "Mobile", "os": "iOS", "browser": "Mobile Safari",
     "country": "Spain", "channel": "Paid Search", "vendor_session_id": "018e2b3c-5e55"},
    {"event_name": "Order Completed", "event_at": "2026-03-10 08:55:00.000001", "user_id": "C-7",
     "value": 49.9, "currency": "EUR", "transaction_id": "P-9"},
]  # fmt: skip


def posthog_parquet(rows: Iterable[Event]) -> bytes:
    """As PostHog types it: properties are JSON text, times are timestamps."""
    typed = [
        row
        | {key: json.dumps(row[key]) for key in ("properties", "person_properties")}
        | {key: datetime.fromisoformat(row[key]) for key in ("timestamp", "created_at")}
        for row in rows
    ]
    names = typed[0].keys()
    times = pa.timestamp("us", tz="UTC")
    schema = pa.schema([(n, times if n in ("timestamp", "created_at") else pa.string()) for n in names])
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(typed, schema=schema), sink, compression="zstd")
    return sink.getvalue().to_pybytes()


POSTHOG_JOURNEY = ({"event": "$pageview"}, {"event": "Order Completed"})
POSTHOG_LINES = Example(
    "posthog_events",
    "exports/posthog/2026/03/10.jsonl.gz",
    gzip.compress(lines(*POSTHOG_ROWS)),
    POSTHOG_JOURNEY,
    POSTHOG_EVENTS,
    49.9,
)
POSTHOG_PARQUET = Example(
    "posthog_events",
    "exports/posthog/2026-03-10.parquet.zst",
    posthog_parquet(POSTHOG_ROWS),
    POSTHOG_JOURNEY,
    POSTHOG_EVENTS,
    49.9,
)


def amplitude(event: str, at: str, user: str | None, **properties: Any) -> Event:
    return {
        "$insert_id": f"{event}-{at}",
        "amplitude_id": 912345678901,
        "app": 123456,
        "country": "Spain",
        "device_family": "Mac OS X",
        "device_id": "8f2c-device",
        "device_type": "Mac",
        "event_properties": properties,
        "event_time": at,
        "event_type": event,
        "os_name": "Chrome",
        "os_version": "126",
        "platform": "Web",
        "server_upload_time": "2026-03-10 09:00:00.000000",
        "session_id": -1,
        "user_id": user,
        "user_properties": {"utm_source": "facebook", "utm_medium": "paid_social"},
        "uuid": "c4d1b7f0-0000-11f0-8000-000000000000",
    }


AMPLITUDE = Example(
    "amplitude_events",
    "exports/amplitude/123456/123456_2026-03-10_8#0.json.gz",
    gzip.compress(
        lines(
            amplitude(
                "[Amplitude] Page Viewed",
                "2026-03-10 08:50:26.123000",
                None,
                **{"[Amplitude] Page Path": "/products/tea", "[Amplitude] Page Domain": "shop.example"},
            ),
            amplitude(
                "Order Completed",
                "2026-03-10 08:55:00.000000",
                "C-7",
                revenue=30,
                order_id="P-3",
                currency="EUR",
            ),
        )
    ),
    ({"event": "[Amplitude] Page Viewed"}, {"event": "Order Completed"}),
    [
        {"event_name": "[Amplitude] Page Viewed", "event_at": "2026-03-10 08:50:26.123", "user_id": None,
         "page": "/products/tea", "device_id": "8f2c-device", "browser": "Chrome", "os": "Mac OS X",
         "country": "Spain", "channel": "Paid Social", "vendor_session_id": None},
        {"event_name": "Order Completed", "event_at": "2026-03-10 08:55:00", "user_id": "C-7",
         "value": 30.0, "transaction_id": "P-3"},
    ],
    30,
)  # fmt: skip


def segment(kind: str, at: str, user: str | None, **more: Any) -> Event:
    call = {
        "anonymousId": "507f191e810c19729de860ea",
        "context": {
            "campaign": {"name": "Spring", "source": "instagram", "medium": "social"},
            "page": {"path": "/academy/", "url": "https://shop.example/academy/?ref=1", "title": "Academy"},
            "ip": "203.0.113.9",
            "library": {"name": "analytics.js", "version": "2.11.1"},
        },
        "integrations": {},
        "messageId": f"ajs-{kind}-{at}",
        "originalTimestamp": at,
        "receivedAt": "2026-03-10T09:00:00.000Z",
        "sentAt": at,
        "timestamp": at,
        "type": kind,
        "version": 2,
    }
    # what has no value is left out
    return call | ({"userId": user} if user else {}) | more


SEGMENT = Example(
    "segment_events",
    "exports/segment/1448000000/1448_0001.a1b2.gz",
    gzip.compress(
        lines(
            segment("page", "2026-03-10T08:50:26.123Z", None, name="Academy", properties={}),
            segment("identify", "2026-03-10T08:51:00.000Z", "C-7", traits={"plan": "pro"}),
            segment("track", "2026-03-10T08:52:00.000Z", "C-7", event="Product Viewed", properties={}),
            segment(
                "track",
                "2026-03-10T08:55:00.000Z",
                "C-7",
                event="Order Completed",
                properties={"order_id": "P-5", "revenue": "25.00", "currency": "EUR", "total": 27.5},
            ),
        )
    ),
    ({"event": "page"}, {"event": "Order Completed"}),
    [
        {"event_name": "page", "event_at": "2026-03-10 08:50:26.123", "user_id": None, "page": "/academy/",
         "device_id": "507f191e810c19729de860ea", "channel": "Organic Social", "campaign": "Spring"},
        {"event_name": "Product Viewed", "event_at": "2026-03-10 08:52:00", "user_id": "C-7", "value": None},
        {"event_name": "Order Completed", "event_at": "2026-03-10 08:55:00", "user_id": "C-7",
         "value": 25.0, "transaction_id": "P-5", "page": "/academy/"},
    ],
    25,
)  # fmt: skip

CASES = {
    "Shopify orders": SHOPIFY,
    "Salesforce stages": CRM,
    "SendGrid newsletter": NEWSLETTER,
    "phone calls": PHONE,
    "PostHog, JSON lines": POSTHOG_LINES,
    "PostHog, Parquet": POSTHOG_PARQUET,
    "Amplitude": AMPLITUDE,
    "Segment": SEGMENT,
}


def run_example(folder: Path, example: Example) -> duckdb.DuckDBPyConnection:
    """A workspace whose config is the fragment, over the export; returns the published file."""
    fragment = (EXAMPLES / f"{example.fragment}.toml").read_text("utf-8")
    (folder / "painpoints.toml").write_text(CONFIG + fragment, "utf-8")
    (folder / "journeys").mkdir()
    stages = [{"name": f"stage {n}", "match": [rule]} for n, rule in enumerate(example.journey)]
    (folder / "journeys" / "own.yaml").write_text(json.dumps({"journey": "own", "stages": stages}), "utf-8")
    path = folder / example.file
    path.parent.mkdir(parents=True)
    path.write_bytes(example.content)
    return build_steps(folder)


@pytest.mark.parametrize("name", CASES)
def test_an_example_turns_its_export_into_events(tmp_path: Path, name: str) -> None:
    example = CASES[name]
    with run_example(tmp_path, example) as db:
        found = db.execute("select * from marts.events order by event_at").fetchall()
        columns = [column[0] for column in db.description]
        rows = [dict(zip(columns, row, strict=True)) for row in found]
        assert [row["event_name"] for row in rows] == [event["event_name"] for event in example.events]
        for row, event in zip(rows, example.events, strict=True):
            wanted = event | {"event_at": datetime.fromisoformat(event["event_at"])}
            assert {key: row[key] for key in wanted} == wanted
            assert not [key for key in json.loads(row["properties"]) if key.startswith("mapped:")]
        revenue = db.execute("select coalesce(sum(value), 0) from marts.sessions").fetchall()
        assert revenue[0][0] == pytest.approx(example.revenue)


def test_every_example_is_tried_here() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.toml")} == {example.fragment for example in CASES.values()}


def test_an_order_exported_twice_is_paid_once(tmp_path: Path) -> None:
    run_example(tmp_path, SHOPIFY).close()
    later = SHOPIFY.content.replace(b",unfulfilled,", b",fulfilled,")
    (tmp_path / "exports" / "shopify" / "orders_export_2.csv").write_bytes(later)
    (tmp_path / "before.link").hardlink_to(tmp_path / "painpoints.duckdb")
    build_steps(tmp_path).close()
    (tmp_path / "after.link").hardlink_to(tmp_path / "painpoints.duckdb")
    with duckdb.connect(str(tmp_path / "after.link"), read_only=True) as db:
        counts = db.execute("select count(*), count(distinct transaction_id) from marts.events").fetchall()
        assert counts == [(3, 3)]
        assert db.execute("select sum(value) from marts.sessions").fetchall()[0][0] == pytest.approx(78.91)
