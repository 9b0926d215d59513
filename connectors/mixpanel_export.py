"""Mixpanel export files: JSONL(.gz) as the raw Export API sends them, one event a line."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

from connectors.believable_moments import believable
from connectors.file_pull import FileSet
from connectors.json_lines import Record, split_records
from connectors.landing import Incoming

DATASET = "events"


def file_set(source: str, pattern: str) -> FileSet:
    """The files of a Mixpanel source.

    ``time`` is UTC in projects made from 2023 on. Before, it is the project's wall clock written as if
    it were UTC: its day is read without converting, and staging turns it into UTC.
    """

    def split(path: Path, folder: Path) -> Iterable[Incoming]:
        return split_records(path, folder, DATASET, _day_of)

    return FileSet(f"sources.{source}.files", pattern, split)


def _day_of(record: Record) -> date:
    if not isinstance(record["event"], str):
        raise TypeError("event is no text")
    moment = datetime.fromtimestamp(epoch_seconds(record["properties"]["time"]), UTC)
    return believable(moment).date()


def epoch_seconds(time: float | int | str) -> float:
    """Seconds since 1970 of a ``time``, which comes in seconds or, with time_in_ms, milliseconds."""
    number = float(time)
    return number / 1000 if number > 1e11 else number
