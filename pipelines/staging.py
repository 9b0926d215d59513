"""Turn landed days into canonical events: one Parquet file per landed version of a day, made once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from connectors import ga4_export
from connectors.landing import Manifest
from pipelines.config_tables import landed_day, write_days
from pipelines.errors import NothingLanded, SqlFailed
from pipelines.settings import (
    TABLE_FIELDS,
    MixpanelSource,
    Source,
    TableSource,
)
from pipelines.sql_models import SQL_FOLDER, Progress
from pipelines.staged_schema import RECORDING, STAGED_EVENT, SURVEY_ANSWER
from pipelines.warehouse import literal, quoted, replace_table
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class Staging:
    """How a landed dataset of a kind of source becomes rows of a gathered lake table."""

    kind: str
    dataset: str
    model: str
    gathered: str
    schema: pa.Schema

    @property
    def sql_path(self) -> Path:
        return SQL_FOLDER / "staging" / f"{self.model}.sql"


STAGINGS = (
    Staging("ga4", "events", "ga4", "staged_events", STAGED_EVENT),
    Staging("mixpanel", "events", "mixpanel", "staged_events", STAGED_EVENT),
    Staging("table", "events", "table", "staged_events", STAGED_EVENT),
    Staging("hotjar", "recordings", "hotjar_recordings", "staged_recordings", RECORDING),
    Staging("hotjar", "surveys", "hotjar_surveys", "staged_surveys", SURVEY_ANSWER),
)

_LINE_COLUMNS = {
    "mixpanel": {"event": "VARCHAR", "properties": "JSON"},
    "table": {"at": "BIGINT", "row": "MAP(VARCHAR, VARCHAR)"},
    "hotjar": {"at": "BIGINT", "row": "MAP(VARCHAR, VARCHAR)"},
}
_RAW_VIEWS = {
    "ga4": "raw.ga4_events",
    "mixpanel": "raw.mixpanel_events",
    "table": "raw.table_rows",
    "hotjar_recordings": "raw.hotjar_recordings",
    "hotjar_surveys": "raw.hotjar_surveys",
}


def stage_days(connection: duckdb.DuckDBPyConnection, workspace: Workspace, progress: Progress) -> int:
    """Stage what is new, drop what is outdated, and gather all into schema ``lake``.

    Returns the number of days staged. Raises NothingLanded, SqlFailed or LakeDamaged.
    """
    staged_now = 0
    days: list[dict[str, Any]] = []
    gathered: dict[str, list[Path]] = {staging.gathered: [] for staging in STAGINGS}
    for name, source in workspace.settings.sources.items():
        lake = workspace.source_lake(name)
        zone = workspace.settings.zone_of(name)
        landed = lake.days()
        for staging in (each for each in STAGINGS if each.kind == source.kind):
            wanted = {}
            recipe = _recipe(staging, source, str(zone))
            for day, manifest in landed.items():
                paths = lake.part_paths(manifest, staging.dataset)
                if paths:
                    target = _target(workspace, name, staging, day, manifest, recipe)
                    wanted[day] = target
                    if not target.exists():
                        _stage_day(connection, staging, name, source, str(zone), paths, target)
                        staged_now += 1
                        progress(f"staged {name} {staging.dataset} {day}")
            gathered[staging.gathered].extend(wanted.values())
            _drop_outdated(workspace, name, staging, set(wanted.values()))
        days.extend(landed_day(name, day, zone, each.rows) for day, each in landed.items())
    if not gathered["staged_events"]:
        raise NothingLanded(
            f"{workspace.root}: no event has landed yet. Run `painpoints pull` first; "
            "`painpoints doctor` says whether the files are found"
        )
    for staging in STAGINGS:
        _gather(connection, staging, gathered[staging.gathered])
    write_days(connection, days)
    return staged_now


def _recipe(staging: Staging, source: Source, zone: str) -> str:
    """A digest of all that decides how a day is staged, besides its content."""
    config = source.model_dump_json(exclude={"files", "recordings", "surveys", "sets_horizon"})
    text = staging.sql_path.read_text("utf-8") + config + zone
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _target(
    workspace: Workspace, name: str, staging: Staging, day: date, manifest: Manifest, recipe: str
) -> Path:
    folder = workspace.staged / name
    return folder / f"{staging.dataset}-{day.isoformat()}-{manifest.version}-{recipe}.parquet"


def _drop_outdated(workspace: Workspace, name: str, staging: Staging, wanted: set[Path]) -> None:
    for path in (workspace.staged / name).glob(f"{staging.dataset}-*"):
        if path not in wanted:
            path.unlink()


def _stage_day(
    connection: duckdb.DuckDBPyConnection,
    staging: Staging,
    name: str,
    source: Source,
    zone: str,
    paths: list[Path],
    target: Path,
) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    revenue_events = list(source.revenue_events) if isinstance(source, MixpanelSource | TableSource) else []
    context = {"source": name, "timezone": zone, "revenue_events": revenue_events}
    replace_table(
        connection,
        "raw.context",
        pa.schema(
            [
                ("source", pa.string()),
                ("timezone", pa.string()),
                ("revenue_events", pa.list_(pa.string())),
            ]
        ),
        [context],
    )
    if isinstance(source, TableSource):
        _write_column_map(connection, source)
    try:
        if staging.kind == "ga4":
            query = _ga4_query(connection, paths)
        else:
            columns = _columns_literal(_LINE_COLUMNS[source.kind])
            query = (
                f"select * from read_json({_files(paths)}, format = 'newline_delimited', columns = {columns})"
            )
        connection.execute(f"create or replace view {_RAW_VIEWS[staging.model]} as {query}")
        sql = staging.sql_path.read_text("utf-8")
        connection.execute(f"copy ({sql}) to {literal(part)} (format parquet, compression zstd)")
    except duckdb.Error as error:
        shown = ", ".join(map(str, paths))
        raise SqlFailed(
            f"{shown}: this landed day cannot be read as {source.kind} {staging.dataset} ({error}). "
            f"Delete {paths[0].parent} and {paths[0].parent.parent / 'files.json'}, correct the export "
            "and pull again; what was published stays"
        ) from error
    os.replace(part, target)


def _ga4_query(connection: duckdb.DuckDBPyConnection, paths: list[Path]) -> str:
    """All known columns of GA4 files of any age: absent ones are NULL, nested ones are cast by name."""
    connection.register("ga4_template", ga4_export.SCHEMA.empty_table())
    connection.execute("create or replace table raw.ga4_template as select * from ga4_template limit 0")
    connection.unregister("ga4_template")
    types = {row[0]: row[1] for row in connection.execute("describe raw.ga4_template").fetchall()}
    selects = ["select * from raw.ga4_template"]
    for path in paths:
        if path.suffix == ".parquet":
            relation = f"read_parquet({literal(path)})"
            described = connection.execute(f"describe select * from {relation}").fetchall()
            present = {row[0] for row in described} & types.keys()
        else:
            relation = (
                f"read_json({literal(path)}, format = 'newline_delimited', "
                f"columns = {_columns_literal(types)})"
            )
            present = set(types)
        casts = ", ".join(
            f"{quoted(column)}::{types[column]} as {quoted(column)}" for column in sorted(present)
        )
        selects.append(f"select {casts} from {relation}")
    return " union all by name ".join(selects)


def _write_column_map(connection: duckdb.DuckDBPyConnection, source: TableSource) -> None:
    fields = [field for field in TABLE_FIELDS if field != "event_at"] + ["channel"]
    schema = pa.schema([(field, pa.string()) for field in dict.fromkeys(fields)])
    for name, given in (("columns", source.columns), ("constants", source.constants)):
        row = {field: given.get(field) for field in schema.names}
        replace_table(connection, f"raw.{name}", schema, [row])


def _gather(connection: duckdb.DuckDBPyConnection, staging: Staging, paths: Iterable[Path]) -> None:
    files = list(paths)
    if not files:
        replace_table(connection, f"lake.{staging.gathered}_rows", staging.schema, [])
        query = f"select * from lake.{staging.gathered}_rows"
    else:
        columns = ", ".join(quoted(name) for name in staging.schema.names)
        query = f"select {columns} from read_parquet({_files(files)}, union_by_name = true)"
    connection.execute(f"create or replace view lake.{staging.gathered} as {query}")


def _files(paths: Iterable[Path]) -> str:
    return "[" + ", ".join(literal(path) for path in paths) + "]"


def _columns_literal(types: dict[str, str]) -> str:
    return "{" + ", ".join(f"{quoted(name)}: {literal(kind)}" for name, kind in types.items()) + "}"
