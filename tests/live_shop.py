"""A small shop behind four loopback vendors, whose days arrive late, as a workspace over live sources."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from bigquery_server import BigQueryServer
from data_api_server import DataApiServer
from hotjar_server import CLIENT_ID, CLIENT_SECRET, HotjarServer
from mixpanel_server import MixpanelServer

from connectors.patience import Patience
from pipelines.workspace import Workspace, open_workspace

FIRST = date(2026, 3, 2)
SECRET = "the service account's secret"
JOURNEY = """\
journey: shop
window: 2d
sources: [ga4]
stages:
  - {name: visit, match: [{event: session_start}]}
  - {name: cart, match: [{event: add_to_cart}], ideal: {conversion: 0.6}, owner: Product}
  - {name: buy, match: [{event: purchase}], ideal: {conversion: 0.5}, owner: Payments}
segments: [device]
"""


@dataclass(frozen=True)
class Happening:
    """Something a visitor does, when, and how many nights late the vendors hear of it."""

    at: datetime
    visitor: int
    name: str
    lag_nights: int
    number: int


@dataclass
class LiveShop:
    """``late_share`` of what happens is heard of one to three nights late."""

    seed: int = 7
    days: int = 24
    visitors_a_day: int = 40
    late_share: float = 0.0
    ga4: BigQueryServer = field(default_factory=lambda: BigQueryServer(rows_a_batch=40, page=20))
    counts: DataApiServer = field(default_factory=lambda: DataApiServer(time_zone="Europe/Madrid"))
    mixpanel: MixpanelServer = field(default_factory=lambda: MixpanelServer(secret=SECRET))
    hotjar: HotjarServer = field(
        default_factory=lambda: HotjarServer(
            {5: {}}, questions=[{"id": "1", "text": "What stopped you?", "type": "long-text"}], page_size=4
        )
    )

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)
        self.happenings: list[Happening] = []
        for place in range(self.days):
            day = FIRST + timedelta(days=place)
            for _ in range(self.visitors_a_day):
                self._visit(chance, day)
        self._written: dict[str, int] = {}

    def _visit(self, chance: random.Random, day: date) -> None:
        visitor = len(self.happenings)
        # Madrid's day is 23:00 to 23:00 UTC in winter, 22:00 to 22:00 in summer
        at = datetime(day.year, day.month, day.day, chance.randrange(0, 21), 0, tzinfo=UTC)
        for name, share in (("session_start", 1.0), ("add_to_cart", 0.5), ("purchase", 0.4)):
            if chance.random() >= share:
                return
            at += timedelta(seconds=chance.randrange(1, 900), microseconds=chance.randrange(1_000_000))
            late = chance.random() < self.late_share
            lag = chance.randrange(1, 4) if late else 0
            self.happenings.append(Happening(at, visitor, name, lag, len(self.happenings)))

    @contextmanager
    def running(self) -> Iterator[LiveShop]:
        with ExitStack() as stack:
            for server in (self.ga4, self.counts, self.mixpanel, self.hotjar):
                stack.enter_context(server)
            yield self

    def heard_by(self, night: date) -> dict[date, list[Happening]]:
        """What the vendors know in the morning of ``night``, by day; of today, the first hours."""
        known: dict[date, list[Happening]] = {}
        for each in self.happenings:
            day = each.at.date()
            was_heard = day + timedelta(days=1 + each.lag_nights) <= night
            is_of_this_morning = day == night and each.at.hour < 4 and not each.lag_nights
            if was_heard or is_of_this_morning:
                known.setdefault(day, []).append(each)
        return known

    def dawn(self, night: date) -> None:
        """Let the vendors have what they know in the morning of ``night``."""
        known = self.heard_by(night)
        for day, heard in known.items():
            name = f"events_intraday_{day:%Y%m%d}" if day == night else f"events_{day:%Y%m%d}"
            if self._written.get(name) != len(heard):  # else the table keeps its time of change
                self.ga4.write(name, [_ga4_row(day, each) for each in heard])
                self._written[name] = len(heard)
            before = f"events_intraday_{day:%Y%m%d}"
            if day < night and before in self._written:
                self.ga4.drop(before)
                del self._written[before]
            names = [each.name for each in heard]
            self.counts.days[day] = {name: names.count(name) for name in sorted(set(names))}
            # Mixpanel's days are those of UTC here
            self.mixpanel.days[day] = [_mixpanel_event(each) for each in heard]
        self.hotjar.lists[5] = sorted(
            (_response(each) for heard in known.values() for each in heard if each.number % 9 == 0),
            key=lambda response: str(response["created_time"]),
            reverse=True,
        )

    def make_workspace(self, folder: Path) -> Path:
        (folder / "journeys").mkdir(parents=True)
        (folder / "journeys" / "shop.yaml").write_text(JOURNEY, "utf-8")
        (folder / "painpoints.toml").write_text(
            f"""\
timezone = "Europe/Madrid"
currency = "EUR"
[sources.ga4]
project = "{self.ga4.project}"
dataset = "{self.ga4.dataset}"
api_url = "{self.ga4.url}"
storage_api_url = "{self.ga4.storage_url}"
property_id = "{self.counts.property_id}"
data_api_url = "{self.counts.grpc_url}"
[sources.mixpanel]
project_id = {self.mixpanel.project_id}
region = "eu"
api_url = "{self.mixpanel.url}"
history = "30d"
look_back = "3d"
[sources.hotjar]
site_id = {self.hotjar.site_id}
api_url = "{self.hotjar.url}"
user_id = "shop_user"
""",
            "utf-8",
        )
        return folder

    @property
    def secrets(self) -> dict[str, str]:
        """The environment that lets the sources in."""
        return {
            "MIXPANEL_SERVICE_ACCOUNT": self.mixpanel.username,
            "MIXPANEL_SERVICE_SECRET": SECRET,
            "HOTJAR_CLIENT_ID": CLIENT_ID,
            "HOTJAR_CLIENT_SECRET": CLIENT_SECRET,
        }

    def open(self, folder: Path, night: date, hour: int = 4) -> Workspace:
        """The workspace as it is opened in the morning of ``night``; no wait takes any time."""
        moment = datetime(night.year, night.month, night.day, hour, 30, tzinfo=UTC)
        return open_workspace(folder, lambda: moment, Patience(attempts=4, sleep=lambda _: None))


def _ga4_row(day: date, each: Happening) -> dict[str, Any]:
    bought = each.name == "purchase"
    return {
        "event_date": f"{day:%Y%m%d}",
        "event_timestamp": int(each.at.timestamp() * 1_000_000),
        "event_name": each.name,
        "event_params": [
            {"key": "ga_session_id", "value": {"int_value": each.visitor}},
            {"key": "page_location", "value": {"string_value": f"https://shop.example/{each.name}"}},
        ],
        "user_pseudo_id": f"browser{each.visitor}",
        "user_id": f"user{each.visitor}" if bought else None,
        "device": {"category": "mobile" if each.visitor % 2 else "desktop"},
        "ecommerce": {"purchase_revenue": 20.5, "transaction_id": f"t{each.number}"} if bought else None,
        "collected_traffic_source": {"manual_source": "news", "manual_medium": "email"},
        "batch_page_id": each.number,
        "batch_ordering_id": 1,
        "batch_event_index": 1,
    }


def _mixpanel_event(each: Happening) -> dict[str, Any]:
    return {
        "event": {"session_start": "Visited", "add_to_cart": "Added", "purchase": "Order Completed"}[
            each.name
        ],
        "properties": {
            "time": int(each.at.timestamp()),
            "distinct_id": f"user{each.visitor}",
            "$user_id": f"user{each.visitor}",
            "$insert_id": f"i{each.number}",
            "revenue": 20.5 if each.name == "purchase" else None,
        },
    }


def _response(each: Happening) -> dict[str, Any]:
    return {
        "id": f"r{each.number}",
        "created_time": each.at.isoformat(),
        "hotjar_user_id": f"h{each.visitor}",
        "country": "ES",
        "device": "mobile",
        "response_origin_url": f"https://shop.example/{each.name}",
        "user_attributes": [{"name": "shop_user", "type": "string", "value": f"user{each.visitor}"}],
        "answers": [{"question_id": "1", "answer": f"answer {each.number}", "comment": None}],
    }
