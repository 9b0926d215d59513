"""A small shop of two tools in day files, as staging leaves them, that changes from night to night.

Few devices and few users, so that they meet; a crowd around them, so that a night changes little of all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from night_config import APP, SOURCES, WEB

from pipelines.config_tables import write_days
from pipelines.sql_models import replace_model
from pipelines.staged_schema import RECORDING, STAGED_EVENT, SURVEY_ANSWER
from pipelines.staging_day import file_list
from pipelines.vendor_reports import empty_reports
from pipelines.warehouse import quoted, replace_table

Row = dict[str, Any]
DayOfSource = tuple[str, date]

FIRST_DAY = date(2026, 3, 26)  # clocks change in Madrid three days later
DAYS = 8
USERS = ("ana", "ben", "cleo", "dan", "eva", "fay")
PLACEHOLDERS = ("null", "0")
DEVICES = {WEB: ("w1", "w2", "w3", "w4"), APP: tuple(f"a1b2c3d{n}-0000-4000-8000-00000000" for n in range(4))}
PAGES = ("/", "/p/1", "/p/2", "/cart", "/thanks", None)
MONEY = (None, "EUR", "EUR", "USD", "GBP")
ORDERS = tuple(f"order{n}" for n in range(8))
NAMES = ("view_item", "view_item", "add_to_wishlist", "add_to_cart", "add_to_cart", "purchase", "page_view")
TRAFFIC = (
    (None, None, None),
    (None, None, None),
    ("google", "cpc", "spring"),
    ("google", "organic", None),
    ("letter", "email", "may"),
)
SECOND = 10**6
MINUTE = 60 * SECOND
DAY_US = 86400 * SECOND
GAPS = (0, SECOND // 2, 20 * SECOND, 5 * MINUTE, 30 * MINUTE, 30 * MINUTE + 1, 200 * MINUTE)


def key_of(*parts: object) -> int:
    """The digest of the same name in pipelines.engine_functions."""
    return int(hashlib.md5("|".join(map(str, parts)).encode()).hexdigest()[:15], 16)


def begin_us(day: date) -> int:
    return (
        datetime(day.year, day.month, day.day, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    ).days * DAY_US


@dataclass
class NightWorld:
    """What has landed. ``days`` may hold more: what comes after ``last_day``, and days that are ``gone``."""

    rng: Random
    days: dict[DayOfSource, list[Row]] = field(default_factory=dict)
    last_day: date = FIRST_DAY + timedelta(DAYS - 1)
    gone: set[DayOfSource] = field(default_factory=set)
    partial: set[DayOfSource] = field(default_factory=set)
    silent: set[DayOfSource] = field(default_factory=set)
    touched: set[DayOfSource] = field(default_factory=set)
    vendor_counts: dict[tuple[str, date, str], int] = field(default_factory=dict)
    exit_pages: list[str] = field(default_factory=list)
    files: dict[DayOfSource, str] = field(default_factory=dict)
    _written: dict[str, list[Row]] = field(default_factory=dict)
    _events: int = 0

    def landed(self) -> list[DayOfSource]:
        """The days of sources that are there now; of those that are ``silent`` there is no file."""
        return sorted(each for each in self.days if each[1] <= self.last_day and each not in self.gone)

    def event(
        self, source: str, device_id: str | None, user_id: str | None, us: int, name: str, **more: Any
    ) -> Row:
        """An event of nobody's session; its number stays, whatever of it changes."""
        self._events += 1
        row = dict.fromkeys(STAGED_EVENT.names) | {
            "source": source,
            "event_number": key_of(source, self._events),
            "device_number": key_of(source, device_id) if device_id else None,
            "device_id": device_id,
            "user_id": user_id,
            "event_us": us,
            "event_seq": 0,
            "event_name": name,
            "is_revenue": name in ("purchase", "refund"),
            "properties": "{}",
            "copies": 1,
        }
        return row | more

    def put(self, row: Row, day: date | None = None) -> None:
        """Land an event with its own day, or with another's."""
        own = FIRST_DAY + timedelta(days=(row["event_us"] - begin_us(FIRST_DAY)) // DAY_US)
        self.days.setdefault((row["source"], day or own), []).append(row)

    def visit(self, source: str, day: date, device: str, user: str | None, names: Sequence[str]) -> None:
        """A person does ``names`` one after the other, perhaps past midnight, perhaps logs in on the way."""
        rng = self.rng
        us = begin_us(day) + (rng.choice((10, 23)) * 60 + rng.randrange(60)) * MINUTE
        visitor: Row = {
            "device": rng.choice(("mobile", "desktop")),
            "os": rng.choice(("iOS", "Windows", None)),
            "browser": rng.choice(("Chrome", "Safari")) if rng.random() < 0.95 else "Googlebot/2.1",
            "country": rng.choice(("ES", "FR", None)),
            "is_new_user": rng.choice((True, False, None)),
            "properties": json.dumps({"plan": rng.choice(("free", "pro"))}),
        }
        if source == WEB:
            visitor["vendor_session_id"] = f"s{rng.randrange(3)}-{day}"
            visitor["session_number"] = key_of(source, device, visitor["vendor_session_id"])
        login = rng.randrange(len(names) + 1)  # anonymous before
        for place, name in enumerate(names):
            row = self.event(source, device, user if place >= login else None, us, name, **visitor)
            self.put(row | self._said(source, name, place))
            us += rng.choice(GAPS)

    def _said(self, source: str, name: str, place: int) -> Row:
        """What an event itself says: page, order, and perhaps where the visit came from."""
        rng = self.rng
        said: Row = {"page": rng.choice(PAGES), "event_seq": place if source == WEB else 0}
        said |= dict(zip(("source_name", "medium", "campaign"), rng.choice(TRAFFIC), strict=True))
        if source == WEB and rng.random() < 0.1:
            said |= {
                "given_channel": "Display",
                "first_source_name": "news.example",
                "first_medium": "referral",
            }
        if rng.random() < 0.02:
            said["traffic_type"] = "internal"
        if name == "purchase":
            said |= {"value": rng.choice((20.0, 50.0, 10.1, 33.33, None)), "currency": rng.choice(MONEY)}
            said["transaction_id"] = rng.choice((*ORDERS, None))
        return said

    def random_visit(self, source: str, day: date) -> None:
        """One of the few, on one of the few devices."""
        rng = self.rng
        user = rng.choice((None, *USERS, *USERS, *PLACEHOLDERS))
        names = [rng.choice(NAMES) for _ in range(rng.randint(1, 6))]
        self.visit(source, day, rng.choice(DEVICES[source]), user, names)

    def write(self, staged: Path) -> list[Path]:
        """The files that count now; what changed since it was last written has another name."""
        paths = []
        for source, day in self.landed():
            rows = self.days[source, day]
            if (source, day) in self.silent and not rows:
                continue
            old = self.files.get((source, day), "")
            if not old or self._written[old] != rows or (source, day) in self.touched:
                old = f"{source}/events-{day}-{len(self._written):08x}-r1.parquet"
                self.files[source, day], self._written[old] = old, [dict(row) for row in rows]
            path = staged / old
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(pa.Table.from_pylist(rows, schema=STAGED_EVENT), path)
            paths.append(path)
        self.touched.clear()
        return paths

    def gather(self, connection: duckdb.DuckDBPyConnection, staged: Path) -> list[Path]:
        """Make the schema ``lake`` of what has landed; returns its files."""
        paths = self.write(staged)
        columns = ", ".join(quoted(name) for name in STAGED_EVENT.names)
        query = f"select {columns} from read_parquet({file_list(paths)}, union_by_name = true)"
        replace_model(connection, "lake.staged_events", query, is_view=True)
        names = pa.schema([("file", pa.string()), ("path", pa.string())])
        listed = [{"file": str(path.relative_to(staged)), "path": str(path)} for path in paths]
        replace_table(connection, "lake.staged_files", names, listed)
        recordings = [
            {
                "source": "hotjar",
                "recorded_us": begin_us(FIRST_DAY),
                "recording_url": f"r{place}",
                "exit_page": page,
            }
            for place, page in enumerate(self.exit_pages)
        ]
        replace_table(connection, "lake.staged_recordings", RECORDING, recordings)
        replace_table(connection, "lake.staged_surveys", SURVEY_ANSWER, [])
        empty_reports(connection)
        for (source, day, name), count in self.vendor_counts.items():
            connection.execute(
                "insert into lake.vendor_counts values (?, ?, ?, ?)", [source, day, name, count]
            )
        connection.execute(
            "insert into lake.vendor_days by name select distinct source, day, false as is_sampled, "
            "false as is_thresholded, false as has_other_row, false as is_truncated, true as same_zone, "
            "true as is_settled from lake.vendor_counts"
        )
        write_days(connection, [self._day(*each) for each in self.landed()])
        return paths

    def _day(self, source: str, day: date) -> Row:
        is_whole = (source, day) not in self.partial
        rows, ends_us = len(self.days[source, day]), begin_us(day) + DAY_US
        told = {"is_complete": is_whole, "is_settled": day < self.last_day, "is_to_come": False}
        return {"source": source, "day": day, "ends_us": ends_us, "rows": rows} | told


def make_world(seed: int, *, crowd: int = 60, visits: int = 30) -> NightWorld:
    world = NightWorld(Random(seed))
    days = [FIRST_DAY + timedelta(n) for n in range(DAYS)]
    for source in SOURCES:
        for day in days:
            world.days[source, day] = []
    for number in range(crowd):
        source, user = SOURCES[number % 2], f"member{number}" if number % 3 else None
        world.visit(source, days[number % DAYS], f"box{number}", user, NAMES[number % 3 :: 2])
    for _ in range(visits):
        world.random_visit(world.rng.choice(SOURCES), world.rng.choice(days))
    return world
