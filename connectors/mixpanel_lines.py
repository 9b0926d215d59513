"""The lines of a day that Mixpanel's Export API sent: each an event of that day, or the answer is broken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import islice
from math import inf
from pathlib import Path

from connectors.errors import AnswerBroken, LineBroken
from connectors.export_stream import REMEDY
from connectors.json_lines import Record, read_records
from connectors.mixpanel_export import epoch_seconds
from connectors.vendor_words import VendorWords

# a day lasts 12 h around its noon; project time and UTC are at most 14 h apart
REACH_SECONDS = 36 * 3600


@dataclass
class DayTimes:
    """The first and the last ``time`` of a day's events, in seconds since 1970 as they are written."""

    events: int = 0
    first: float = inf
    last: float = -inf

    def add(self, seconds: float) -> None:
        self.events += 1
        self.first, self.last = min(self.first, seconds), max(self.last, seconds)


def checked_lines(path: Path, day: date, words: VendorWords, where: str, times: DayTimes) -> Iterator[bytes]:
    """The lines of an export of ``day``, noted in ``times``. Raises AnswerBroken, also after the last one."""
    size = path.stat().st_size
    if size == 0:  # a day without events
        return
    noon = datetime.combine(day, time(12), UTC).timestamp()
    number = 0
    try:
        for number, line, record in read_records(path):
            seconds = _seconds_of(record, noon)
            if isinstance(seconds, str):
                raise _broken(f"line {number} {seconds}", line, words, where)
            times.add(seconds)
            yield line
    except LineBroken as error:
        # an answer that fails half-way ends in words such as "export terminated early"
        # (https://github.com/mixpanel/mixpanel-utils/issues/5)
        raise _broken(error.what, _after_line(path, number), words, where) from error
    with path.open("rb") as file:
        file.seek(size - 1)
        if file.read() != b"\n":
            raise AnswerBroken(f"the last line, {number}, is cut short", where=where, remedy=REMEDY)


def _broken(what: str, line: bytes, words: VendorWords, where: str) -> AnswerBroken:
    if line.lstrip().startswith(b"<"):
        what = "a web page came, no export"
    # an event tells about a person, and has no place in an error
    elif line.lstrip().startswith(b'{"event"'):
        return AnswerBroken(what, where=where, remedy=REMEDY)
    return AnswerBroken(f"{what}: Mixpanel says {words.quoted(line)}", where=where, remedy=REMEDY)


def _seconds_of(record: Record, noon: float) -> float | str:
    """The time of an event, or what keeps ``record`` from being one of the day with this noon."""
    properties = record.get("properties")
    if not isinstance(record.get("event"), str) or not isinstance(properties, dict):
        return "is no event"
    given = properties.get("time")
    if isinstance(given, bool) or not isinstance(given, int | float):
        return "has no time"
    try:
        seconds = epoch_seconds(given)
    except OverflowError:
        return "is of another day"
    return seconds if abs(seconds - noon) <= REACH_SECONDS else "is of another day"  # NaN is not near


def _after_line(path: Path, number: int) -> bytes:
    """The first line behind line ``number`` that is not blank; of a web page, its first 8 kB."""
    with path.open("rb") as file:
        line = next((line for line in islice(file, number, None) if line.strip()), b"")
        return line + file.read(8192) if line.lstrip().startswith(b"<") else line
