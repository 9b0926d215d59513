"""Pull what a vendor gives out day by day: which days are due, each landed whole before the next is asked.

A day is due while it has not landed, landed before it was over, or was last seen before the vendor is
done with it (the look-back). So a night that was missed is made up for, and a run that was killed goes
on where it stopped. A range that is asked for by its dates is pulled anew, again or not at all landed;
killed and asked for again, it goes on too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from connectors.errors import SourceError
from connectors.landing import (
    EVERY_DAY,
    PARTIAL,
    DayRange,
    Incoming,
    Manifest,
    Part,
    SourceLake,
    replace_json,
)
from connectors.meter import Meter
from connectors.patience import Patience, Progress
from connectors.pull_report import PullReport

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """What time it is."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Fetched:
    """A day as it was fetched: its files (one at least, also of a day without rows) and what the vendor
    said of it. ``bytes_read`` is what crossed the wire or was scanned."""

    incoming: Sequence[Incoming]
    bytes_read: int
    flags: Mapping[str, str] = field(default_factory=dict)


class DayFeed(Protocol):
    """One dataset of a source that a vendor gives out day by day."""

    dataset: str
    origin: str

    def unchanged(self, day: date, manifest: Manifest) -> Mapping[str, str] | None:
        """The flags to keep where the vendor's day still is the landed one; None to fetch it."""

    def fetch(self, day: date, folder: Path, meter: Meter) -> Fetched:
        """Write the day's files into ``folder``. Raises SourceError and then leaves nothing landed."""


@dataclass(frozen=True)
class Nights:
    """When a day begins and ends, how long the vendor may still change it, and what time it is (UTC)."""

    zone: ZoneInfo
    look_back: timedelta
    clock: Clock

    def today(self) -> date:
        return self.clock().astimezone(self.zone).date()

    def end_of(self, day: date) -> datetime:
        """The midnight that ends ``day``, in UTC; days with a clock change have 23 or 25 hours."""
        return datetime.combine(day + timedelta(days=1), time(), self.zone).astimezone(UTC)

    def recent_days(self, landed: Mapping[date, Manifest], dataset: str, history: timedelta) -> list[date]:
        """The days a nightly pull has to think of: ``history`` back from yesterday, and never a gap."""
        last = self.today() - timedelta(days=1)
        known = [day for day, manifest in landed.items() if manifest.parts_of(dataset)]
        first = min([self.today() - history, *known])
        return days_between(first, last)

    def candidate_days(
        self, landed: Mapping[date, Manifest], dataset: str, history: timedelta, asked: DayRange
    ) -> list[date]:
        """The days a pull has to think of: those ``asked`` for, an open end closed by yesterday, none to
        come; else the recent ones."""
        recent = self.recent_days(landed, dataset, history)
        if asked == EVERY_DAY:
            return recent
        last = min(asked.last or self.today() - timedelta(days=1), self.today())
        return days_between(asked.first or min(recent, default=last), last)


def is_settled(parts: Sequence[Part], day: date, nights: Nights) -> bool:
    """Whether the parts of a day were seen after the vendor was done with it; files always were."""
    done = nights.end_of(day) + nights.look_back
    return all(not part.seen_at or datetime.fromisoformat(part.seen_at) >= done for part in parts)


def days_between(first: date, last: date) -> list[date]:
    """The days from ``first`` to ``last``, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def due_days(
    lake: SourceLake, dataset: str, candidates: Sequence[date], nights: Nights, asked: DayRange
) -> list[date]:
    """The days of ``candidates`` that pull_days looks at, the oldest first. A range asked for begins here."""
    since = _BackFill(lake, dataset, asked).begin(nights.clock())
    landed = lake.days()
    return [
        day
        for day in sorted(candidates)
        if day in asked and _is_due(landed.get(day), dataset, day, nights, since)
    ]


def pull_days(
    lake: SourceLake,
    feed: DayFeed,
    candidates: Sequence[date],
    nights: Nights,
    *,
    asked: DayRange,
    patience: Patience,
    progress: Progress,
) -> PullReport:
    """Land the days of ``candidates`` that are due and ``asked`` for, the oldest first.

    Raises the SourceError of the first day that cannot be had; the days before it have landed.
    """
    due = due_days(lake, feed.dataset, candidates, nights, asked)
    report = PullReport(lake.source, 0, ())
    for number, day in enumerate(due, 1):
        label = f"{lake.source}: {day} ({number} of {len(due)} days)"
        try:
            report += _pull_day(lake, feed, day, nights, patience, progress, label)
        except SourceError:
            progress(f"{label}: failed; the {number - 1} days before it are done, the next pull goes on here")
            raise
    _BackFill(lake, feed.dataset, asked).end()
    return report


def _pull_day(
    lake: SourceLake,
    feed: DayFeed,
    day: date,
    nights: Nights,
    patience: Patience,
    progress: Progress,
    label: str,
) -> PullReport:
    seen_at = nights.clock()
    before = lake.day(day)
    if before is not None and before.parts_of(feed.dataset) and _is_whole(before, feed.dataset):
        flags = patience.call(label, lambda: feed.unchanged(day, before), progress)
        if flags is not None:
            lake.confirm_day(day, feed.dataset, seen_at=seen_at, flags=flags)
            return PullReport(lake.source, 0, (), days_unchanged=1)

    def fetch() -> tuple[Fetched, Meter]:
        meter = Meter(progress, label)
        return feed.fetch(day, lake.incoming_folder(), meter), meter

    fetched, meter = patience.call(label, fetch, progress)
    flags = dict(fetched.flags)
    if seen_at < nights.end_of(day):
        flags[PARTIAL] = "seen before the day was over"
    changed = lake.land_day(
        day, feed.dataset, fetched.incoming, origin=feed.origin, seen_at=seen_at, flags=flags
    )
    meter.tell()
    rows = sum(each.rows for each in fetched.incoming)
    days = (day,) if changed else ()
    return PullReport(lake.source, rows, days, days_read=1, bytes_read=fetched.bytes_read)


def _is_due(
    manifest: Manifest | None, dataset: str, day: date, nights: Nights, since: datetime | None
) -> bool:
    parts = manifest.parts_of(dataset) if manifest else ()
    if not parts or any(not part.seen_at for part in parts):
        return True
    seen_at = min(datetime.fromisoformat(part.seen_at) for part in parts)
    if since is not None:
        return seen_at < since
    return seen_at < nights.end_of(day) + nights.look_back or any(PARTIAL in part.flags for part in parts)


def _is_whole(manifest: Manifest, dataset: str) -> bool:
    return not any(PARTIAL in part.flags for part in manifest.parts_of(dataset))


class _BackFill:
    """Remembers when a range began to be pulled anew, so that a second start of it does not begin anew."""

    def __init__(self, lake: SourceLake, dataset: str, asked: DayRange) -> None:
        self._path = lake.root / f"back-fill-{dataset}.json"
        self._range = {
            "first": asked.first.isoformat() if asked.first else None,
            "last": asked.last.isoformat() if asked.last else None,
        }
        self._is_one = asked != EVERY_DAY

    def begin(self, now: datetime) -> datetime | None:
        """Since when a day counts as pulled; None for a pull without dates."""
        if not self._is_one:
            return None
        try:
            before = json.loads(self._path.read_text("utf-8"))
            if before["range"] == self._range:
                return datetime.fromisoformat(before["started_at"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # none was under way
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replace_json(self._path, {"range": self._range, "started_at": now.isoformat()})
        return now

    def end(self) -> None:
        if self._is_one:
            self._path.unlink(missing_ok=True)
