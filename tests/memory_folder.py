"""Temporary folders in memory where there is plenty of it: thousands of commits then wait for no disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")
_NAME = "painpoints-tests-"
_LEAST_BYTES = 8 * 2**30  # several times what a run holds at once


def memory_folder() -> Path | None:
    """A new folder in memory for this process, None where there is no room; `drop` it at the end."""
    try:
        free = shutil.disk_usage(MEMORY).free
        available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if min(free, available) < _LEAST_BYTES:
            return None
        for left in MEMORY.glob(f"{_NAME}*"):
            if not Path("/proc", left.name.removeprefix(_NAME)).exists():  # of a run that was killed
                drop(left)
        folder = MEMORY / f"{_NAME}{os.getpid()}"
        folder.mkdir()
    except (OSError, ValueError):
        return None
    return folder


def drop(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
