"""The `table` source: events in CSV, JSONL or Parquet of any layout, by a column map."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from connectors.file_pull import FileSet
from connectors.landing import Incoming
from connectors.row_files import Row, read_rows
from connectors.stamped_rows import write_stamped
from connectors.table_columns import ColumnsSeen, TableColumns

DATASET = "events"


def file_set(source: str, pattern: str, layout: TableColumns, zone: ZoneInfo) -> FileSet:
    """The files of a table source; ``zone`` is that of times which carry none, and of its days."""

    def split(path: Path, folder: Path) -> Iterable[Incoming]:
        return write_stamped(_events(path, layout, zone), folder, DATASET, zone)

    return FileSet(f"sources.{source}.files", pattern, split, f"{zone} {layout.recipe()}")


def _events(path: Path, layout: TableColumns, zone: ZoneInfo) -> Iterator[tuple[datetime, Row]]:
    seen = ColumnsSeen(layout)
    for place, row in read_rows(path, mapped=layout.all_columns):
        is_event = layout.is_event(row)
        seen.look(row, is_event=is_event)
        if is_event:
            moment = layout.moment(row, zone, path, place)
            yield moment, layout.as_event(row, path, place)
    seen.check(path)
