"""Hotjar's recordings list and survey answers, as its CSV exports."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from zoneinfo import ZoneInfo

from connectors.file_pull import FileSet
from connectors.landing import Incoming
from connectors.stamped_rows import split_rows

RECORDINGS, SURVEYS = "recordings", "surveys"

# The parts of the header that are read. `Created` and `Date Submitted` carry no zone.
RECORDING_COLUMNS = (
    "Hotjar User ID",
    "Country",
    "Device",
    "Exit Page URL",
    "Rage Clicks",
    "U-Turns",
)
SURVEY_COLUMNS = ("Number", "Source URL", "Device", "Country")


def recordings(source: str, pattern: str, zone: ZoneInfo) -> FileSet:
    """The recordings CSVs of a Hotjar source; an unknown layout is a FileForeign error."""
    return _file_set(source, pattern, zone, RECORDINGS, "Created", RECORDING_COLUMNS)


def surveys(source: str, pattern: str, zone: ZoneInfo) -> FileSet:
    """The survey response CSVs of a Hotjar source; questions are all columns not of the header."""
    return _file_set(source, pattern, zone, SURVEYS, "Date Submitted", SURVEY_COLUMNS)


def _file_set(
    source: str, pattern: str, zone: ZoneInfo, dataset: str, at_column: str, needed: tuple[str, ...]
) -> FileSet:
    def split(path: Path, folder: Path) -> Iterable[Incoming]:
        return split_rows(path, folder, dataset=dataset, at_column=at_column, needed=needed, zone=zone)

    return FileSet(f"sources.{source}.{dataset}", pattern, split, recipe=str(zone))
