# ruff: noqa: E501 - lines of exports
"""A small workspace whose people are known on several tools and devices, for the tests of privacy."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.ga4_export import SCHEMA

FIRST, DAYS = date(2026, 3, 2), 5
NOW = datetime(2026, 3, 8, 6, tzinfo=UTC)
CONFIG = """\
timezone = "UTC"
currency = "EUR"
[sources.ga4]
files = "exports/ga4/*"
[sources.mixpanel]
files = "exports/mixpanel/*.jsonl.gz"
[sources.crm]
kind = "table"
files = "OUTSIDE/crm*.csv"
columns = {event_at = "when", event_name = "what", user_id = "customer", vendor_session_id = "visit"}
[sources.hotjar]
recordings = "exports/hotjar/recordings*.csv"
surveys = "exports/hotjar/survey*.csv"
user_id = "customer"
[detection]
replay_nights = 1
[engine]
threads = 1
memory_limit = "1GB"
"""
JOURNEY = """\
journey: shop
window: 1d
sources: [ga4, mixpanel, crm]
stages:
  - {name: look, match: [{event: view_item}]}
  - {name: buy, match: [{event: purchase}, {event: call}], ideal: {conversion: 0.9}}
segments: [device]
"""
# everything that is Anna's alone
ANNA = ("customer-anna", "anna-old-login", "ga-anna-phone", "mp-anna-laptop", "hj-anna-0001")
TABLET = "ga-family-tablet"


def ga4(day: int, hour: int, name: str, device: str | None, user: str | None, session: int) -> dict[str, Any]:
    at = datetime(FIRST.year, FIRST.month, FIRST.day, hour, tzinfo=UTC) + timedelta(days=day)
    return {
        "event_date": f"{at:%Y%m%d}",
        "event_timestamp": int(at.timestamp() * 1e6),
        "event_name": name,
        "event_params": [
            {"key": "ga_session_id", "value": {"int_value": session}},
            {"key": "page_location", "value": {"string_value": f"https://shop.example/{name}"}},
        ],
        "user_id": user,
        "user_pseudo_id": device,
        "device": {"category": "mobile"},
    }


def ga4_events() -> list[dict[str, Any]]:
    found = []
    for day in range(DAYS):
        for number in range(6):
            device, user = f"ga-other-{day}-{number}", f"customer-{day}-{number}" if number % 2 else None
            found.append(ga4(day, 9, "view_item", device, user, 10 + number))
            found.append(ga4(day, 10, "purchase", device, user, 10 + number))
        # Anna's phone: a first day without a log-in
        found.append(ga4(day, 11, "view_item", "ga-anna-phone", "customer-anna" if day else None, 77))
        # the family's tablet: Anna in one session, Bert in another, nobody in a third
        found.append(ga4(day, 12, "view_item", TABLET, None, 100 + day))
        found.append(ga4(day, 13, "purchase", TABLET, "customer-anna", 100 + day))
        found.append(ga4(day, 14, "view_item", TABLET, None, 200 + day))
        found.append(ga4(day, 15, "purchase", TABLET, "customer-bert", 200 + day))
    return found


def mixpanel(day: int, hour: int, name: str, **properties: Any) -> dict[str, Any]:
    at = datetime(FIRST.year, FIRST.month, FIRST.day, hour, tzinfo=UTC) + timedelta(days=day)
    number = f"{name}-{day}-{hour}-{sorted(map(str, properties.values()))}"
    return {"event": name, "properties": {"time": int(at.timestamp()), "$insert_id": number} | properties}


def mixpanel_events() -> list[dict[str, Any]]:
    found = []
    for day in range(DAYS):
        found.append(
            mixpanel(
                day,
                8,
                "view_item",
                **{"$device_id": "mp-anna-laptop", "distinct_id": "$device:mp-anna-laptop"},
            )
        )
        found.append(
            mixpanel(day, 9, "view_item", **{"$device_id": "mp-bert-laptop", "distinct_id": "customer-bert"})
        )
    found.append(
        mixpanel(
            2,
            9,
            "purchase",
            **{"$device_id": "mp-anna-laptop", "$user_id": "customer-anna", "distinct_id": "customer-anna"},
        )
    )
    found.append(
        mixpanel(3, 9, "purchase", **{"$user_id": "anna-old-login", "distinct_id": "anna-old-login"})
    )
    found.append(
        mixpanel(
            3, 10, "$merge", **{"$distinct_ids": ["anna-old-login", "customer-anna"], "distinct_id": "x"}
        )
    )
    return found


def write_people(root: Path, outside: Path) -> None:
    """Config, journey and exports; the CRM's export lies in ``outside``, another folder."""
    for folder in ("exports/ga4", "exports/mixpanel", "exports/hotjar", "journeys"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    outside.mkdir(parents=True, exist_ok=True)
    (root / "painpoints.toml").write_text(CONFIG.replace("OUTSIDE", str(outside)))
    (root / "journeys" / "shop.yaml").write_text(JOURNEY)
    events = ga4_events()
    cut = f"{FIRST + timedelta(days=3):%Y%m%d}"
    early = [each for each in events if each["event_date"] < cut]
    table = pa.Table.from_pylist([dict.fromkeys(SCHEMA.names) | each for each in early], schema=SCHEMA)
    pq.write_table(table, root / "exports" / "ga4" / "early.parquet")
    late = [json.dumps(each) for each in events if each["event_date"] >= cut]
    (root / "exports" / "ga4" / "late.jsonl").write_text("\n".join(late) + "\n")
    lines = "\n".join(json.dumps(each) for each in mixpanel_events()) + "\n"
    (root / "exports" / "mixpanel" / "all.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    rows = ["when,what,customer,visit"]
    for day in range(DAYS):
        rows.append(f"{FIRST + timedelta(days=day)}T16:00:00,call,customer-anna,call-{day}")
        rows.append(f"{FIRST + timedelta(days=day)}T16:01:00,hold,,call-{day}")
        rows.append(f"{FIRST + timedelta(days=day)}T17:00:00,call,customer-{day}-1,other-{day}")
        rows.append(f"{FIRST + timedelta(days=day)}T17:00:01,call,42,short-{day}")
    (outside / "crm.csv").write_text("\n".join(rows) + "\n")
    hotjar = root / "exports" / "hotjar"
    hotjar.joinpath("recordings.csv").write_text(
        "Recording URL,Created,Hotjar User ID,Country,Device,Landing Page URL,Exit Page URL,Duration (seconds),"
        "Page Count,Action Count,Rage Clicks,U-Turns,customer\n"
        "https://h.io/1,2026-03-03 10:00,hj-anna-0001,Spain,Mobile,//s.example/a,//s.example/buy,9,1,1,3,0,customer-anna\n"
        "https://h.io/2,2026-03-03 11:00,hj-anna-0001,Spain,Mobile,//s.example/a,//s.example/buy,9,1,1,3,0,N/A\n"
        "https://h.io/3,2026-03-03 12:00,hj-other-0002,Spain,Mobile,//s.example/a,//s.example/buy,9,1,1,3,0,N/A\n"
    )
    hotjar.joinpath("survey.csv").write_text(
        "Number,User,Date Submitted,Country,Source URL,Device,Browser,OS,Hotjar User ID,What stopped you?,"
        "customer\n1,,2026-03-03 10:05,Spain,https://s.example/buy,Mobile,Chrome,iOS,hj-anna-0001,my card,customer-anna\n"
        "2,,2026-03-03 12:05,Spain,https://s.example/buy,Mobile,Chrome,iOS,hj-other-0002,the price,N/A\n"
    )
