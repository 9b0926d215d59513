"""The vendors' own reports as tables of schema ``lake``: counts and funnels to hold beside ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from connectors.day_pull import Nights, is_settled
from connectors.errors import LakeDamaged, SourceError
from connectors.ga4_export import COUNTS_DATASET, FUNNEL_DATASET
from connectors.json_lines import Record, read_records
from connectors.landing import SourceLake
from connectors.manifest import DAMAGE_REMEDY, Manifest, Part
from pipelines.warehouse import replace_table
from pipelines.workspace import Workspace

_DAY = pa.schema(
    [
        ("source", pa.string()),
        ("day", pa.date32()),
        ("is_sampled", pa.bool_()),
        ("is_thresholded", pa.bool_()),
        ("has_other_row", pa.bool_()),
        ("is_truncated", pa.bool_()),
        ("empty_reason", pa.string()),
        ("time_zone", pa.string()),
        ("same_zone", pa.bool_()),
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
        ("is_sampled", pa.bool_()),
    ]
)


def gather_reports(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> None:
    """Make ``lake.vendor_days``, ``lake.vendor_counts`` and ``lake.vendor_funnels``. Raises LakeDamaged."""
    days: list[dict[str, Any]] = []
    counts: list[dict[str, Any]] = []
    funnels: list[dict[str, Any]] = []
    for name in workspace.settings.sources:
        lake, nights = workspace.source_lake(name), workspace.nights_of(name)
        landed = lake.days()
        for day, manifest in landed.items():
            parts = manifest.parts_of(COUNTS_DATASET)
            if parts:
                days.append(_day(name, day, parts, nights))
                counts.extend(_counts(name, day, lake, manifest))
        last = max((day for day in landed if landed[day].parts_of(FUNNEL_DATASET)), default=None)
        if last is not None:
            funnels.extend(_funnels(name, last, lake, landed[last]))
    _write(connection, days, counts, funnels)


def empty_reports(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the same tables without rows."""
    _write(connection, [], [], [])


def _day(source: str, day: date, parts: Sequence[Part], nights: Nights) -> dict[str, Any]:
    flags = {key: value for part in parts for key, value in part.flags.items()}
    return {
        "source": source,
        "day": day,
        "is_sampled": "sampled" in flags,
        "is_thresholded": "thresholded" in flags,
        "has_other_row": "other_row" in flags,
        "is_truncated": "truncated" in flags,
        "empty_reason": flags.get("empty_reason"),
        "time_zone": flags.get("time_zone"),
        "same_zone": _is_same_day(flags["time_zone"], day, nights) if "time_zone" in flags else None,
        "is_settled": is_settled(parts, day, nights),
    }


def _is_same_day(zone: str, day: date, nights: Nights) -> bool:
    """Whether ``day`` begins and ends when it does in ``zone``: zones go by several names."""
    try:
        others = Nights(ZoneInfo(zone), nights.look_back, nights.clock)
    except (KeyError, ValueError, OSError):
        return False
    return all(others.end_of(each) == nights.end_of(each) for each in (day - timedelta(days=1), day))


def _counts(source: str, day: date, lake: SourceLake, manifest: Manifest) -> Iterator[dict[str, Any]]:
    for path in lake.part_paths(manifest, COUNTS_DATASET):
        yield from _rows(
            path,
            lambda record: {
                "source": source,
                "day": day,
                "event_name": str(record["event_name"]),
                "vendor_count": int(record["event_count"]),
            },
        )


def _funnels(source: str, last: date, lake: SourceLake, manifest: Manifest) -> Iterator[dict[str, Any]]:
    flags = [part.flags.get("sampled", "") for part in manifest.parts_of(FUNNEL_DATASET)]
    for path in lake.part_paths(manifest, FUNNEL_DATASET):
        yield from _rows(
            path,
            lambda record: {
                "source": source,
                "journey": str(record["funnel"]),
                "first_day": date.fromisoformat(record["first_day"]),
                "last_day": last,
                "step_number": int(record["step_number"]),
                "stage": str(record["step"]),
                "vendor_users": int(record["active_users"]),
                # the flag lists "funnel: events read/events in all"
                "is_sampled": any(f", {record['funnel']}: " in f", {flag}" for flag in flags),
            },
        )


def _rows(path: Path, row_of: Callable[[Record], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows of a landed report; an empty report is an empty file. Raises LakeDamaged."""
    what = "this landed report cannot be read"
    try:
        for number, _, record in read_records(path) if path.stat().st_size else ():
            what = f"line {number} of this landed report cannot be read"
            yield row_of(record)
    except (KeyError, ValueError, TypeError, OSError, SourceError) as error:
        found = error.what if isinstance(error, SourceError) else repr(error)
        raise LakeDamaged(f"{what} ({found})", where=path, remedy=DAMAGE_REMEDY) from error


def _write(
    connection: duckdb.DuckDBPyConnection,
    days: list[dict[str, Any]],
    counts: list[dict[str, Any]],
    funnels: list[dict[str, Any]],
) -> None:
    replace_table(connection, "lake.vendor_days", _DAY, days)
    replace_table(connection, "lake.vendor_counts", _COUNT, counts)
    replace_table(connection, "lake.vendor_funnels", _FUNNEL, funnels)
