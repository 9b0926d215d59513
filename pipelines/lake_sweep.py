"""Take forgotten people out of what has landed, and keep the whole lake to what may be in it."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

from connectors.forgotten_ledger import Ledger, read_ledger, write_ledger
from connectors.forgotten_rows import STAGED_HOTJAR_IDS, STAGED_IDS, parquet_without_forgotten
from connectors.manifest import Manifest
from connectors.screening import screen_day
from pipelines.lake_gate import people_of
from pipelines.sql_models import Progress
from pipelines.warehouse_state import keep_state_only
from pipelines.workspace import Workspace


def landed_sources(workspace: Workspace) -> list[str]:
    """The sources with a folder in the lake, also those that the config has no more."""
    found = workspace.lake.glob("*/date=*/manifest.json")
    return sorted({path.parent.parent.name for path in found})


def sweep(workspace: Workspace, progress: Progress) -> int:
    """Take every row of the ledger's people out of landed and staged days; returns how many landed rows went.

    May be killed and begun again: a day is changed whole or not at all. The ledger then says it is done.
    """
    ledger = read_ledger(workspace.lake)
    dropped = 0
    for source in landed_sources(workspace):
        lake = workspace.source_lake(source)
        for left_over in ("incoming.part", "screened.part"):
            _remove(lake.root / left_over)
        landed = lake.days()
        rows = sum(screen_day(lake, manifest) for manifest in landed.values())
        dropped += rows
        if rows:
            progress(f"{source}: {rows:,} rows taken out of the lake")
        _sweep_staged(workspace, source, lake.days(), ledger)
    for folder in workspace.staged.glob("*"):
        if folder.name not in workspace.settings.sources:
            _remove(folder)
    if not ledger.is_swept:
        write_ledger(workspace.lake, ledger.swept())
    return dropped


def finish_sweep(workspace: Workspace, progress: Progress) -> None:
    """Finish what a killed `painpoints forget` began in the lake, before anything is built of it."""
    if not read_ledger(workspace.lake).is_swept:
        progress("finishing what `painpoints forget` began")
        keep_state_only(workspace.warehouse)
        sweep(workspace, progress)


def _sweep_staged(workspace: Workspace, source: str, landed: dict[date, Manifest], ledger: Ledger) -> None:
    """Drop staged days that a landed one has outdated; take the rows out of those that nothing can remake."""
    people = people_of(source, workspace.settings.sources.get(source))
    for path in sorted((workspace.staged / source).glob("*")):
        dataset, day, version = staged_name(path)
        manifest = landed.get(day) if day is not None else None
        if path.suffix != ".parquet" or manifest is None or manifest.version_of({dataset}) != version:
            path.unlink()
            continue
        ids = STAGED_IDS if dataset == "events" else STAGED_HOTJAR_IDS
        parquet_without_forgotten(path, people, ledger, ids)


def staged_name(path: Path) -> tuple[str, date | None, str]:
    """Dataset, day and version of a staged file's name ``events-2026-03-01-<version>-<recipe>.parquet``."""
    parts = path.stem.split("-")
    try:
        return parts[0], date.fromisoformat("-".join(parts[1:4])), parts[4]
    except (ValueError, IndexError):
        return path.stem, None, ""


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
