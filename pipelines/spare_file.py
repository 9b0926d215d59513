"""The file that was published before the last: brought up to date, it is the next one, and nothing is copied.

It lies hidden beside the published file and lacks what was noted of two publications. Whoever still has it
open keeps it as it is: then, and where the system cannot tell, a copy of the published file is made instead.
"""

from __future__ import annotations

import fcntl
import os
import sys
from pathlib import Path

from connectors.durable_files import sync_folder

# a smaller file is copied in less time than the rows of another night take
FEWEST_BYTES = 3_000_000_000


def spare_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.spare")


def take_spare(target: Path, version: str | None, part: Path) -> bool:
    """Move the spare of ``target`` to ``part``; False where it is none of this version, or is in use."""
    spare = spare_of(target)
    try:
        if version is None or file_version(spare) != version or _is_in_use(spare):
            return False
        os.replace(spare, part)
        sync_folder(part.parent)  # what is half renewed must not lie under its old name after a power cut
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


def _is_in_use(path: Path) -> bool:
    """Whether somebody has the file open, or keeps it under another name."""
    if sys.platform != "linux":
        return True  # nobody tells
    # a reader's lock is gone once its process closes the file anywhere (fcntl(2)); the kernel grants a lease
    # for writing only of a file that nobody else has open
    with path.open("r+b") as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError:
            return True
        return os.fstat(file.fileno()).st_nlink > 1
