"""Pull a source whose events come as files: find them, skip what is unchanged, land the rest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from glob import escape, glob
from pathlib import Path
from typing import Any

from connectors.day_range import EVERY_DAY, DayRange
from connectors.durable_files import replace_json, sha256_of
from connectors.errors import FileMissing, FileUnreadable
from connectors.landing import Incoming, SourceLake
from connectors.pull_report import PullReport

Split = Callable[[Path, Path], Iterable[Incoming]]
"""Writes one vendor file, split into days, into a folder; raises SourceError when it cannot."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class FileSet:
    """The files of one dataset of a source: a glob relative to the workspace, and how to split one.

    ``recipe`` names what ``split`` depends on besides the file: another recipe reads the file again.
    """

    key: str
    pattern: str
    split: Split
    recipe: str = ""


def pull_files(
    lake: SourceLake,
    workspace: Path,
    file_sets: Sequence[FileSet],
    progress: Progress,
    days: DayRange = EVERY_DAY,
) -> PullReport:
    """Land every new or changed file of ``file_sets``, of it only what falls into ``days``.

    A file that was deleted from the export folder keeps the days it brought. A file that cannot be
    read raises before anything of it is landed; files landed before it stay.
    """
    registry_path = lake.root / "files.json"
    known: dict[str, dict[str, Any]] = _read_registry(registry_path)
    read = skipped = rows = 0
    changed: set[date] = set()
    for file_set in file_sets:
        for path in _matching(workspace, file_set):
            origin = path.relative_to(workspace).as_posix() if path.is_relative_to(workspace) else str(path)
            stat = path.stat()
            stamp = {
                "size": stat.st_size,
                "mtime_ns": stat.st_mtime_ns,
                "recipe": file_set.recipe,
            }
            before = known.get(origin, {})
            if {key: before.get(key) for key in stamp} == stamp:
                skipped += 1
                continue
            if stat.st_size == 0:
                raise FileUnreadable("the file is empty", where=path, remedy="Export it again, or remove it")
            digest = sha256_of(path)
            if before.get("sha256") == digest and before.get("recipe") == file_set.recipe:
                skipped += 1
            else:
                incoming = list(file_set.split(path, lake.incoming_folder()))
                rows += sum(each.rows for each in incoming)
                changed.update(lake.land(origin, incoming, days))
                read += 1
                progress(f"{lake.source}: {origin}, {sum(each.rows for each in incoming):,} rows")
                if any(each.day not in days for each in incoming):
                    continue  # not all of it has landed: the next pull without dates reads it again
            known[origin] = stamp | {"sha256": digest}
            replace_json(registry_path, known)
    return PullReport(lake.source, rows, tuple(sorted(changed)), files_read=read, files_skipped=skipped)


def matching(workspace: Path, pattern: str) -> str:
    """The pattern below a workspace whose own path may hold ``[`` or ``*``."""
    return str(Path(escape(str(workspace))) / pattern)


def matching_files(workspace: Path, pattern: str) -> list[Path]:
    """The files that a pattern names, in order."""
    # glob() of the standard library, as pathlib's takes no absolute patterns
    found = sorted(Path(path) for path in glob(matching(workspace, pattern), recursive=True))
    return [path for path in found if path.is_file()]


def _matching(workspace: Path, file_set: FileSet) -> list[Path]:
    files = matching_files(workspace, file_set.pattern)
    if not files:
        raise FileMissing(
            f"no file matches {file_set.key} = {file_set.pattern!r}",
            where=workspace,
            remedy="Put the export there, or correct the path (it is relative to the workspace)",
        )
    return files


def _read_registry(path: Path) -> dict[str, dict[str, Any]]:
    try:
        known = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        known = {}  # all files are read again; landing the same content changes nothing
    entries = known.items() if isinstance(known, dict) else ()
    return {origin: entry for origin, entry in entries if isinstance(entry, dict)}
