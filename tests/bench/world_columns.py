"""The columns of staged events, made of drawn arrays a day at a time."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pyarrow as pa
from contract import STEPS
from numpy.typing import NDArray
from world_draw import EVENT_NAMES, Drawn

from pipelines.staged_schema import STAGED_EVENT

SOURCE = "shop"
_PURCHASE = STEPS.index("purchase")
_CHECKOUT = STEPS.index("begin_checkout")
_PROFILES = [
    (device, system, browser, country)
    for device, system, browser in (
        ("mobile", "Android", "Chrome"),
        ("mobile", "iOS", "Safari"),
        ("desktop", "Windows", "Edge"),
        ("desktop", "Windows", "Chrome"),
        ("desktop", "macOS", "Safari"),
        ("tablet", "iOS", "Safari"),
    )
    for country in ("Germany", "Spain", "France", "Italy", "Poland", "Portugal", "Austria", "Sweden")
]
_CHANNELS = [
    (None, None, None),
    ("google", "organic", None),
    ("google", "cpc", "brand"),
    ("google", "cpc", "shoes"),
    ("instagram.com", "referral", None),
    ("facebook", "paid_social", "spring"),
    ("newsletter", "email", "weekly"),
    ("blog.example", "referral", None),
]
_PAGES_PER_EVENT = 400
_PROPERTIES = 5000


class Columns:
    """Turns a slice of drawn events into a table of ``STAGED_EVENT``; texts are made once and looked up."""

    def __init__(self, drawn: Drawn, seed: int, first_us: int) -> None:
        """``first_us``: when the first day begins, microseconds since 1970."""
        self.drawn, self.first_us = drawn, first_us
        self.rng = np.random.default_rng(seed + 1)
        ids = [_uuid_like(number, seed) for number in range(drawn.users)]
        self.device_ids = pa.array(ids)
        self.device_numbers = np.array([_key_of(f"{SOURCE}|{each}") for each in ids])
        self.profile = self.rng.integers(0, len(_PROFILES), drawn.users)
        # few log in, and nobody on two devices: a session means the same to tools that join no devices
        self.is_member = self.rng.random(drawn.users) < 0.05
        self.channel = self.rng.integers(0, len(_CHANNELS), len(drawn.visit_user))
        self.names = pa.array(EVENT_NAMES)
        self.pages = pa.array([f"/{name}/{n}" for name in EVENT_NAMES for n in range(_PAGES_PER_EVENT)])
        self.properties = pa.array([_properties(n) for n in range(_PROPERTIES)])

    def table(self, begin: int, end: int) -> pa.Table:
        """The events from place ``begin`` to ``end`` (exclusive)."""
        drawn, rng, rows = self.drawn, self.rng, end - begin
        name, visit = drawn.name[begin:end], drawn.visit[begin:end]
        user = drawn.visit_user[visit]
        bought = name == _PURCHASE
        named = self.is_member[user] & (name >= _CHECKOUT) & (name <= _PURCHASE)
        profile, place = self.profile[user], np.arange(begin, end)
        channel = np.where(drawn.opens[begin:end], self.channel[visit], 0)
        page = name.astype(np.int64) * _PAGES_PER_EVENT + rng.integers(0, _PAGES_PER_EVENT, rows)
        money = np.round(rng.lognormal(3.8, 0.6, rows), 2)
        given: dict[str, pa.Array] = {
            "source": _repeated(SOURCE, rows),
            "event_number": pa.array(_scattered(place)),
            "device_number": pa.array(self.device_numbers[user]),
            "device_id": self.device_ids.take(pa.array(user)),
            "user_id": _texts([f"member-{each}" for each in user[named]], named),
            "event_us": pa.array(drawn.at_us[begin:end] + self.first_us),
            "event_seq": pa.array(np.zeros(rows, dtype=np.int32)),
            "event_name": self.names.take(pa.array(name)),
            "page": self.pages.take(pa.array(page)),
            "is_new_user": pa.array(drawn.visit_is_first[visit]),
            "value": pa.array(money, mask=~bought),
            "currency": _texts(["EUR"] * int(bought.sum()), bought),
            "transaction_id": _texts([f"T{each}" for each in place[bought]], bought),
            "is_revenue": pa.array(bought),
            "properties": self.properties.take(pa.array(rng.integers(0, _PROPERTIES, rows))),
            "copies": pa.array(np.ones(rows, dtype=np.int32)),
        }
        for number, column in enumerate(("device", "os", "browser", "country")):
            given[column] = pa.array([each[number] for each in _PROFILES]).take(pa.array(profile))
        for number, column in enumerate(("source_name", "medium", "campaign")):
            given[column] = pa.array([each[number] for each in _CHANNELS]).take(pa.array(channel))
        arrays = [
            given[field.name].cast(field.type) if field.name in given else pa.nulls(rows, field.type)
            for field in STAGED_EVENT
        ]
        return pa.Table.from_arrays(arrays, schema=STAGED_EVENT)


def _key_of(text: str) -> int:
    """What the models' ``key_of`` gives: 60 bits of an MD5."""
    return int(hashlib.md5(text.encode()).hexdigest()[:15], 16)


def _uuid_like(number: int, seed: int) -> str:
    digest = hashlib.md5(f"{seed}|{number}".encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


def _scattered(place: NDArray[np.int64]) -> NDArray[np.int64]:
    """Distinct numbers of 60 bits without any order, as digests are: an odd factor loses nothing."""
    low = np.uint64(2**60 - 1)
    mixed = (place.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)) & low
    mixed ^= mixed >> np.uint64(29)
    return ((mixed * np.uint64(0xBF58476D1CE4E5B9)) & low).astype(np.int64)


def _repeated(text: str, rows: int) -> pa.Array:
    return pa.array([text]).take(pa.array(np.zeros(rows, dtype=np.int8)))


def _texts(texts: list[str], where: NDArray[np.bool_]) -> pa.Array:
    """``texts`` in the rows of ``where``, NULL in the others."""
    if not texts:
        return pa.nulls(len(where), pa.string())
    place = np.maximum(np.cumsum(where) - 1, 0)
    return pa.array(texts).take(pa.array(place, mask=~where))


def _properties(number: int) -> str:
    return json.dumps({"engagement_time_msec": number * 7, "theme": ("dark", "light")[number % 2]})
