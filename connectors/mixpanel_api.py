"""Mixpanel events, live: the raw Export API, one day a request."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path

from connectors.day_pull import Fetched, Nights, pull_days
from connectors.errors import AccessDenied, AnswerBroken, LineBroken, RequestRefused, SourceError
from connectors.export_stream import REMEDY, save_body
from connectors.json_lines import Record, read_records
from connectors.landing import DayRange, Incoming, Manifest, SourceLake
from connectors.meter import Meter
from connectors.mixpanel_client import MixpanelClient, MixpanelProject
from connectors.mixpanel_export import DATASET, epoch_seconds
from connectors.pace import Pace
from connectors.patience import Patience, Progress
from connectors.pull_report import PullReport
from connectors.sorted_lines import write_sorted

__all__ = ["MixpanelProject", "check_mixpanel", "pull_mixpanel"]

REQUESTS_PER_SECOND = 3
# a day lasts 12 h around its noon; project time and UTC are at most 14 h apart
REACH_SECONDS = 36 * 3600
# where each region answers; None is Mixpanel's own address
REGIONS: Mapping[str, str | None] = {"us": None, "eu": None, "in": None}


def pull_mixpanel(
    lake: SourceLake,
    project: MixpanelProject,
    nights: Nights,
    *,
    history: timedelta,
    asked: DayRange,
    patience: Patience,
    progress: Progress,
    pace: Pace | None = None,
) -> PullReport:
    """Land the days that are due, or the days ``asked`` for, as dataset "events", the oldest first.

    An open end of a range is closed by yesterday; days of the future are not asked for. ``pace`` is for
    sources that share a project's quota; by default the pull keeps its own. Raises SourceError.
    """
    pace = pace or Pace(project.requests_per_hour, REQUESTS_PER_SECOND, sleep=patience.sleep)
    feed = _Events(MixpanelClient(project, clock=nights.clock), project.origin, pace, progress)
    candidates = nights.candidate_days(lake.days(), DATASET, history, asked)
    return pull_days(lake, feed, candidates, nights, asked=asked, patience=patience, progress=progress)


def check_mixpanel(
    project: MixpanelProject, day: date, *, regions: Mapping[str, str | None] = REGIONS
) -> str:
    """Export one event of ``day``, the cheapest call there is; one request of the hourly quota.

    Returns a sentence that says what came. Where the region refuses, the others are tried and the error
    says which one answers. Raises SourceError.
    """
    try:
        rows = _first_rows(replace(project, api_url=project.api_url or regions[project.region]), day)
    except (AccessDenied, RequestRefused) as refusal:
        home = None if project.api_url else _region_that_answers(project, day, regions)
        if home is None:
            raise
        raise type(refusal)(
            f"{refusal.what}; region {home} answers",
            where=refusal.where,
            remedy=f'The project lives there: set region = "{home}"',
        ) from refusal
    if rows:
        return f"{project.origin} answers, with events of {day}"
    return f"{project.origin} answers, and has no event of {day}: is project_id the right project's?"


def _first_rows(project: MixpanelProject, day: date) -> int:
    feed = _Events(MixpanelClient(project), project.origin, Pace(60, REQUESTS_PER_SECOND), _unheard, limit=1)
    with tempfile.TemporaryDirectory() as folder:
        fetched = feed.fetch(day, Path(folder), Meter(_unheard, ""))
    return sum(each.rows for each in fetched.incoming)


def _region_that_answers(
    project: MixpanelProject, day: date, regions: Mapping[str, str | None]
) -> str | None:
    for region, api_url in regions.items():
        if region == project.region:
            continue
        try:
            _first_rows(replace(project, region=region, api_url=api_url), day)
        except SourceError:
            continue
        return region
    return None


def _unheard(_: str) -> None:
    pass


class _Events:
    """The events of a project, as pull_days wants them (DayFeed)."""

    dataset = DATASET

    def __init__(
        self,
        client: MixpanelClient,
        origin: str,
        pace: Pace,
        progress: Progress,
        *,
        limit: int | None = None,
    ) -> None:
        self.origin = origin
        self._client, self._pace, self._progress, self._limit = client, pace, progress, limit

    def unchanged(self, day: date, manifest: Manifest) -> Mapping[str, str] | None:
        """None, always: Mixpanel does not tell whether a day has changed."""
        return None

    def fetch(self, day: date, folder: Path, meter: Meter) -> Fetched:
        """Write the day's lines as received, but sorted, into one ``.jsonl.gz`` file. Raises SourceError."""
        params = {"from_date": day.isoformat(), "to_date": day.isoformat()}
        if self._limit is not None:
            params["limit"] = str(self._limit)
        received = folder / f"{DATASET}-{day.isoformat()}.received.part"
        target = folder / f"{DATASET}-{day.isoformat()}.jsonl.gz"
        where = f"{self._client.where}, {day}"
        self._pace.wait(where, self._progress)
        try:
            with closing(self._client.query_export(params, add_gzip_header=True, raw_stream=True)) as answer:
                size = save_body(answer, received, meter, where=where)
            rows = write_sorted(self._checked_lines(received, day, where), target)
        finally:
            received.unlink(missing_ok=True)  # it may be as large as it is worthless, and echo what we sent
        return Fetched([Incoming(day, DATASET, target, rows)], size)

    def _checked_lines(self, path: Path, day: date, where: str) -> Iterator[bytes]:
        """The lines of an export of ``day``. Raises AnswerBroken, also after the last one."""
        size = path.stat().st_size
        if size == 0:  # a day without events
            return
        noon = datetime.combine(day, time(12), UTC).timestamp()
        number = 0
        try:
            for number, line, record in read_records(path):
                if fault := _fault(record, noon):
                    raise self._broken(f"line {number} {fault}", line, where)
                yield line
        except LineBroken as error:
            # an answer that fails half-way ends in words such as "export terminated early"
            # (https://github.com/mixpanel/mixpanel-utils/issues/5)
            raise self._broken(error.what, _after_line(path, number), where) from error
        with path.open("rb") as file:
            file.seek(size - 1)
            if file.read() != b"\n":
                raise AnswerBroken(f"the last line, {number}, is cut short", where=where, remedy=REMEDY)

    def _broken(self, what: str, line: bytes, where: str) -> AnswerBroken:
        if line.lstrip().startswith(b"<"):
            what = "a web page came, no export"
        # an event tells about a person, and has no place in an error
        elif line.lstrip().startswith(b'{"event"'):
            return AnswerBroken(what, where=where, remedy=REMEDY)
        said = self._client.words.quoted(line)
        return AnswerBroken(f"{what}: Mixpanel says {said}", where=where, remedy=REMEDY)


def _fault(record: Record, noon: float) -> str | None:
    """What keeps ``record`` from being an event of the day with this noon (seconds since 1970)."""
    properties = record.get("properties")
    if not isinstance(record.get("event"), str) or not isinstance(properties, dict):
        return "is no event"
    seconds = properties.get("time")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return "has no time"
    try:
        is_near = abs(epoch_seconds(seconds) - noon) <= REACH_SECONDS  # NaN is not
    except OverflowError:
        is_near = False
    return None if is_near else "is of another day"


def _after_line(path: Path, number: int) -> bytes:
    """The first line behind line ``number`` that is not blank; of a web page, its first 8 kB."""
    with path.open("rb") as file:
        line = next((line for line in islice(file, number, None) if line.strip()), b"")
        return line + file.read(8192) if line.lstrip().startswith(b"<") else line
