"""The file that was published before the last: brought up to date, it is the next one, and nothing is copied.

It lies hidden beside the published file and lacks what was noted of two publications. Whoever still has it
open keeps it: the engine refuses a file that another process has open, and what is read without the engine,
by a backup, is left alone for an hour. A copy of the published file is then made instead.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

# a smaller file is copied in less time than the rows of another night take
FEWEST_BYTES = 3_000_000_000
# who copies a published file byte by byte holds no lock on it, and may go on after the next one is there
LEFT_ALONE_SECONDS = 3600
_OPEN_FILES = Path("/dev/fd")


def spare_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.spare")


def take_spare(target: Path, version: str | None, part: Path) -> bool:
    """Move the spare of ``target`` to ``part``; False where it is none of this version, or is in use."""
    spare = spare_of(target)
    try:
        found = spare.stat()
        is_free = time.time() - found.st_ctime >= LEFT_ALONE_SECONDS and found.st_nlink == 1
        if version is None or file_version(spare) != version or not is_free or _is_open_here(found):
            return False
        os.replace(spare, part)
    except OSError:
        return False
    return True


def keep_spare(target: Path) -> str | None:
    """Keep what is published as the spare; returns its version, None where it is small or the disk can't."""
    drop_spare(target)
    if target.stat().st_size < FEWEST_BYTES:
        return None
    try:
        os.link(target, spare_of(target))
    except OSError:  # some file systems have no second names
        return None
    return file_version(target)


def drop_spare(target: Path) -> None:
    spare_of(target).unlink(missing_ok=True)


def file_version(path: Path) -> str:
    """Another text once somebody has written to the file or put another in its place."""
    found = path.stat()
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"


def _is_open_here(found: os.stat_result) -> bool:
    """Whether this process has the file open: the engine's lock keeps out only others."""
    if not _OPEN_FILES.is_dir():
        return True  # nobody knows
    for opened in _OPEN_FILES.iterdir():
        with suppress(OSError):
            if os.path.samestat(opened.stat(), found):
                return True
    return False
