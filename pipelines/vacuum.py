"""Free disk: what retention lets go, what crashes left behind, sources that are gone, databases."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from connectors.manifest import DROPPED, MANIFEST
from pipelines.finding_store import built_recipe
from pipelines.lake_sweep import landed_sources
from pipelines.retention import apply_retention, plan_retention
from pipelines.retention_ledger import read_retention
from pipelines.spare_file import spare_of
from pipelines.spark_store import keep_only, spark_folder
from pipelines.sql_models import Progress
from pipelines.warehouse import open_warehouse
from pipelines.warehouse_state import keep_state_only
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class Waste:
    """Something that can go: what it is, where, and its bytes."""

    what: str
    path: str
    bytes: int


@dataclass(frozen=True)
class VacuumReport:
    """What went, or with ``dry_run`` would go; ``retention`` says the days, in words."""

    dry_run: bool
    waste: tuple[Waste, ...]
    retention: tuple[str, ...]
    freed_bytes: int


def vacuum(workspace: Workspace, *, dry_run: bool, progress: Progress) -> VacuumReport:
    """Free what can be freed of a locked workspace. Nothing that a build cannot make again goes.

    Besides retention, and the landed days of sources that are no longer in the config: those are named.
    """
    before = _size(workspace.root)
    words = _retention(workspace, dry_run, progress)
    waste = [
        Waste(what, path.relative_to(workspace.root).as_posix(), _size(path))
        for what, path in _waste(workspace)
    ]
    if workspace.warehouse.exists():
        size = _size(workspace.warehouse)
        size += _size(spark_folder(workspace))
        waste.append(Waste("tables that the next build makes anew", workspace.warehouse.name, size))
    if dry_run:
        return VacuumReport(True, tuple(waste), words, sum(each.bytes for each in waste))
    for each in waste[: len(waste) - workspace.warehouse.exists()]:
        _remove(workspace.root / each.path)
    keep_state_only(workspace.warehouse)
    keep_only(workspace, None)
    return VacuumReport(False, tuple(waste), words, max(before - _size(workspace.root), 0))


def _retention(workspace: Workspace, dry_run: bool, progress: Progress) -> tuple[str, ...]:
    if not workspace.warehouse.exists():
        return ()
    with open_warehouse(workspace.warehouse, workspace.settings.engine) as connection:
        if built_recipe(connection) is None:
            return ("retention waits for the next `painpoints run`: the tables are not built",)
        plan, done = plan_retention(connection, workspace), read_retention(workspace.lake)
        words = [
            f"{what} before {first}"
            for what, first, gone in (
                ("files of the vendors", plan.raw_from, done.raw_from),
                ("rows of events", plan.events_from, done.events_from),
            )
            if first is not None and first != gone
        ]
        if not dry_run:
            apply_retention(connection, workspace, progress)
    return tuple(words)


def _waste(workspace: Workspace) -> Iterator[tuple[str, Path]]:
    root = workspace.root
    spare = spare_of(workspace.published)
    if spare.exists():
        yield "an older published file, kept to be brought up to date", spare
    for path in (root / ".spill", *sorted(root.glob("*.duckdb.part*"))):
        if path.exists():
            yield "left behind by a run that was killed", path
    for source in landed_sources(workspace):
        lake = workspace.source_lake(source)
        if source not in workspace.settings.sources:
            yield "landed days of a source that the config has no more", lake.root
            continue
        for path in sorted(lake.root.glob("*.part")):
            if not _size(path):
                continue  # every pull leaves its empty folder
            yield "left behind by a run that was killed", path
        for day, manifest in lake.days().items():
            folder = lake.root / f"date={day.isoformat()}"
            listed = {part.file for part in manifest.parts if DROPPED not in part.flags} | {MANIFEST}
            for path in sorted(folder.iterdir()):
                if path.name not in listed:
                    yield "no part of its day", path
    for folder in sorted(workspace.staged.glob("*")):
        if folder.name not in workspace.settings.sources:
            yield "staged days of a source that the config has no more", folder
    frozen = {file for _, file in read_retention(workspace.lake).frozen}
    for path in sorted((workspace.lake / "_frozen").glob("*")):
        if path.name not in frozen:
            yield "left behind by a run that was killed", path


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file() and not each.is_symlink())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
