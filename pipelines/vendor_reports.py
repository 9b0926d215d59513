"""The vendors' own reports as tables of schema ``lake``: counts and funnels to hold beside ours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from connectors.day_pull import is_settled
from connectors.ga4_export import COUNTS_DATASET, FUNNEL_DATASET
from connectors.json_lines import read_records
from connectors.landing import Manifest, Part, SourceLake
from pipelines.warehouse import replace_table
from pipelines.workspace import Workspace

_DAY = pa.schema(
    [
        ("source", pa.string()),
        ("day", pa.date32()),
        ("is_sampled", pa.bool_()),
        ("is_thresholded", pa.bool_()),
        ("has_other_row", pa.bool_()),
        ("time_zone", pa.string()),
        ("is_settled", pa.bool_()),
    ]
)
_COUNT = pa.schema(
    [
        ("source", pa.string()),
        ("day", pa.date32()),
        ("event_name", pa.string()),
        ("vendor_count", pa.int64()),
    ]
)
_FUNNEL = pa.schema(
    [
        ("source", pa.string()),
        ("journey", pa.string()),
        ("first_day", pa.date32()),
        ("last_day", pa.date32()),
        ("step_number", pa.int32()),
        ("stage", pa.string()),
        ("vendor_users", pa.int64()),
    ]
)


def gather_reports(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> None:
    """Make ``lake.vendor_days``, ``lake.vendor_counts`` and ``lake.vendor_funnels``. Raises SourceError."""
    days: list[dict[str, Any]] = []
    counts: list[dict[str, Any]] = []
    funnels: list[dict[str, Any]] = []
    for name in workspace.settings.sources:
        lake, nights = workspace.source_lake(name), workspace.nights_of(name)
        landed = lake.days()
        for day, manifest in landed.items():
            parts = manifest.parts_of(COUNTS_DATASET)
            if parts:
                days.append(_day(name, day, parts, is_settled(parts, day, nights)))
                counts.extend(_counts(name, day, lake, manifest))
        last = max((day for day in landed if landed[day].parts_of(FUNNEL_DATASET)), default=None)
        if last is not None:
            funnels.extend(_funnels(name, last, lake, landed[last]))
    _write(connection, days, counts, funnels)


def empty_reports(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the same tables without rows."""
    _write(connection, [], [], [])


def _day(source: str, day: date, parts: Sequence[Part], settled: bool) -> dict[str, Any]:
    flags = {key: value for part in parts for key, value in part.flags.items()}
    return {
        "source": source,
        "day": day,
        "is_sampled": "sampled" in flags,
        "is_thresholded": "thresholded" in flags,
        "has_other_row": "other_row" in flags,
        "time_zone": flags.get("time_zone"),
        "is_settled": settled,
    }


def _counts(source: str, day: date, lake: SourceLake, manifest: Manifest) -> Iterable[dict[str, Any]]:
    for path in lake.part_paths(manifest, COUNTS_DATASET):
        for _, _, record in read_records(path) if path.stat().st_size else ():
            name, count = record["event_name"], record["event_count"]
            yield {"source": source, "day": day, "event_name": name, "vendor_count": count}


def _funnels(source: str, last: date, lake: SourceLake, manifest: Manifest) -> Iterable[dict[str, Any]]:
    for path in lake.part_paths(manifest, FUNNEL_DATASET):
        for _, _, record in read_records(path):
            yield {
                "source": source,
                "journey": record["funnel"],
                "first_day": date.fromisoformat(record["first_day"]),
                "last_day": last,
                "step_number": record["step_number"],
                "stage": record["step"],
                "vendor_users": record["active_users"],
            }


def _write(
    connection: duckdb.DuckDBPyConnection,
    days: list[dict[str, Any]],
    counts: list[dict[str, Any]],
    funnels: list[dict[str, Any]],
) -> None:
    replace_table(connection, "lake.vendor_days", _DAY, days)
    replace_table(connection, "lake.vendor_counts", _COUNT, counts)
    replace_table(connection, "lake.vendor_funnels", _FUNNEL, funnels)
