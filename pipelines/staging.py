"""Turn landed days into canonical events: one Parquet file per landed version of a day, made once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from connectors.manifest import Manifest
from pipelines.build_base import read_base
from pipelines.config_tables import landed_day, write_days
from pipelines.engine_functions import STAGING_FUNCTIONS
from pipelines.engine_limits import share_of
from pipelines.engine_settings import EngineSettings
from pipelines.errors import NothingLanded
from pipelines.source_settings import Source
from pipelines.sql_models import Progress
from pipelines.staging_day import STAGINGS, DayToStage, Staging, is_staged, rows_of_files, stage_share
from pipelines.vendor_reports import gather_reports
from pipelines.warehouse import replace_table
from pipelines.workspace import Workspace


def stage_days(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    progress: Progress,
    *,
    drops_outdated: bool = True,
) -> int:
    """Stage what is new, drop what is outdated, and gather all into schema ``lake``.

    Who only looks drops nothing: the tables of the working file may stand on what is outdated.
    Returns the number of days staged. Raises NothingLanded, SqlFailed or LakeDamaged.
    """
    landed_days: list[dict[str, Any]] = []
    gathered: dict[str, list[Path]] = {staging.gathered: [] for staging in STAGINGS}
    missing: list[DayToStage] = []
    for name, source in workspace.settings.sources.items():
        lake, zone = workspace.source_lake(name), workspace.settings.zone_of(name)
        landed = lake.days()
        gathering = {staging.dataset for staging in STAGINGS if staging.kind == source.kind}
        landed_days.extend(
            landed_day(name, day, workspace.nights_of(name), parts)
            for day, each in landed.items()
            # a day of which only a vendor's report has landed holds no events
            if (parts := [part for part in each.parts if part.dataset in gathering])
        )
        for staging in (each for each in STAGINGS if each.kind == source.kind):
            recipe = _recipe(staging, source, str(zone))
            for day, manifest in landed.items():
                paths = lake.part_paths(manifest, staging.dataset)
                target = _target(workspace, name, staging, day, manifest, recipe)
                if not paths:
                    # retention let the landed files go: what was once staged of them is all there is
                    kept = is_staged(target) or not manifest.parts_of(staging.dataset)
                    old = (
                        [target] if kept else sorted(target.parent.glob(f"{_landed_name(target)}-*.parquet"))
                    )
                    gathered[staging.gathered].extend(path for path in old[-1:] if is_staged(path))
                    continue
                gathered[staging.gathered].append(target)
                if not is_staged(target):
                    digests = tuple(part.sha256 for part in manifest.parts_of(staging.dataset))
                    missing.append(
                        DayToStage(staging, name, source, str(zone), tuple(paths), target, digests)
                    )
    if not gathered["staged_events"]:
        raise NothingLanded(
            f"{workspace.root}: no event has landed yet. Run `painpoints pull` first; "
            "`painpoints doctor` says whether the files are found. Hotjar alone brings no events: a "
            "journey needs a ga4, mixpanel or table source"
        )
    _stage_side_by_side(missing, workspace.settings.engine, progress)
    if drops_outdated:
        _set_aside_outdated(connection, workspace, {path for paths in gathered.values() for path in paths})
    for staging in STAGINGS:
        _gather(connection, staging, gathered[staging.gathered])
    files = [
        {"file": str(path.relative_to(workspace.staged)), "path": str(path)}
        for path in gathered["staged_events"]
    ]
    schema = pa.schema([("file", pa.string()), ("path", pa.string())])
    replace_table(connection, "lake.staged_files", schema, files)
    write_days(connection, landed_days)
    gather_reports(connection, workspace)
    return len(missing)


def _stage_side_by_side(days: Sequence[DayToStage], engine: EngineSettings, progress: Progress) -> None:
    """Stage days in as many threads as there are cores; a day is too small to keep all of them busy."""
    if not days:
        return
    cores = engine.threads or os.cpu_count() or 1
    workers = min(cores, len(days))
    share = share_of(engine, cores, workers)
    progress(f"staging {len(days)} days")
    with ThreadPoolExecutor(workers) as pool:
        # interleaved, as the days of one source are alike
        shares = [pool.submit(stage_share, days[worker::workers], share) for worker in range(workers)]
        for done in as_completed(shares):
            done.result()  # raises what stopped a share; what is staged already is not made again


def _recipe(staging: Staging, source: Source, zone: str) -> str:
    """A digest of all that decides how a day is staged, besides its content."""
    config = source.model_dump_json(include={"columns", "constants", "formats", "revenue_events", "user_id"})
    text = staging.sql_path.read_text("utf-8") + config + zone + "".join(STAGING_FUNCTIONS)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _target(
    workspace: Workspace, name: str, staging: Staging, day: date, manifest: Manifest, recipe: str
) -> Path:
    folder = workspace.staged / name
    version = manifest.version_of({staging.dataset})
    return folder / f"{staging.dataset}-{day.isoformat()}-{version}-{recipe}.parquet"


def _landed_name(target: Path) -> str:
    """A staged file's name without its recipe: the dataset, the day and the landed version."""
    return target.stem.rpartition("-")[0]


def _set_aside_outdated(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, wanted: set[Path]
) -> None:
    """Drop what is outdated, but for what the tables are made of: a build asks what changed since."""
    base = read_base(connection)
    kept = {file.path for file in base.files} if base else set()
    outdated = [path for path in workspace.staged.glob("*/*") if path not in wanted]
    for path in outdated:
        if path not in kept:
            path.unlink()
    rows = [{"path": str(path)} for path in outdated if path in kept]
    replace_table(connection, "lake.outdated_files", pa.schema([("path", pa.string())]), rows)


def drop_outdated(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the staged files that were kept until the tables were made of others."""
    for (path,) in connection.execute("select path from lake.outdated_files").fetchall():
        Path(path).unlink(missing_ok=True)


def _gather(connection: duckdb.DuckDBPyConnection, staging: Staging, paths: Iterable[Path]) -> None:
    files = list(paths)
    rows = f"lake.{staging.gathered}_rows"  # none: they say which columns staged rows have
    replace_table(connection, rows, staging.schema, [])
    query = rows_of_files(connection, rows, files) if files else f"select * from {rows}"
    connection.execute(f"create or replace view lake.{staging.gathered} as {query}")
