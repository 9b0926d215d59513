"""Land rows of files that only some column dates: each is kept as received, beside its moment in UTC."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from connectors.errors import LineBroken
from connectors.json_lines import write_days
from connectors.landing import Incoming
from connectors.row_files import Row, read_rows, utc_moment

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def split_rows(
    path: Path,
    folder: Path,
    *,
    dataset: str,
    at_column: str,
    needed: tuple[str, ...],
    zone: ZoneInfo,
) -> Iterable[Incoming]:
    """Land the rows of a file by the time in ``at_column``, of ``zone`` where it carries none."""

    def stamped() -> Iterator[tuple[datetime, Row]]:
        for place, row in read_rows(path, (at_column, *needed)):
            try:
                moment = utc_moment(row.get(at_column), zone)
            except (ValueError, OverflowError, OSError) as error:
                raise LineBroken(
                    f"{place}: {at_column} = {row.get(at_column)!r} is no point in time ({error})",
                    where=path,
                    remedy="Use ISO 8601 (2026-11-22 03:36:00) or seconds since 1970",
                ) from error
            yield moment, row

    return write_stamped(stamped(), folder, dataset, zone)


def write_stamped(
    rows: Iterable[tuple[datetime, Row]], folder: Path, dataset: str, zone: ZoneInfo
) -> list[Incoming]:
    """Write lines ``{"at": microseconds UTC, "row": {...}}`` into one file a day of ``zone``."""

    def dated() -> Iterator[tuple[date, bytes]]:
        for moment, row in rows:
            at = (moment - EPOCH) // timedelta(microseconds=1)
            text = {str(key): cell_text(value) for key, value in row.items()}
            line = json.dumps({"at": at, "row": text}, ensure_ascii=False)
            yield moment.astimezone(zone).date(), line.encode("utf-8", "replace")

    return write_days(dated(), folder, dataset)


def cell_text(value: object) -> str | None:
    """A cell as text: objects and lists as JSON, truth as true and false; NaN is no value."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value).lower() if isinstance(value, bool) else str(value)
