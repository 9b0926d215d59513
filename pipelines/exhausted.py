"""Errors of the engine in words for people: out of memory, out of disk, an error inside the engine."""

from __future__ import annotations

import errno
import re
from pathlib import Path

import duckdb

from pipelines.errors import PainpointsError, SqlFailed

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


def query_failed(error: duckdb.Error, doing: str) -> PainpointsError:
    """What to tell of a query that failed; ``doing`` says which, a model's path for example."""
    return machine_exhausted(error, doing) or engine_failed(error, doing) or SqlFailed(f"{doing}: {error}")


def engine_failed(error: duckdb.Error, doing: str) -> SqlFailed | None:
    """What a person can do about an error inside the engine; None for any other."""
    if not isinstance(error, duckdb.InternalException):
        return None
    first = str(error).partition("\n")[0]  # the rest is a list of addresses
    return SqlFailed(
        f"{doing}: an error inside DuckDB {duckdb.__version__}: {first}. Run again with another number of "
        f"threads or memory_limit in [engine] of painpoints.toml; if it stays, report it with this text. "
        f"{_INTACT}"
    )
