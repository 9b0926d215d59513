"""The repeated parameters of the synthetic GA4 export: `event_params` and `user_properties`."""

import numpy as np
import pyarrow as pa

from connectors import shop_ga4_schema as ga4
from connectors.shop_calendar import SECOND, Ints
from connectors.shop_clicks import CODE, NO_ORDER, PAGES, Clicks
from connectors.shop_ga4_arrays import nulls_where, take, transaction_texts, value_struct
from connectors.shop_segments import Bools
from connectors.shop_world import Visits

PARAMS = (
    "ga_session_id", "ga_session_number", "page_location", "page_title", "session_engaged",
    "engagement_time_msec", "currency", "value", "transaction_id", "payment_type", "method",
    "percent_scrolled",
)  # fmt: skip
KEY = {name: number for number, name in enumerate(PARAMS)}


def event_params(
    row: Ints, denied: Bools, visits: Visits, clicks: Clicks, location: pa.Array, title: pa.Array
) -> pa.Array:
    """(rows,) parameters of each click; a parameter an event does not carry is left out.

    `location` holds PAGES plain, then once per channel as landing pages; `title` one per page.
    """
    visit, event, page = clicks.visit[row], clicks.event[row], clicks.page[row]
    has = np.zeros((len(row), len(PARAMS)), dtype=bool)
    offline = event == CODE["refund"]
    followed = ~denied & ~offline
    ordered = clicks.transaction[row] != NO_ORDER
    engaged = np.isin(event, [CODE["user_engagement"], CODE["scroll"], CODE["page_view"]])
    paid = ~np.isnan(clicks.value[row])
    for key, taken in {
        "ga_session_id": followed,
        "ga_session_number": followed,
        "page_location": ~offline,
        "page_title": ~offline,
        "session_engaged": followed & engaged,
        "engagement_time_msec": engaged & ~clicks.landing[row],
        "currency": paid,
        "value": paid,
        "transaction_id": ordered,
        "payment_type": event == CODE["add_payment_info"],
        "method": event == CODE["login"],
        "percent_scrolled": event == CODE["scroll"],
    }.items():
        has[:, KEY[key]] = taken
    at, key_number = has.nonzero()
    used, number = np.unique(clicks.transaction[row], return_inverse=True)
    words = [*transaction_texts(used), "1", "EUR", "card", "email"]
    pool = pa.concat_arrays([location, title, pa.array(words, type=pa.string())])
    titles, orders = len(location), len(location) + len(title)
    word = orders + len(used)
    text = np.full(has.shape, -1, dtype=np.int64)
    text[:, KEY["page_location"]] = page + np.where(
        clicks.landing[row], len(PAGES) * (1 + visits.channel[visit]), 0
    )
    text[:, KEY["page_title"]] = titles + page
    text[:, KEY["transaction_id"]] = orders + number
    for offset, name in enumerate(("session_engaged", "currency", "payment_type", "method")):
        text[:, KEY[name]] = word + offset
    whole = np.full(has.shape, -1, dtype=np.int64)
    whole[:, KEY["ga_session_id"]] = visits.start[visit] // SECOND
    whole[:, KEY["ga_session_number"]] = visits.session_number[visit]
    whole[:, KEY["engagement_time_msec"]] = 500 + clicks.at[row] // 7 % 30_000
    whole[:, KEY["percent_scrolled"]] = 90
    amount = np.where(key_number == KEY["value"], clicks.value[row][at], np.nan)
    chosen, counted = text[at, key_number], whole[at, key_number]
    value = value_struct(
        take(pool, chosen, chosen < 0),
        nulls_where(counted, counted < 0),
        nulls_where(amount, np.isnan(amount)),
    )
    keys = take(pa.array(PARAMS), key_number)
    params = pa.StructArray.from_arrays([keys, value], fields=list(ga4.PARAM))
    offsets = np.concatenate([[0], np.cumsum(has.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), params)


def user_properties(first_touch: Ints, anonymous: Bools) -> pa.Array:
    """(rows,) one property for account holders, none for others."""
    known = np.flatnonzero(~anonymous)
    value = pa.StructArray.from_arrays(
        [pa.repeat("account", len(known)), pa.nulls(len(known), pa.int64()),
         pa.nulls(len(known), pa.float64()), pa.nulls(len(known), pa.float64()),
         pa.array(first_touch[known])],
        fields=list(ga4.USER_PROPERTY.field("value").type),
    )  # fmt: skip
    both = [pa.repeat("customer_type", len(known)), value]
    properties = pa.StructArray.from_arrays(both, fields=list(ga4.USER_PROPERTY))
    offsets = np.concatenate([[0], np.cumsum(~anonymous)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), properties)
