"""GA4 events from the BigQuery export: one table a day, read where it has changed and the cap allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from connectors.bigquery_access import BigQueryExport, ExportAccess
from connectors.bigquery_stream import Session, open_session, save_session
from connectors.bigquery_tables import DayTable, TableName, describe_table, list_day_tables
from connectors.day_pull import (
    Fetched,
    Nights,
    candidate_days,
    days_between,
    due_days,
    pull_days,
    utc_now,
)
from connectors.day_range import EVERY_DAY, DayRange
from connectors.errors import AnswerBroken, RequestRefused, SourceError
from connectors.ga4_export import DATASET
from connectors.landing import Incoming, SourceLake
from connectors.manifest import PARTIAL, Manifest
from connectors.meter import Meter
from connectors.patience import Patience, Progress
from connectors.pull_report import PullReport
from connectors.scan_budget import ScanBudget, gigabytes

__all__ = ["BigQueryExport", "check_bigquery", "pull_bigquery"]

# A session ends after six hours, also in the midst of reading
# (https://cloud.google.com/bigquery/docs/reference/storage/rpc/google.cloud.bigquery.storage.v1).
SESSION_LIFETIME = timedelta(hours=4)
# Where only the streaming export is on, no daily table ever takes an intraday one's place.
LAST_WORD_AFTER = timedelta(hours=24)
DAILY_TABLE_LATE = timedelta(days=3)
NAMED_DAYS = 10
TELL_EVERY_DAYS = 50


def pull_bigquery(
    lake: SourceLake,
    export: BigQueryExport,
    nights: Nights,
    *,
    history: timedelta | None,
    asked: DayRange,
    patience: Patience,
    progress: Progress,
) -> PullReport:
    """Land the days that are due, or the days ``asked`` for, as dataset "events", the oldest first.

    ``history`` is how far back the first pull without dates reaches (None: all tables there are).
    ``bytes_read`` of the report is what was scanned, by attempts that failed too. Nothing is read unless
    all of it fits ``export.max_bytes``, else PullTooCostly. Raises SourceError.
    """
    with ExportAccess(export) as access:
        listed = patience.call(f"{lake.source}: list of tables", lambda: list_day_tables(access), progress)
        candidates = _candidates(listed, lake, nights, history, asked)
        feed = _Events(access, listed, nights)
        due = due_days(lake, DATASET, candidates, nights, asked)
        feed.plan(lake, due, patience, progress)
        report = pull_days(lake, feed, candidates, nights, asked=asked, patience=patience, progress=progress)
    return replace(report, remarks=(*report.remarks, *_remarks(export.origin, listed, nights.today())))


def check_bigquery(export: BigQueryExport) -> str:
    """Do all that a pull needs a right for, except reading: it costs nothing.

    Returns a sentence that says which day tables there are. Raises SourceError.
    """
    with ExportAccess(export) as access:
        listed = list_day_tables(access)
        newest = listed[max(listed)]
        open_session(access, describe_table(access, newest), utc_now())
    return f"{len(listed)} day tables, {min(listed)} to {max(listed)}"


def _candidates(
    listed: Mapping[date, TableName],
    lake: SourceLake,
    nights: Nights,
    history: timedelta | None,
    asked: DayRange,
) -> list[date]:
    """The days with a table that a pull has to think of, today's included."""
    if history is None or asked != EVERY_DAY:
        return list(listed)
    recent = set(candidate_days(lake, DATASET, nights, history, asked))
    return [day for day in listed if day in recent or day >= nights.today()]


def _remarks(origin: str, listed: Mapping[date, TableName], today: date) -> tuple[str, ...]:
    """What a person should know of the tables: days that have none, and an export that has stopped."""
    remarks = []
    if missing := [day for day in days_between(min(listed), max(listed)) if day not in listed]:
        named = ", ".join(map(str, missing[:NAMED_DAYS]))
        more = f" and {len(missing) - NAMED_DAYS} more" if len(missing) > NAMED_DAYS else ""
        remarks.append(f"{origin}: no table for {named}{more}; the export of these days is missing")
    daily = [day for day, name in listed.items() if name.is_daily]
    if daily and today - max(daily) > DAILY_TABLE_LATE:
        remarks.append(
            f"{origin}: the newest daily table is of {max(daily)}. Above 1 million events a day the daily "
            "export of a standard property stops: check Admin > BigQuery Links in GA4"
        )
    elif not daily and today - max(listed) > DAILY_TABLE_LATE:
        remarks.append(
            f"{origin}: the newest table is of {max(listed)}, and it is of the streaming export, which has "
            "stopped: check Admin > BigQuery Links in GA4, and the billing of the project"
        )
    return tuple(remarks)


@dataclass(frozen=True)
class _Planned:
    """A day that was looked at; ``session`` is None where its table still is the landed one."""

    table: DayTable
    session: Session | None


class _Events:
    """The events of an export, as pull_days wants them (DayFeed)."""

    dataset = DATASET

    def __init__(self, access: ExportAccess, listed: Mapping[date, TableName], nights: Nights) -> None:
        self.origin = access.export.origin
        self._access, self._listed, self._nights = access, listed, nights
        self._planned: dict[date, _Planned] = {}
        self._budget = ScanBudget(access.export.max_bytes, self.origin)

    def plan(self, lake: SourceLake, days: Sequence[date], patience: Patience, progress: Progress) -> None:
        """Look at ``days`` and at what reading those that changed would cost. Raises PullTooCostly."""
        for number, day in enumerate(days, 1):

            def look(day: date = day) -> _Planned:
                return self._look(day, lake.day(day))

            self._planned[day] = patience.call(f"{lake.source}: {day}", look, progress)
            if number % TELL_EVERY_DAYS == 0:
                progress(f"{lake.source}: looked at {number:,} of {len(days):,} days")
        self._budget.check()
        if days:
            progress(
                f"{lake.source}: {self._budget.days:,} of {len(days):,} days have changed, "
                f"{gigabytes(self._budget.bytes)} to scan (at most {gigabytes(self._budget.most_bytes)})"
            )

    def unchanged(self, day: date, manifest: Manifest) -> Mapping[str, str] | None:
        """The flags of a day whose table is the landed one, unchanged since."""
        planned = self._planned.get(day)
        return planned.table.flags if planned and planned.session is None else None

    def fetch(self, day: date, folder: Path, meter: Meter) -> Fetched:
        """Write the day's rows into one Parquet file. Raises SourceError."""
        # a plan is good for one attempt: what failed is looked at anew
        planned = self._planned.pop(day, None)
        if planned is None or not self._is_usable(planned.session):
            planned = self._look(day, None)
            self._budget.check()
        table, session = planned.table, planned.session
        assert session is not None
        path = folder / f"{DATASET}-{day.isoformat()}.parquet"
        try:
            rows = save_session(self._access, session, path, meter)
        except SourceError:
            # BigQuery has read what it sent
            self._budget.lose(day, meter.rows / max(table.rows, 1))
            raise
        flags = dict(table.flags)
        if not self._is_last_word(table, session):
            flags[PARTIAL] = f"{table.name.table_id} is still being written"
        elif rows != table.rows:  # rewritten between the look at it and the session, or cut short
            self._budget.lose(day, rows / max(table.rows, 1))
            raise AnswerBroken(
                f"{rows:,} rows came of a table of {table.rows:,}",
                where=f"{self.origin}, {table.name.table_id}",
                remedy="Pull again; nothing of the day was landed",
            )
        return Fetched([Incoming(day, DATASET, path, rows)], self._budget.scanned(day), flags)

    def _look(self, day: date, landed: Manifest | None) -> _Planned:
        """The day's table and, unless it is the landed one, a session to read it."""
        name = self._listed.get(day)
        if name is None:
            raise RequestRefused(
                f"the table of {day} is there no more", where=self.origin, remedy="Pull again"
            )
        try:
            now = self._nights.clock()
            table = describe_table(self._access, name)
            if landed is not None and self._is_landed(table, landed):
                return _Planned(table, None)
            session = open_session(self._access, table, now)
        except AnswerBroken:
            self._listed = list_day_tables(self._access)  # another may have taken its place
            raise
        self._budget.plan(day, session.bytes)
        return _Planned(table, session)

    def _is_landed(self, table: DayTable, landed: Manifest) -> bool:
        parts = landed.parts_of(DATASET)
        return bool(parts) and all(
            part.origin == self.origin
            and PARTIAL not in part.flags
            and all(part.flags.get(flag) == table.flags[flag] for flag in ("table", "modified"))
            for part in parts
        )

    def _is_usable(self, session: Session | None) -> bool:
        return session is not None and self._nights.clock() - session.made_at < SESSION_LIFETIME

    def _is_last_word(self, table: DayTable, session: Session) -> bool:
        end = self._nights.end_of(table.name.day)
        return table.name.is_daily or session.made_at >= end + LAST_WORD_AFTER
