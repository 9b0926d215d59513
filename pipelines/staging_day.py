"""Stage one landed day: the vendor's rows of any age and format, through the staging SQL, to Parquet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from connectors import ga4_export
from connectors.durable_files import sync_file
from connectors.manifest import check_part
from pipelines.engine_functions import STAGING_FUNCTIONS
from pipelines.engine_settings import EngineSettings
from pipelines.errors import SqlFailed
from pipelines.exhausted import machine_exhausted
from pipelines.source_settings import TABLE_FIELDS, HotjarSource, MixpanelSource, Source, TableSource
from pipelines.sql_models import SQL_FOLDER
from pipelines.staged_schema import RECORDING, STAGED_EVENT, SURVEY_ANSWER
from pipelines.warehouse import literal, open_warehouse, quoted, replace_table

PARQUET_END, LEAST_PARQUET_BYTES = b"PAR1", 12


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
    Staging("hotjar", "responses", "hotjar_responses", "staged_surveys", SURVEY_ANSWER),
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
    "hotjar_responses": "raw.hotjar_responses",
}


@dataclass(frozen=True)
class DayToStage:
    """The parts of one landed day of a source, and the Parquet file they become.

    ``digests`` are the SHA-256 that the parts were landed with, in the order of ``paths``.
    """

    staging: Staging
    name: str
    source: Source
    zone: str
    paths: tuple[Path, ...]
    target: Path
    digests: tuple[str, ...] = ()


def is_staged(target: Path) -> bool:
    """Whether a day's Parquet file is there with its end: a machine that lost power may have cut it."""
    try:
        with target.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - len(PARQUET_END), 0))
            return size >= LEAST_PARQUET_BYTES and file.read() == PARQUET_END
    except FileNotFoundError:
        return False


def stage_share(days: Sequence[DayToStage], engine: EngineSettings) -> None:
    """Write the target of each day, in a database of its own: shares can be staged side by side.

    Raises SqlFailed naming the parts of the day that cannot be read, LakeDamaged naming one whose bytes
    are not those that landed: a wrong number read from it would be nobody's.
    """
    # those that a day is staged anew for when they change, and no others
    with open_warehouse(None, engine, STAGING_FUNCTIONS) as connection:
        told = None
        for day in days:
            day.target.parent.mkdir(parents=True, exist_ok=True)
            for path, digest in zip(day.paths, day.digests, strict=False):
                check_part(path, digest)
            if told != (day.name, day.zone):
                _tell_source(connection, day)
                told = day.name, day.zone
            _stage_day(connection, day)


def _tell_source(connection: duckdb.DuckDBPyConnection, day: DayToStage) -> None:
    """What the staging models ask of the config, which is the same for every day of a source."""
    source = day.source
    revenue_events = list(source.revenue_events) if isinstance(source, MixpanelSource | TableSource) else []
    user_id_column = source.user_id if isinstance(source, HotjarSource) else None
    context = {
        "source": day.name,
        "timezone": day.zone,
        "revenue_events": revenue_events,
        "user_id_column": user_id_column,
    }
    replace_table(
        connection,
        "raw.context",
        pa.schema(
            [
                ("source", pa.string()),
                ("timezone", pa.string()),
                ("revenue_events", pa.list_(pa.string())),
                ("user_id_column", pa.string()),
            ]
        ),
        [context],
    )
    if isinstance(source, TableSource):
        _write_column_map(connection, source)


def _stage_day(connection: duckdb.DuckDBPyConnection, day: DayToStage) -> None:
    staging, source, paths, target = day.staging, day.source, day.paths, day.target
    part = target.with_suffix(".part")
    try:
        if staging.kind == "ga4":
            query = _ga4_query(connection, paths)
        else:
            columns = _columns_literal(_LINE_COLUMNS[source.kind])
            lines = f"{file_list(paths)}, format = 'newline_delimited', columns = {columns}"
            query = f"select * from read_json({lines})"
        connection.execute(f"create or replace view {_RAW_VIEWS[staging.model]} as {query}")
        sql = staging.sql_path.read_text("utf-8")
        connection.execute(f"copy ({sql}) to {literal(part)} (format parquet, compression zstd)")
    except duckdb.Error as error:
        exhausted = machine_exhausted(error, str(target))
        if exhausted is not None:  # the landed file is as it should be
            part.unlink(missing_ok=True)
            raise exhausted from error
        shown = ", ".join(map(str, paths))
        raise SqlFailed(
            f"{shown}: this landed day cannot be read as {source.kind} {staging.dataset} ({error}). "
            f"Delete {paths[0].parent} and {paths[0].parent.parent / 'files.json'}, correct the export "
            "and pull again; what was published stays"
        ) from error
    sync_file(part)
    os.replace(part, target)


def _ga4_query(connection: duckdb.DuckDBPyConnection, paths: Iterable[Path]) -> str:
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
    for name, given in (("columns", source.layout().landed_as()), ("constants", source.constants)):
        row = {field: given.get(field) for field in schema.names}
        replace_table(connection, f"raw.{name}", schema, [row])


def file_list(paths: Iterable[Path]) -> str:
    """Paths as a SQL list, for the table functions that take no bound values."""
    return "[" + ", ".join(literal(path) for path in paths) + "]"


def rows_of_files(connection: duckdb.DuckDBPyConnection, like: str, paths: Iterable[Path]) -> str:
    """The query for the rows of staged files, with the columns of the table or view ``like``.

    A column that came after every one of the files was staged is NULL.
    """
    source = f"read_parquet({file_list(paths)}, union_by_name = true)"
    kinds = connection.execute(f"describe {like}").fetchall()
    present = {row[0] for row in connection.execute(f"describe select * from {source}").fetchall()}
    columns = ", ".join(
        quoted(name) if name in present else f"null::{kind} as {quoted(name)}" for name, kind, *_ in kinds
    )
    return f"select {columns} from {source}"


def _columns_literal(types: dict[str, str]) -> str:
    return "{" + ", ".join(f"{quoted(name)}: {literal(kind)}" for name, kind in types.items()) + "}"
