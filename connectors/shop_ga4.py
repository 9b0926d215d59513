"""Writes the synthetic shop's clicks as a GA4 BigQuery export: one Parquet file per local day.

With the dirt of real exports: 0.3 % of the rows twice, rows in no order, no ids without consent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from connectors import shop_ga4_schema as ga4
from connectors.shop_calendar import DAY, SECOND, Ints, midnights
from connectors.shop_clicks import CODE, COLLECTIONS, EVENTS, PAGES, PRODUCTS, Clicks
from connectors.shop_ga4_arrays import nulls_where, take, user_id
from connectors.shop_ga4_items import USD_PER_EUR, ecommerce, items
from connectors.shop_ga4_params import event_params, user_properties
from connectors.shop_segments import CHANNELS, COUNTRIES, PLATFORMS
from connectors.shop_world import People, Visits

HOST = "shop.example"
DUPLICATES = 0.003


@dataclass(frozen=True)
class _Lookups:
    """Small arrays that rows point into."""

    first_touch: Ints
    first_channel: Ints
    cookie: pa.Array
    account: pa.Array
    location: pa.Array
    title: pa.Array
    device: pa.Array
    geo: pa.Array
    first_source: pa.Array
    collected: pa.Array
    session_source: pa.Array
    product: dict[str, pa.Array]


def write_ga4(
    folder: Path,
    people: People,
    visits: Visits,
    clicks: Clicks,
    *,
    first_day: date,
    days: int,
    rng: np.random.Generator,
) -> int:
    """Writes `events_YYYYMMDD.parquet` of each local day into `folder`; returns the rows written."""
    folder.mkdir(parents=True, exist_ok=True)
    lookups = _lookups(people, visits)
    again = np.flatnonzero(rng.random(len(clicks.at)) < DUPLICATES)
    row = rng.permutation(np.concatenate([np.arange(len(clicks.at)), again]))
    day = np.searchsorted(midnights(first_day, days), clicks.at[row], side="right") - 1
    row = row[np.argsort(day, kind="stable")]
    ends = np.cumsum(np.bincount(day[day < days], minlength=days))
    for number, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        name = f"{first_day + timedelta(number):%Y%m%d}"
        table = _day_table(name, row[start:end], people, visits, clicks, lookups)
        pq.write_table(table, folder / f"events_{name}.parquet", compression="zstd")
    return int(ends[-1])


def _struct(kind: pa.StructType, rows: Sequence[dict[str, Any]]) -> pa.Array:
    return pa.array(rows, type=kind)


def _lookups(people: People, visits: Visits) -> _Lookups:
    first_touch = _first_touch(people, visits)
    ids = (np.arange(people.cookies) * 2_654_435_761 + 12_345) % 2_147_483_647
    cookie = [f"{a}.{b}" for a, b in zip(ids.tolist(), (first_touch // SECOND).tolist(), strict=True)]
    plain = [f"https://{HOST}{path}" for path in PAGES]
    tagged = [
        f"{url}?utm_source={s}&utm_medium={m}&utm_campaign={c}" if m in ("cpc", "email", "social")
        else url for _, s, m, c, _ in CHANNELS for url in plain
    ]  # fmt: skip
    titles = [path.strip("/").replace("/", " | ").replace("-", " ").title() for path in PAGES]
    device = [
        {"category": d, "operating_system": o, "language": "es-es", "is_limited_ad_tracking": "No",
         "mobile_brand_name": "Apple" if o in ("iOS", "Macintosh") else None,
         "web_info": {"browser": b, "browser_version": "131.0", "hostname": HOST}}
        for d, o, b, _ in PLATFORMS
    ]  # fmt: skip
    geo = [{"country": c, "city": city, "continent": "Europe"} for c, _, city, _ in COUNTRIES]
    collected = [
        {} if m == "(none)" else {"manual_source": s, "manual_medium": m, "manual_campaign_name": c,
                                  "gclid": "Cj0KCQ" if m == "cpc" else None}
        for _, s, m, c, _ in CHANNELS
    ]  # fmt: skip
    session = [
        {"manual_campaign": {"source": s, "medium": m, "campaign_name": c},
         "google_ads_campaign": {"campaign_name": c, "account_name": "Shop"} if m == "cpc" else None,
         "cross_channel_campaign": {"source": s, "medium": m, "campaign_name": c,
                                    "default_channel_group": group,
                                    "primary_channel_group": group}}
        for group, s, m, c, _ in CHANNELS
    ]  # fmt: skip
    first = [{"name": c, "medium": m, "source": s} for _, s, m, c, _ in CHANNELS]
    kind = [COLLECTIONS[p % len(COLLECTIONS)] for p in range(PRODUCTS)]
    product = {
        "item_id": pa.array([f"SKU-{100 + p}" for p in range(PRODUCTS)]),
        "item_name": pa.array([f"{kind[p].title()} {100 + p}" for p in range(PRODUCTS)]),
        "item_category": pa.array(kind),
    }
    return _Lookups(
        first_touch,
        _first_channel(people, visits),
        pa.array(cookie),
        pa.array([user_id(person) for person in range(len(people.platform))]),
        pa.array(plain + tagged),
        pa.array(["Shop", *titles[1:]]),
        _struct(ga4.DEVICE, device),
        _struct(ga4.GEO, geo),
        _struct(ga4.TRAFFIC_SOURCE, first),
        _struct(ga4.COLLECTED_TRAFFIC_SOURCE, collected),
        _struct(ga4.SESSION_SOURCE, session),
        product,
    )


def _first_touch(people: People, visits: Visits) -> Ints:
    """(cookies,) microseconds UTC: the first visit we see, or before it for known browsers."""
    touch = np.full(people.cookies, int(visits.start.min()), dtype=np.int64)
    first = np.concatenate([[True], visits.cookie[1:] != visits.cookie[:-1]])
    known = (visits.session_number[first] > 1) * (20 + visits.cookie[first] % 200) * DAY
    touch[visits.cookie[first]] = visits.start[first] - known
    return touch


def _first_channel(people: People, visits: Visits) -> Ints:
    """(cookies,) the channel of the first visit we see."""
    channel = np.zeros(people.cookies, dtype=np.int64)
    first = np.concatenate([[True], visits.cookie[1:] != visits.cookie[:-1]])
    channel[visits.cookie[first]] = visits.channel[first]
    return channel


def _day_table(
    name: str, row: Ints, people: People, visits: Visits, clicks: Clicks, lookups: _Lookups
) -> pa.Table:
    count, visit, event = len(row), clicks.visit[row], clicks.event[row]
    person, cookie, channel = visits.person[visit], visits.cookie[visit], visits.channel[visit]
    denied, offline = people.denied[person], event == CODE["refund"]
    value, transaction = clicks.value[row], clicks.transaction[row]
    anonymous = denied | ~clicks.logged_in[row]
    first_touch = lookups.first_touch[cookie]
    consent = pa.array([{"analytics_storage": "Yes", "ads_storage": "Yes",
                         "uses_transient_token": "No"},
                        {"analytics_storage": "No", "ads_storage": "No",
                         "uses_transient_token": "Yes"}], type=ga4.PRIVACY_INFO)  # fmt: skip
    columns: dict[str, pa.Array] = {
        "event_date": pa.repeat(name, count),
        "event_timestamp": pa.array(clicks.at[row]),
        "event_name": take(pa.array(EVENTS), event),
        "event_params": event_params(row, denied, visits, clicks, lookups.location, lookups.title),
        "event_value_in_usd": nulls_where(np.round(value * USD_PER_EUR, 2), np.isnan(value)),
        "event_bundle_sequence_id": pa.array(clicks.page_load[row] % 2_000_000_000),
        "user_id": take(lookups.account, person, anonymous),
        "user_pseudo_id": take(lookups.cookie, cookie, denied),
        "privacy_info": take(consent, denied.astype(np.int64)),
        "user_properties": user_properties(first_touch, anonymous),
        "user_first_touch_timestamp": nulls_where(first_touch, denied),
        "device": take(lookups.device, visits.platform[visit]),
        "geo": take(lookups.geo, people.country[person]),
        "traffic_source": take(lookups.first_source, lookups.first_channel[cookie]),
        "stream_id": pa.repeat("4711", count),
        "platform": pa.repeat("WEB", count),
        "ecommerce": ecommerce(event, value, transaction),
        "items": items(event, clicks.page[row], value, lookups.product),
        "collected_traffic_source": take(lookups.collected, channel, ~clicks.landing[row]),
        "is_active_user": pa.array(~denied & ~offline),
        "batch_event_index": nulls_where(clicks.position[row], offline),
        "batch_page_id": nulls_where(clicks.page_load[row], offline),
        "batch_ordering_id": nulls_where(clicks.request[row], offline),
        "session_traffic_source_last_click": take(lookups.session_source, channel, offline),
    }
    return pa.table([columns.get(f.name, pa.nulls(count, f.type)) for f in ga4.SCHEMA], schema=ga4.SCHEMA)
