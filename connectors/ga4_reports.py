"""Daily counts per event from the GA4 Data API: what the vendor itself says a day had, to reconcile with.

The Data API gives reports, no events: nothing of it can become an event.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from google.analytics.data_v1beta.types import (
    DateRange,
    Dimension,
    Metric,
    OrderBy,
    ResponseMetaData,
    RunReportRequest,
    RunReportResponse,
)

from connectors.day_pull import Fetched, Nights, candidate_days, pull_days
from connectors.day_range import DayRange
from connectors.errors import AnswerBroken
from connectors.ga4_data_client import DataApi, DataApiClient
from connectors.ga4_export import COUNTS_DATASET
from connectors.landing import Incoming, SourceLake
from connectors.manifest import Manifest
from connectors.meter import Meter
from connectors.patience import Patience, Progress
from connectors.pull_report import PullReport

DATASET = COUNTS_DATASET

_DIMENSIONS = ("date", "eventName")
_METRIC = "eventCount"
_PAGE_ROWS = 10_000
# What is beyond the limit of a report's rows (https://support.google.com/analytics/answer/12226705).
OTHER_ROW = "(other)"


def pull_daily_counts(
    lake: SourceLake,
    api: DataApi,
    nights: Nights,
    *,
    history: timedelta,
    asked: DayRange,
    patience: Patience,
    progress: Progress,
) -> PullReport:
    """Land the counts of the days that are due, or ``asked`` for, as ``vendor_counts``.

    A day is a part of lines ``{"event_name", "event_count"}`` in the order of the names.
    The part's flags keep the vendor's own words where it says them: ``sampled`` ("events read/events in
    all"), ``thresholded``, ``other_row``, ``truncated``, ``empty_reason``, ``time_zone``. The quota
    changes from call to call: it goes to ``progress`` and, when nearly used up, to the remarks.
    Raises SourceError; the days before the one that failed have landed.
    """
    with DataApiClient(api, lake) as client:
        feed = DailyCounts(client, nights)
        candidates = candidate_days(lake, DATASET, nights, history, asked)
        report = pull_days(lake, feed, candidates, nights, asked=asked, patience=patience, progress=progress)
        remarks = (*feed.remarks, *client.tell_quota(progress))
        return report + PullReport(lake.source, 0, (), remarks=remarks)


def check_data_api(api: DataApi) -> str:
    """Ask for one number of yesterday and say what is left of the quota. Raises SourceError."""
    with DataApiClient(api) as client:
        client.run_report(
            RunReportRequest(
                property=client.property,
                metrics=[Metric(name="eventCount")],
                date_ranges=[DateRange(start_date="yesterday", end_date="yesterday")],
                limit=1,
                return_property_quota=True,
            )
        )
        return "; ".join((f"property {api.property_id} answers", *client.quota.sentences()))


class DailyCounts:
    """A DayFeed: one report a day, so that a day lands whole whatever happens to the next."""

    dataset = DATASET

    def __init__(self, client: DataApiClient, nights: Nights) -> None:
        self.origin = client.origin
        self.remarks: tuple[str, ...] = ()
        self._client, self._nights = client, nights

    def unchanged(self, day: date, manifest: Manifest) -> Mapping[str, str] | None:
        """None: a report has no date of its last change, so asking is the only way to know."""
        return None

    def fetch(self, day: date, folder: Path, meter: Meter) -> Fetched:
        """The day's counts in one file. Raises AnswerBroken where the pages do not make one report."""
        counts: dict[str, int] = {}  # a property has thousands of event names at most
        seen: set[tuple[str, str]] = set()
        flags: dict[str, str] = {}
        bytes_read = 0
        for page in self._pages(day):
            size = RunReportResponse.pb(page).ByteSize()
            bytes_read += size
            meter.add(len(page.rows), size)
            for said_day, name, count in self._rows_of(page, day):
                if (said_day, name) in seen:
                    raise self._broken(f"the report of {day} holds {name!r} twice")
                seen.add((said_day, name))
                counts[name] = counts.get(name, 0) + count
            flags |= flags_of(page.metadata)
        self._compare_zones(day, flags)
        path = folder / f"{DATASET}-{day.isoformat()}.jsonl.gz"
        write_lines(path, ({"event_name": name, "event_count": counts[name]} for name in sorted(counts)))
        return Fetched([Incoming(day, DATASET, path, len(counts))], bytes_read, flags)

    def _pages(self, day: date) -> Iterator[RunReportResponse]:
        """The pages of a report until its ``row_count`` rows are there; a page may be shorter than asked."""
        offset, row_count = 0, None
        while row_count is None or offset < row_count:
            page = self._client.run_report(
                RunReportRequest(
                    property=self._client.property,
                    dimensions=[Dimension(name=name) for name in _DIMENSIONS],
                    metrics=[Metric(name=_METRIC)],
                    date_ranges=[DateRange(start_date=day.isoformat(), end_date=day.isoformat())],
                    # without an order a row may be on two pages, and another on none
                    order_bys=[OrderBy(dimension=OrderBy.DimensionOrderBy(dimension_name="eventName"))],
                    offset=offset,
                    limit=_PAGE_ROWS,
                    keep_empty_rows=False,
                    return_property_quota=True,
                )
            )
            # a day without events has neither rows nor rowCount, which reads as 0
            if row_count is not None and page.row_count != row_count:
                raise self._broken(
                    f"the report of {day} changed from {row_count} to {page.row_count} rows between its pages"
                )
            row_count = page.row_count
            offset += len(page.rows)
            if offset > row_count or (not page.rows and offset < row_count):
                raise self._broken(f"the report of {day} promises {row_count} rows and brought {offset}")
            yield page

    def _rows_of(self, page: RunReportResponse, day: date) -> Iterator[tuple[str, str, int]]:
        """Day as it is said, event name and count of each row."""
        for row in page.rows:
            values = [each.value for each in row.dimension_values] + [
                each.value for each in row.metric_values
            ]
            try:
                said_day, name, count = values
                # the row of what GA4 did not keep apart may say so in every dimension, the date too
                if said_day not in (f"{day:%Y%m%d}", OTHER_ROW):
                    raise ValueError(f"a row of {said_day}")
                yield said_day, name, int(count)
            except ValueError as error:
                raise self._broken(f"the report of {day} has a row {values} ({error})") from error

    def _compare_zones(self, day: date, flags: Mapping[str, str]) -> None:
        """Remark where the property's day ends at another moment than the config's."""
        name = flags.get("time_zone", "")
        try:
            end = datetime.combine(day + timedelta(days=1), time(), ZoneInfo(name)).astimezone(UTC)
        except (KeyError, ValueError, OSError):
            return
        if end != self._nights.end_of(day):
            self.remarks = (
                f"{self.origin}: the property's days are those of {name}, the config's those of "
                f'{self._nights.zone}, so the counts cannot agree; set timezone = "{name}" for this source',
            )

    def _broken(self, what: str) -> AnswerBroken:
        return AnswerBroken(what, where=self.origin, remedy="Pull again; nothing of the day was landed")


def flags_of(said: ResponseMetaData) -> dict[str, str]:
    """What the vendor says of a report: sampling, thresholds, "(other)" and truncation, as flags."""
    samples = [(each.samples_read_count, each.sampling_space_size) for each in said.sampling_metadatas]
    flags = {
        "sampled": ", ".join(f"{read}/{space}" for read, space in samples),
        "thresholded": "true" if said.subject_to_thresholding else "",
        "other_row": "true" if said.data_loss_from_other_row else "",
        "truncated": "true" if said.data_truncation_reasons else "",
        "empty_reason": said.empty_reason,
        "time_zone": said.time_zone,
    }
    return {name: text for name, text in flags.items() if text}


def write_lines(path: Path, lines: Iterable[Mapping[str, object]]) -> None:
    """Write gzipped JSONL; equal lines make equal bytes, no lines an empty file."""
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode("utf-8", "replace"), 1, mtime=0) if text else b"")
