"""The `table` source: events in CSV, JSONL or Parquet of any layout, by a column map."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

from connectors.file_pull import FileSet
from connectors.landing import Incoming
from connectors.stamped_rows import split_rows

DATASET = "events"


def file_set(source: str, pattern: str, columns: Mapping[str, str], zone: ZoneInfo) -> FileSet:
    """The files of a table source; ``columns`` maps canonical names to the file's own."""

    def split(path: Path, folder: Path) -> Iterable[Incoming]:
        return split_rows(
            path,
            folder,
            dataset=DATASET,
            at_column=columns["event_at"],
            needed=tuple(columns.values()),
            zone=zone,
        )

    recipe = f"{zone} {columns['event_at']}"
    return FileSet(f"sources.{source}.files", pattern, split, recipe)
