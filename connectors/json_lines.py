"""Read and write files of one JSON object a line, plain or gzipped, with errors that name the line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO, cast

from connectors.believable_moments import MomentUnbelievable
from connectors.errors import FileForeign, FileUnreadable, LineBroken
from connectors.landing import Incoming

Record = dict[str, Any]


def read_records(path: Path) -> Iterator[tuple[int, bytes, Record]]:
    """Yield (line number from 1, line as received, object) of a JSONL(.gz) file; blank lines go."""
    number = 0
    try:
        with open_plain_or_gzipped(path) as file:
            for number, line in enumerate(file, 1):
                if line.isspace():
                    continue
                try:
                    record = json.loads(line)
                except ValueError as error:
                    raise LineBroken(
                        f"line {number} is not whole JSON ({error})",
                        where=path,
                        remedy="Export the file again; nothing of it was loaded",
                    ) from error
                if not isinstance(record, dict):
                    raise LineBroken(
                        f"line {number} is no JSON object",
                        where=path,
                        remedy="The file must hold one event object a line (JSONL), not an array",
                    )
                if b"\\ud" in line.lower():
                    # half an emoji, where a vendor cut a long text: no UTF-8, so it becomes "?"
                    line = json.dumps(record, ensure_ascii=False).encode("utf-8", "replace")
                yield number, line, record
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileUnreadable(
            f"the gzip data is damaged or cut short after line {number}",
            where=path,
            remedy="Copy or export the file again; nothing of it was loaded",
        ) from error
    if number == 0:
        raise FileUnreadable("the file is empty", where=path, remedy="Export it again, or remove it")


def split_records(path: Path, folder: Path, dataset: str, day_of: Callable[[Record], date]) -> list[Incoming]:
    """Split a JSONL(.gz) file into ``.jsonl.gz`` files of one day each, lines as received.

    ``day_of`` raises ValueError, KeyError or TypeError for a record that is not of this export, and
    MomentUnbelievable for one whose date cannot be.
    """

    def dated() -> Iterator[tuple[date, bytes]]:
        for number, line, record in read_records(path):
            try:
                yield day_of(record), line
            except MomentUnbelievable as error:
                raise LineBroken(
                    f"line {number}: the date {error}",
                    where=path,
                    remedy="Correct its time in the file; nothing of it was loaded",
                ) from error
            except (ValueError, KeyError, TypeError, OverflowError) as error:
                raise FileForeign(
                    f"line {number} is not an event of this export ({error!r})",
                    where=path,
                    remedy="Check that the file is of the kind its source says",
                ) from error

    return write_days(dated(), folder, dataset)


def write_days(dated: Iterable[tuple[date, bytes]], folder: Path, dataset: str) -> list[Incoming]:
    """Write (day, line) pairs into one gzipped JSONL file a day, holding about 64 MB at a time."""
    pending: dict[date, list[bytes]] = {}
    rows: dict[date, int] = {}
    waiting = 0
    for day, line in dated:
        pending.setdefault(day, []).append(line if line.endswith(b"\n") else line + b"\n")
        rows[day] = rows.get(day, 0) + 1
        waiting += len(line)
        if waiting > 64_000_000:
            _append(pending, folder, dataset)
            pending, waiting = {}, 0
    _append(pending, folder, dataset)
    return [Incoming(day, dataset, _day_path(folder, dataset, day), rows[day]) for day in rows]


def _append(pending: dict[date, list[bytes]], folder: Path, dataset: str) -> None:
    # one file open at a time: a CRM log may span more days than a process may open files
    for day, lines in pending.items():
        with _day_path(folder, dataset, day).open("ab") as file:
            # a fixed mtime makes equal content equal bytes, hence an equal version
            file.write(gzip.compress(b"".join(lines), 1, mtime=0))


def _day_path(folder: Path, dataset: str, day: date) -> Path:
    return folder / f"{dataset}-{day.isoformat()}.jsonl.gz"


def open_plain_or_gzipped(path: Path) -> BinaryIO:
    """A file's bytes, unpacked where its content (not its name) is gzip."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path, "rb")) if zipped else path.open("rb")
