"""What DuckDB may use: memory and cores, and disk for what does not fit in memory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipelines.engine_settings import AMOUNT, SPILL_FOLDER, EngineSettings
from pipelines.errors import PainpointsError

_PREFIX = "spill-"
MEMORY_SHARE = 0.6  # of the machine's; the rest is for Python, other programs and the cache of files
# where a container's own limit stands: version 2 of control groups, then version 1
_CONTAINER_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")


def machine_memory_bytes(control_groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Physical memory, or less where a container has a limit of its own."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for name in _CONTAINER_LIMITS:
        try:
            text = (control_groups / name).read_text("ascii").strip()
        except OSError:
            continue
        if text.isdigit():  # version 2 writes "max" where there is none
            return min(physical, int(text))
    return physical


def memory_limit(settings: EngineSettings, workers: int = 1) -> str:
    """DuckDB's limit for one of ``workers`` side by side, as DuckDB reads it."""
    if settings.memory_limit is None:
        return f"{int(machine_memory_bytes() * MEMORY_SHARE / workers / 2**20)}MiB"
    return _shared(settings.memory_limit, workers)


def share_of(settings: EngineSettings, cores: int, workers: int) -> EngineSettings:
    """What one of ``workers`` side by side on ``cores`` may use."""
    limit = settings.temp_limit
    return settings.model_copy(
        update={
            "threads": max(1, cores // workers),
            "memory_limit": memory_limit(settings, workers),
            "temp_limit": None if limit is None else _shared(limit, workers),
        }
    )


def _shared(amount: str, workers: int) -> str:
    """What each of ``workers`` gets of an amount such as ``8GB``."""
    number, unit = AMOUNT.fullmatch(amount).groups()  # type: ignore[union-attr]  # validated
    return f"{float(number) / workers:.3f}{unit}"


def engine_config(settings: EngineSettings, spill: Path | None) -> dict[str, Any]:
    """The configuration of a connection; ``spill`` is the folder for what does not fit in memory."""
    config: dict[str, Any] = {
        "memory_limit": memory_limit(settings),
        "preserve_insertion_order": "false",
    }
    if settings.threads:
        config["threads"] = settings.threads
    if spill:
        config["temp_directory"] = str(spill)
    return config


@contextmanager
def spill_folder(settings: EngineSettings, path: Path | None) -> Iterator[Path | None]:
    """A folder of this connection's own, gone when it ends: several stage days side by side.

    It lies in ``settings.temp_directory``, else beside the file ``path``; None where there is neither. That
    folder is the workspace's own, and goes when nothing is left in it. Raises PainpointsError where it cannot
    be made.
    """
    parent = settings.temp_directory or (path.with_name(SPILL_FOLDER) if path else None)
    if parent is None:
        yield None
        return
    try:
        parent.mkdir(parents=True, exist_ok=True)
        spill = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    except OSError as error:
        raise PainpointsError(
            f"{parent}: no folder can be made there for what does not fit in memory ({error.strerror}). Make "
            "room or correct its permissions, or name another folder with temp_directory in [engine]"
        ) from error
    try:
        yield spill
    finally:
        shutil.rmtree(spill, ignore_errors=True)
        with suppress(OSError):  # others are at work there
            parent.rmdir()


def remove_left_spill(settings: EngineSettings) -> None:
    """Remove what a run that was killed has spilled; who holds the workspace's lock is alone there."""
    if settings.temp_directory is not None:
        for left in settings.temp_directory.glob(f"{_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        with suppress(OSError):
            settings.temp_directory.rmdir()
