"""Read rows of any CSV, JSONL(.gz) or Parquet file as dictionaries, with the place of each row."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.believable_moments import believable
from connectors.errors import FileForeign, FileUnreadable, LineBroken
from connectors.json_lines import open_plain_or_gzipped, read_records

Row = dict[str, Any]


def read_rows(
    path: Path, needed: tuple[str, ...] = (), mapped: tuple[str, ...] = ()
) -> Iterator[tuple[str, Row]]:
    """Yield (place, row); place is "line 12" or "row 12". Raises SourceError.

    The format is told by content (Parquet, gzip, JSON objects) and by name (``.csv``, ``.tsv``,
    ``.jsonl``, ``.json``). ``needed`` columns have to be there. ``mapped`` ones too where the file names
    its columns once, as a JSON object leaves out what has no value; ``a.b`` may lie inside ``a``.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    names = [suffix.lower() for suffix in path.suffixes]
    is_csv = ".csv" in names or ".tsv" in names
    if magic == b"PAR1":
        rows = _parquet_rows(path)
    elif is_csv:
        rows = _csv_rows(path)
    elif {".jsonl", ".json", ".ndjson"} & set(names) or _holds_objects(path):
        rows = ((f"line {number}", record) for number, _, record in read_records(path))
    else:
        raise FileUnreadable(
            "the format cannot be told",
            where=path,
            remedy="Name the file .csv, .jsonl, .jsonl.gz or .parquet",
        )
    names_columns_once = is_csv or magic == b"PAR1"
    for number, (place, row) in enumerate(rows):
        absent = [name for name in needed if name not in row]
        if names_columns_once and number == 0:
            absent += [name for name in mapped if not any(part in row for part in _leading_parts(name))]
        if absent and (number == 0 or names_columns_once):
            raise FileForeign(
                f"the column {absent[0]!r} is missing (found: {', '.join(map(str, row))})",
                where=f"{path}, {place}",
                remedy="Correct the column map of the source, or the file",
            )
        yield place, row


def _leading_parts(column: str) -> Iterator[str]:
    """The names under which a column ``a.b.c`` may be found: ``a.b.c``, ``a.b`` and ``a``."""
    while column:
        yield column
        column = column.rpartition(".")[0]


def _holds_objects(path: Path) -> bool:
    """Whether a file of another name starts with a JSON object, as the logs of event collectors do."""
    try:
        with open_plain_or_gzipped(path) as file:
            return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")
    except (OSError, EOFError, zlib.error):
        return False


def _delimiter(path: Path) -> str:
    """What separates the columns: a comma, else what spreadsheets write where the comma is a decimal sign."""
    try:
        with open_plain_or_gzipped(path) as file:
            unquoted = file.readline().split(b'"')[::2]
    except (OSError, EOFError, zlib.error):
        return ","  # who reads the rows meets the same, and says where
    found = (each for each in (b",", b";", b"\t") if any(each in part for part in unquoted))
    return next(found, b",").decode()


def _csv_rows(path: Path) -> Iterator[tuple[str, Row]]:
    csv.field_size_limit(2**31 - 1)  # a survey answer may be longer than the default of 128 kB
    with (
        open_plain_or_gzipped(path) as binary,
        io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as file,
    ):
        reader = csv.DictReader(file, strict=True, delimiter=_delimiter(path))
        try:
            if reader.fieldnames is None:
                raise FileUnreadable("the file is empty", where=path, remedy="Export it again")
            for row in reader:
                place = f"line {reader.line_num}"
                if None in row or None in row.values():
                    raise LineBroken(
                        f"{place} has {'more' if None in row else 'fewer'} fields than the header",
                        where=path,
                        remedy="Export the file again; nothing of it was loaded",
                    )
                yield place, row
        except (csv.Error, UnicodeDecodeError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FileUnreadable(
                f"line {reader.line_num + 1} cannot be read as CSV ({error})",
                where=path,
                remedy="The file must be UTF-8 CSV with a header line; nothing of it was loaded",
            ) from error


def _parquet_rows(path: Path) -> Iterator[tuple[str, Row]]:
    try:
        with pq.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=8_192):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number}", row
    except (pa.ArrowException, OSError) as error:
        raise FileUnreadable(
            f"the Parquet file is damaged or cut short ({error})",
            where=path,
            remedy="Copy or export it again; nothing of it was loaded",
        ) from error


class CompactStamp(ValueError):
    """Fourteen digits: a date and time written together, which has to be declared."""

    pattern = "%Y%m%d%H%M%S"


def utc_moment(value: object, zone: ZoneInfo) -> datetime:
    """The moment a cell means, in UTC. Raises ValueError, also for one before 1990.

    Takes ISO 8601 text (a zone in it wins, else ``zone``), dates, datetimes, and numbers or digits as
    seconds or milliseconds since 1970. Of an hour that a clock change repeats, the first is meant.
    """
    return believable(_utc_moment(value, zone))


def _utc_moment(value: object, zone: ZoneInfo) -> datetime:
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime.combine(value, time())
    elif isinstance(value, int | float) or (isinstance(value, str) and _is_number(value)):
        number = float(value)
        if 1e13 <= abs(number) < 1e14:
            raise CompactStamp("14 digits are neither seconds nor milliseconds")
        return datetime.fromtimestamp(number / 1000 if abs(number) > 1e11 else number, UTC)
    elif isinstance(value, str) and value.strip():
        moment = datetime.fromisoformat(value.strip().removesuffix(" UTC"))
        if value.strip().endswith(" UTC"):
            moment = moment.replace(tzinfo=UTC)
    else:
        raise ValueError(f"{value!r} is no point in time")
    return moment.replace(tzinfo=moment.tzinfo or zone).astimezone(UTC)


def _is_number(text: str) -> bool:
    digits = text.strip().lstrip("-")
    # eight digits are a compact ISO date, not seconds
    return digits.replace(".", "", 1).isdigit() and len(digits.split(".")[0]) > 8
