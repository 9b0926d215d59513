"""GA4's own closed funnel of a journey's steps (runFunnelReport, alpha), to be put beside ours."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from google.analytics.data_v1alpha import types as vendor

from connectors.day_pull import Nights, is_settled
from connectors.errors import AnswerBroken, RequestRefused
from connectors.ga4_data_client import DataApi, DataApiClient
from connectors.ga4_export import FUNNEL_DATASET
from connectors.ga4_funnel_steps import FunnelStep, StepFilter, vendor_step
from connectors.ga4_reports import write_lines
from connectors.landing import Incoming, SourceLake
from connectors.manifest import PARTIAL
from connectors.patience import Patience, Progress
from connectors.pull_report import PullReport

__all__ = ["DATASET", "FunnelAsked", "FunnelStep", "StepFilter", "pull_funnels"]

DATASET = FUNNEL_DATASET


@dataclass(frozen=True)
class FunnelAsked:
    """A funnel of the users from ``first`` to ``last``, both included, in the property's days."""

    name: str
    steps: tuple[FunnelStep, ...]
    first: date
    last: date


def pull_funnels(
    lake: SourceLake,
    api: DataApi,
    funnels: Sequence[FunnelAsked],
    *,
    nights: Nights,
    patience: Patience,
    progress: Progress,
) -> PullReport:
    """Land the vendor's answers as ``vendor_funnel`` in the folder of each ``last`` day.

    One line a step: ``{"funnel", "first_day", "step_number", "step", "active_users"}``, numbers from 1.
    All funnels of a day are one part; its flag ``asked`` is a digest of them, and while it is the same a
    day that the vendor is done with is not asked for again. ``sampled`` says "funnel: events read/events
    in all". A funnel that is refused becomes a remark where another one of its day is answered.
    Raises SourceError; the days before the one that failed have landed.
    """
    by_day: dict[date, list[FunnelAsked]] = {}
    for funnel in funnels:
        by_day.setdefault(funnel.last, []).append(funnel)
    report = PullReport(lake.source, 0, ())
    with DataApiClient(api, lake) as client:
        for day, asked in sorted(by_day.items()):
            if _is_known(lake, day, nights, _digest(asked)):
                report += PullReport(lake.source, 0, (), days_unchanged=1)
            else:
                report += _pull_day(lake, client, day, asked, nights, patience, progress)
        return report + PullReport(lake.source, 0, (), remarks=client.tell_quota(progress))


def _pull_day(
    lake: SourceLake,
    client: DataApiClient,
    day: date,
    asked: Sequence[FunnelAsked],
    nights: Nights,
    patience: Patience,
    progress: Progress,
) -> PullReport:
    seen_at = nights.clock()
    lines: list[dict[str, object]] = []
    sampled: list[str] = []
    refused: list[RequestRefused] = []
    bytes_read = 0
    for number, funnel in enumerate(asked, 1):
        label = f"{lake.source}: {day}, funnel {funnel.name} ({number} of {len(asked)})"
        try:
            answer = patience.call(label, partial(_ask, client, funnel), progress)
        except RequestRefused as error:
            progress(f"{label}: refused")
            refused.append(error)
            continue
        progress(f"{label}, {len(answer.lines)} steps")
        lines += answer.lines
        sampled += answer.sampled
        bytes_read += answer.bytes_read
    if refused and not lines:
        raise refused[0]
    flags = {"asked": _digest(asked)}
    if sampled:
        flags["sampled"] = ", ".join(sampled)
    if seen_at < nights.end_of(day):
        flags[PARTIAL] = "seen before the day was over"
    path = lake.incoming_folder() / f"{DATASET}-{day.isoformat()}.jsonl.gz"
    write_lines(path, lines)
    incoming = [Incoming(day, DATASET, path, len(lines))]
    changed = lake.land_day(day, DATASET, incoming, origin=client.origin, seen_at=seen_at, flags=flags)
    days = (day,) if changed else ()
    remarks = tuple(str(error) for error in refused)
    return PullReport(lake.source, len(lines), days, days_read=1, bytes_read=bytes_read, remarks=remarks)


def _is_known(lake: SourceLake, day: date, nights: Nights, digest: str) -> bool:
    """Whether the same was answered after the vendor was done with the day."""
    manifest = lake.day(day)
    parts = manifest.parts_of(DATASET) if manifest else ()
    same = bool(parts) and all(part.flags.get("asked") == digest for part in parts)
    return same and is_settled(parts, day, nights)


def _digest(asked: Sequence[FunnelAsked]) -> str:
    return hashlib.sha256(repr(list(asked)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class _Answer:
    lines: Sequence[dict[str, object]]
    sampled: Sequence[str]
    bytes_read: int


def _ask(client: DataApiClient, funnel: FunnelAsked) -> _Answer:
    request = vendor.RunFunnelReportRequest(
        property=client.property,
        date_ranges=[vendor.DateRange(start_date=funnel.first.isoformat(), end_date=funnel.last.isoformat())],
        funnel=vendor.Funnel(steps=[vendor_step(step, funnel.name) for step in funnel.steps]),
        return_property_quota=True,
    )
    answer = client.run_funnel_report(request)
    users = _users_of(answer, funnel, client.origin)
    lines = [
        {
            "funnel": funnel.name,
            "first_day": funnel.first.isoformat(),
            "step_number": number,
            "step": step.name,
            "active_users": count,
        }
        for number, (step, count) in enumerate(zip(funnel.steps, users, strict=True), 1)
    ]
    sampled = [
        f"{funnel.name}: {each.samples_read_count}/{each.sampling_space_size}"
        for each in answer.funnel_table.metadata.sampling_metadatas
    ]
    return _Answer(lines, sampled, vendor.RunFunnelReportResponse.pb(answer).ByteSize())


def _users_of(answer: vendor.RunFunnelReportResponse, funnel: FunnelAsked, origin: str) -> list[int]:
    """The active users of each step in order. Raises AnswerBroken."""
    users: dict[int, int] = {}
    table = answer.funnel_table
    try:
        if not table.rows:
            return [0] * len(funnel.steps)
        step_at = [header.name for header in table.dimension_headers].index("funnelStepName")
        # the headers come twice, the values once: the first of a name counts
        users_at = [header.name for header in table.metric_headers].index("activeUsers")
        for row in table.rows:
            name = row.dimension_values[step_at].value
            numbered = re.match(r"(\d+)\. ", name)  # the vendor puts "1. " before the name asked for
            number = int(numbered[1]) if numbered else 0
            if not 1 <= number <= len(funnel.steps) or number in users:
                raise ValueError(f"its step {name!r} was not asked for, or came twice")
            users[number] = int(row.metric_values[users_at].value)
    except (ValueError, IndexError) as error:
        raise AnswerBroken(
            f"the answer to the funnel {funnel.name} cannot be read ({error})",
            where=origin,
            remedy="Pull again; the API is an alpha version, so if it stays, the answer may have changed",
        ) from error
    # steps that nobody reached are left out of the answer
    return [users.get(number, 0) for number in range(1, len(funnel.steps) + 1)]
