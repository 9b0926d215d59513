"""Mixpanel events, live: the raw Export API, one day a request."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from connectors.day_pull import Clock, Fetched, Nights, candidate_days, pull_days
from connectors.day_range import DayRange
from connectors.errors import AccessDenied, QuotaExhausted, RequestRefused, SourceError
from connectors.export_stream import save_body
from connectors.landing import Incoming, SourceLake
from connectors.manifest import Manifest
from connectors.meter import Meter
from connectors.mixpanel_client import MixpanelClient, MixpanelProject
from connectors.mixpanel_export import DATASET
from connectors.mixpanel_lines import DayTimes, checked_lines
from connectors.mixpanel_zone import zone_remark
from connectors.pace import Pace
from connectors.patience import Patience, Progress
from connectors.pull_report import PullReport
from connectors.sorted_lines import write_sorted

__all__ = ["MixpanelProject", "check_mixpanel", "pace_of", "pull_mixpanel"]

REQUESTS_PER_SECOND = 3
UTC_ZONE = ZoneInfo("UTC")
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
    times: ZoneInfo = UTC_ZONE,
) -> PullReport:
    """Land the days that are due, or the days ``asked`` for, as dataset "events", the oldest first.

    An open end of a range is closed by yesterday; days of the future are not asked for. ``pace`` is by
    default the project's, which all sources of the lake share. ``times`` is the zone whose wall clock the
    events' times are. Where they show that the days are not those of ``nights``, a remark says so.
    Raises SourceError.
    """
    pace = pace or pace_of(project, lake.root.parent, nights.clock, patience.sleep)
    client = MixpanelClient(project, clock=nights.clock)
    feed = _Events(client, project.origin, pace, progress, longest_wait_seconds=patience.longest_wait_seconds)
    feed.watch_zone(nights, times)
    candidates = candidate_days(lake, DATASET, nights, history, asked)
    report = pull_days(lake, feed, candidates, nights, asked=asked, patience=patience, progress=progress)
    return replace(report, remarks=(*report.remarks, *feed.remarks))


def pace_of(
    project: MixpanelProject, lake: Path, clock: Clock, sleep: Callable[[float], None] = time.sleep
) -> Pace:
    """The pace of a project, remembered in the folder ``lake`` beside the sources."""
    return Pace(
        project.requests_per_hour,
        REQUESTS_PER_SECOND,
        sleep=sleep,
        clock=lambda: clock().timestamp(),
        memory=lake / f".mixpanel-{project.project_id}.json",
    )


def check_mixpanel(
    project: MixpanelProject,
    day: date,
    *,
    regions: Mapping[str, str | None] = REGIONS,
    pace: Pace | None = None,
) -> str:
    """Export one event of ``day``, the cheapest call there is; one request of the hourly quota of ``pace``.

    Returns a sentence that says what came. Where the region refuses, the others are tried and the error
    says which one answers. Raises SourceError.
    """
    if pace is not None:
        pace.count()  # a doctor does not wait for an hour
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
        longest_wait_seconds: float = 0.0,
    ) -> None:
        self.origin = origin
        self.remarks: tuple[str, ...] = ()
        self._client, self._pace, self._progress, self._limit = client, pace, progress, limit
        self._longest_wait = longest_wait_seconds
        self._zones: tuple[Nights, ZoneInfo] | None = None

    def watch_zone(self, nights: Nights, times: ZoneInfo) -> None:
        """Remark where the events of a day, written in ``times``, are not of a day of ``nights``."""
        self._zones = nights, times

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
        times = DayTimes()
        self._pace.wait(where, self._progress)
        try:
            with closing(self._client.query_export(params, add_gzip_header=True, raw_stream=True)) as answer:
                size = save_body(answer, received, meter, where=where)
            rows = write_sorted(checked_lines(received, day, self._client.words, where, times), target)
        except QuotaExhausted as error:
            raise self._until_the_hour_frees(error) from None
        finally:
            received.unlink(missing_ok=True)  # it may be as large as it is worthless, and echo what we sent
        if self._zones is not None and (remark := zone_remark(self.origin, day, times, *self._zones)):
            self.remarks = (remark,)
        return Fetched([Incoming(day, DATASET, target, rows)], size)

    def _until_the_hour_frees(self, refusal: QuotaExhausted) -> QuotaExhausted:
        """The refusal; where it does not say how long, and the hour's requests are likely used up, told to
        wait until the first of ours no longer counts."""
        frees_in = self._pace.frees_in()
        if refusal.retry_after_seconds is not None or frees_in is None or not self._longest_wait:
            return refusal
        wait = min(frees_in, self._longest_wait)
        return QuotaExhausted(
            refusal.what, where=refusal.where, remedy=refusal.remedy, retry_after_seconds=wait
        )
