"""Pull what a vendor gives out day by day: which days are due, each landed whole before the next is asked.

A day is due while it has not landed, landed before it was over, or was last seen before the vendor is
done with it (the look-back). So a night that was missed is made up for, and a run that was killed goes
on where it stopped. A range that is asked for by its dates is pulled anew, again or not at all landed;
killed and asked for again within a day, it goes on too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

from connectors.day_range import EVERY_DAY, DayRange
from connectors.errors import SourceError
from connectors.landing import Incoming, SourceLake
from connectors.manifest import PARTIAL, Manifest, Part
from connectors.meter import Meter
from connectors.patience import Patience, Progress
from connectors.pull_journal import BackFill, NightlyReach
from connectors.pull_report import PullReport

Clock = Callable[[], datetime]

ONE_DAY = timedelta(days=1)


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

    def first_kept(
        self, landed: Mapping[date, Manifest], dataset: str, history: timedelta, since: date | None = None
    ) -> date:
        """The day from which on none may be missing.

        It is ``history`` back from today, or as far back as nights have been keeping the days: ``since``
        where that is known, else the start of the latest run of landed days, whose end is then the last
        night there was. Older runs are back-fills, and what lies between nobody asked for.
        """
        known = {day for day, manifest in landed.items() if manifest.parts_of(dataset)}
        first = self.today() - history
        if not known:
            return first
        if since is None:
            since = max(known)
            while since - ONE_DAY in known:
                since -= ONE_DAY
        return min(first, since)

    def recent_days(
        self, landed: Mapping[date, Manifest], dataset: str, history: timedelta, since: date | None = None
    ) -> list[date]:
        """The days a nightly pull has to think of: all from ``first_kept`` to yesterday, and before them
        those that landed while the vendor could still change them."""
        first = self.first_kept(landed, dataset, history, since)
        unsettled = (day for day, each in landed.items() if day < first and _may_change(each, dataset, self))
        return [*unsettled, *days_between(first, self.today() - ONE_DAY)]


def candidate_days(
    lake: SourceLake, dataset: str, nights: Nights, history: timedelta, asked: DayRange
) -> list[date]:
    """The days a pull has to think of: those ``asked`` for, an open end closed by yesterday, none to come;
    else the recent ones, which from then on the nights keep."""
    landed, reach = lake.days(), NightlyReach(lake, dataset)
    first = nights.first_kept(landed, dataset, history, reach.first())
    if asked == EVERY_DAY:
        reach.remember(first)
        return nights.recent_days(landed, dataset, history, first)
    last = min(asked.last or nights.today() - ONE_DAY, nights.today())
    return days_between(asked.first or min(first, last), last)


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
    since = BackFill(lake, dataset, asked).begin(nights.clock())
    landed = lake.days()
    return [
        day
        for day in sorted(candidates)
        if day in asked and lake.lets_in(day) and _is_due(landed.get(day), dataset, day, nights, since)
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
    back_fill = BackFill(lake, feed.dataset, asked)
    began = back_fill.begin(nights.clock())
    done = sum(day in asked for day in candidates) - len(due)
    if began is not None and done:
        progress(
            f"{lake.source}: going on with the range asked for at {began.astimezone(UTC):%Y-%m-%d %H:%M} "
            f"UTC; {done} days are done"
        )
    report = PullReport(lake.source, 0, ())
    for number, day in enumerate(due, 1):
        label = f"{lake.source}: {day} ({number} of {len(due)} days)"
        try:
            report += _pull_day(lake, feed, day, nights, patience, progress, label)
        except SourceError:
            progress(f"{label}: failed; the {number - 1} days before it are done, the next pull goes on here")
            raise
    back_fill.end()
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


def _may_change(manifest: Manifest, dataset: str, nights: Nights) -> bool:
    """Whether a vendor gave out the day before it was done with it."""
    done = nights.end_of(manifest.day) + nights.look_back
    return any(
        part.seen_at and (datetime.fromisoformat(part.seen_at) < done or PARTIAL in part.flags)
        for part in manifest.parts_of(dataset)
    )


def _is_whole(manifest: Manifest, dataset: str) -> bool:
    return not any(PARTIAL in part.flags for part in manifest.parts_of(dataset))
