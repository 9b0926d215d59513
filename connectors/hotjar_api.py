"""Hotjar's survey responses, by its API: walked newest first, landed by the day they were made.

A night walks back from the newest response to the look-back; only a first pull, or one after which
something is missing in the lake, walks the whole list.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from connectors.day_pull import Nights
from connectors.day_range import EVERY_DAY, DayRange
from connectors.durable_files import replace_json
from connectors.errors import SourceError
from connectors.hotjar_client import HotjarClient, HotjarSite, Survey, broken
from connectors.json_lines import Record, write_days
from connectors.landing import Incoming, SourceLake
from connectors.meter import Meter
from connectors.patience import Patience, Progress
from connectors.pull_report import PullReport
from connectors.row_files import utc_moment
from connectors.stamped_rows import EPOCH

__all__ = ["HotjarSite", "check_hotjar", "pull_responses"]

DATASET = "responses"
PAGES_WITHOUT_NEWS_LIMIT = 10


def pull_responses(
    lake: SourceLake,
    site: HotjarSite,
    nights: Nights,
    *,
    asked: DayRange,
    patience: Patience,
    progress: Progress,
) -> PullReport:
    """Land the responses of every survey by the day (of ``nights.zone``) on which they were made.

    A day lands once it is over. Of each survey, ``asked`` is pulled anew; without dates, what is newer
    than its newest landed day less the look-back. A survey is fetched to its end before anything of it
    lands. Raises the SourceError of the first survey that cannot be had; those before it have landed.
    """
    last = nights.today() - timedelta(days=1)
    days = replace(asked, last=min(asked.last or last, last))
    report = PullReport(lake.source, 0, ())
    with closing(HotjarClient(site)) as api:
        surveys = patience.call(f"{lake.source}: list of surveys", api.surveys, progress)
        for number, survey in enumerate(surveys, 1):
            label = f"{lake.source}: survey {survey.id} ({number} of {len(surveys)} surveys)"
            pull = _SurveyPull(lake, api, survey, nights.zone, label)
            try:
                report += pull.run(days, nights.look_back, asked, patience, progress)
            except SourceError:
                progress(f"{label}: failed; the {number - 1} surveys before it have landed")
                raise
    return report


def check_hotjar(site: HotjarSite) -> str:
    """What the key can read, in a sentence: asks for the surveys and one response. Raises SourceError."""
    with closing(HotjarClient(site)) as api:
        surveys = api.surveys()
        for survey in surveys[:1]:
            api.first_response(survey)
    ids = ", ".join(survey.id for survey in surveys[:10]) + (", ..." if len(surveys) > 10 else "")
    return f"site {site.site_id}: the responses of {len(surveys)} surveys can be read ({ids or 'none yet'})"


class _SurveyPull:
    """The pull of one survey: how far back to walk, the walk, and the landing."""

    def __init__(
        self, lake: SourceLake, api: HotjarClient, survey: Survey, zone: ZoneInfo, label: str
    ) -> None:
        self.lake, self.api, self.survey, self.zone, self.label = lake, api, survey, zone, label
        self.origin = f"Hotjar survey {survey.id}"
        self._memory = lake.root / "responses.json"

    def run(
        self, days: DayRange, look_back: timedelta, asked: DayRange, patience: Patience, progress: Progress
    ) -> PullReport:
        landed, rows_before = self._landed()
        newest = max(landed, default=None)
        is_whole = newest is not None and self._remembered().get(self.origin) == self._state(rows_before)
        if asked == EVERY_DAY and is_whole and newest is not None:
            days = replace(days, first=newest - timedelta(days=math.ceil(look_back / timedelta(days=1))))
        if days.first is not None and days.last is not None and days.first > days.last:
            return PullReport(self.lake.source, 0, ())

        def fetch() -> tuple[list[Incoming], Meter]:
            meter = Meter(progress, self.label)
            return self._fetch(days, meter), meter

        incoming, meter = patience.call(self.label, fetch, progress)
        changed = self.lake.land(self.origin, incoming, days)
        leaves_no_gap = days.first is None or (
            is_whole and newest is not None and days.first <= newest + timedelta(days=1)
        )
        if leaves_no_gap:
            self._remember()
        meter.tell()
        rows = sum(each.rows for each in incoming)
        return PullReport(
            self.lake.source, rows, tuple(changed), days_read=len(incoming), bytes_read=meter.bytes
        )

    def _fetch(self, days: DayRange, meter: Meter) -> list[Incoming]:
        folder = self.lake.incoming_folder()
        path = folder / "responses.sqlite"
        try:
            with closing(_Found(path)) as found:
                self._walk(found, days.first, meter)
                incoming = write_days(found.lines(days), folder, DATASET)
        except sqlite3.Error as error:
            raise OSError(
                f"{path}: what came of survey {self.survey.id} cannot be kept there ({error}); is the disk "
                "full? Nothing of the survey has landed"
            ) from error
        path.unlink()
        return incoming

    def _walk(self, found: _Found, since: date | None, meter: Meter) -> None:
        """Add the responses, from the newest back to the start of day ``since``."""
        oldest = datetime.max.replace(tzinfo=UTC)
        is_newest_first, without_news, where = True, 0, f"survey {self.survey.id}"
        for responses, size in self.api.response_pages(self.survey):
            entries = [self._entry(response) for response in responses]
            # new responses push others to the next page: what is known already says nothing of the order
            new = [moment for moment, key, day, line in entries if found.add(key, day, line)]
            for moment in new:
                is_newest_first = is_newest_first and moment <= oldest
                oldest = min(oldest, moment)
            meter.add(len(new), size)
            without_news = 0 if new else without_news + 1
            if without_news >= PAGES_WITHOUT_NEWS_LIMIT:
                raise broken(
                    f"{without_news} pages in a row held no response that was not on a page before", where
                )
            if since and entries and is_newest_first and all(day < since for _, _, day, _ in entries):
                return

    def _entry(self, response: object) -> tuple[datetime, str, date, bytes]:
        """Its moment, id, day, and line ``{"at": microseconds UTC, "row": {...}}`` of a response."""
        try:
            if not isinstance(response, dict):
                raise TypeError("it is no object")
            key = str(response["id"])
            moment = utc_moment(response["created_time"], ZoneInfo("UTC"))
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            what = f"a response lacks its id or its created_time ({error!r})"
            raise broken(what, f"survey {self.survey.id}") from error
        at = (moment - EPOCH) // timedelta(microseconds=1)
        line = json.dumps({"at": at, "row": _row(response, self.survey)}, ensure_ascii=False, sort_keys=True)
        return moment, key, moment.astimezone(self.zone).date(), line.encode("utf-8", "replace")

    def _landed(self) -> tuple[list[date], int]:
        """The days of which this survey has brought something, and its rows in all."""
        parts = [
            (day, part.rows)
            for day, manifest in self.lake.days().items()
            for part in manifest.parts
            if part.origin == self.origin
        ]
        return [day for day, _ in parts], sum(rows for _, rows in parts)

    # What lands day by day may be killed half way, or a day's folder deleted: only where the lake holds
    # as many rows as when the survey was last whole, is what is older than the look-back known to be there.

    def _remembered(self) -> dict[str, Any]:
        try:
            known = json.loads(self._memory.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _remember(self) -> None:
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        replace_json(self._memory, self._remembered() | {self.origin: self._state(self._landed()[1])})

    def _state(self, rows: int) -> dict[str, Any]:
        return {"rows": rows, "zone": str(self.zone)}


class _Found:
    """The responses fetched so far, on disk, each once: of two copies the later one counts."""

    def __init__(self, path: Path) -> None:
        self._file = sqlite3.connect(path, isolation_level=None)
        # a scratch file: after a crash it is thrown away
        self._file.execute("pragma journal_mode = off")
        self._file.execute("pragma synchronous = off")
        self._file.execute("create table responses (id text primary key, day text, line blob)")
        self._file.execute("begin")

    def add(self, key: str, day: date, line: bytes) -> bool:
        """Returns whether it was not there before."""
        known = self._file.execute("select 1 from responses where id = ?", [key]).fetchone()
        self._file.execute("insert or replace into responses values (?, ?, ?)", [key, day.isoformat(), line])
        return known is None

    def lines(self, days: DayRange) -> Iterator[tuple[date, bytes]]:
        """Day and line, ordered by id within a day: equal responses become equal bytes."""
        for text, line in self._file.execute("select day, line from responses order by day, id"):
            if (day := date.fromisoformat(text)) in days:
                yield day, line

    def close(self) -> None:
        self._file.close()


def _row(response: Record, survey: Survey) -> dict[str, str | None]:
    """A response as it came, its values as text, its user attributes and its questions by name."""
    row = {str(key): _text(value) for key, value in response.items()}
    attributes = response.get("user_attributes")
    if isinstance(attributes, list):
        del row["user_attributes"]
        named = (each for each in attributes if isinstance(each, dict) and "name" in each)
        row |= {f"user_attributes.{each['name']}": _text(each.get("value")) for each in named}
    answers = response.get("answers")
    asked = {str(each.get("question_id")) for each in answers or () if isinstance(each, dict)}
    return row | {
        "survey.id": survey.id,
        "survey.questions": _text({key: text for key, text in survey.questions.items() if key in asked}),
        "survey.question_types": _text({key: kind for key, kind in survey.types.items() if key in asked}),
    }


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
