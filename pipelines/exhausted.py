"""Errors that the machine is to blame for: out of memory, out of disk."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import duckdb

from pipelines.errors import PainpointsError

_INTACT = "What was published before is as it was"
_DISK_FULL = (
    "the disk is full. Make room there and run again; `painpoints vacuum` then keeps the workspace small. "
    + _INTACT
)
# "..." or \"...\" (quoted once more inside another message)
_NAMED_FILE = re.compile(r'file \\?"(?P<path>[^"\\]+)\\?"')
_NO_ROOM_CODES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_ROOM = ("No space left on device", "Disk quota exceeded", "File too large")
_USED = re.compile(r"\((?P<used>[^()]+ used)\)")


class MachineExhausted(PainpointsError):
    """DuckDB has used up its memory, or a disk is full."""


def disk_full(error: OSError, folder: Path) -> MachineExhausted | None:
    """What a person can do about an error in writing to ``folder``; None where the disk is not full."""
    if error.errno not in _NO_ROOM_CODES:
        return None
    return MachineExhausted(f"{error.filename or folder}: {_DISK_FULL}")


def machine_exhausted(error: duckdb.Error, doing: str = "") -> MachineExhausted | None:
    """What a person can do about an error that the machine is to blame for; None for any other.

    ``doing`` says what could not be done, a model's path for example.
    """
    text, place = str(error), f"{doing}: " if doing else ""
    if any(each in text for each in _NO_ROOM):
        named = _NAMED_FILE.search(text)
        file = f"{named['path']} cannot be written: " if named else ""
        return MachineExhausted(f"{place}{file}{_DISK_FULL}")
    if not isinstance(error, duckdb.OutOfMemoryException):
        return None
    found = _USED.search(text)
    used = f" ({found['used']})" if found else ""
    if "max_temp_directory_size" in text:
        return MachineExhausted(
            f"{place}the disk for what does not fit in memory is used up{used}. Make room, raise "
            "memory_limit or temp_limit in [engine] of painpoints.toml, or name a folder on a larger disk "
            f"there with temp_directory. {_INTACT}"
        )
    return MachineExhausted(
        f"{place}DuckDB's memory is used up{used}. Raise memory_limit in [engine] of painpoints.toml, or "
        f"lower threads there, as each needs a share of it. {_INTACT}"
    )
