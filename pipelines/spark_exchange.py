"""What goes to Spark before its models run, and what DuckDB reads of them afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from pipelines.config_tables import WorldConfig, write_days
from pipelines.engine_settings import EngineSettings
from pipelines.frozen_marts import FROZEN
from pipelines.journey_tables import build_tables
from pipelines.spark_dialect import view_name
from pipelines.spark_store import SparkStore
from pipelines.sql_models import AnyModel, ComputedModel, in_order, make_model, replace_model
from pipelines.staged_schema import RECORDING, STAGED_EVENT, SURVEY_ANSWER, empty_lake
from pipelines.staging_day import STAGINGS
from pipelines.vendor_reports import empty_reports
from pipelines.warehouse import literal, open_warehouse, quoted
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_STAGED = {"staged_events": STAGED_EVENT, "staged_recordings": RECORDING, "staged_surveys": SURVEY_ANSWER}
_SPARK_TYPES = {
    pa.string(): "string",
    pa.int64(): "bigint",
    pa.int32(): "int",
    pa.bool_(): "boolean",
    pa.float64(): "double",
}

StagedFiles = Mapping[str, Sequence[Path]]
"""Gathered table of schema ``lake`` -> the staged Parquet files behind it."""
Types = Mapping[str, Mapping[str, str]]
"""Table ``schema.name`` -> column -> DuckDB's type."""


def send_small_tables(
    connection: duckdb.DuckDBPyConnection, session: SparkSession, store: SparkStore
) -> None:
    """Show schema ``config``, and what of ``lake`` is no event, to the session."""
    rows = connection.execute(
        "select schema_name, table_name from duckdb_tables() "
        "where database_name = current_database() and schema_name in ('config', 'lake')"
    ).fetchall()
    for schema, name in rows:
        if name.startswith("staged_"):
            continue
        folder = store.table(f"{schema}.{name}")
        folder.mkdir()
        path = folder / "sent.parquet"
        connection.execute(f"copy {schema}.{quoted(name)} to {literal(path)} (format parquet)")
        session.read.parquet(store.far(path)).createOrReplaceTempView(view_name(f"{schema}.{name}"))


def staged_files(workspace: Workspace) -> StagedFiles:
    """The files that staging left for each gathered table.

    It has dropped all others, as no tables of DuckDB stand on them (steps.build forgets these before).
    """
    found: dict[str, list[Path]] = {staging.gathered: [] for staging in STAGINGS}
    for name, source in workspace.settings.sources.items():
        for staging in (each for each in STAGINGS if each.kind == source.kind):
            found[staging.gathered] += sorted((workspace.staged / name).glob(f"{staging.dataset}-*.parquet"))
    return found


def show_staged_files(session: SparkSession, store: SparkStore, files: StagedFiles) -> None:
    """Show the staged days to the session: it reads their Parquet itself."""
    for table, schema in _STAGED.items():
        columns = ", ".join(f"{quoted_in_spark(field.name)} {_SPARK_TYPES[field.type]}" for field in schema)
        paths = [store.far(path) for path in files[table]]
        reader = session.read.schema(columns)
        rows = reader.parquet(*paths) if paths else session.createDataFrame([], columns)
        rows.createOrReplaceTempView(view_name(f"lake.{table}"))


def quoted_in_spark(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def table_types(config: WorldConfig) -> Types:
    """The types of all tables, as DuckDB gives them: of a build over nothing."""
    with open_warehouse(None, EngineSettings(threads=1)) as connection:
        empty_lake(connection)
        empty_reports(connection)
        write_days(connection, [])
        build_tables(connection, config)
        found: dict[str, dict[str, str]] = {}
        for schema, table, column, kind in connection.execute(
            "select schema_name, table_name, column_name, data_type from duckdb_columns() "
            "where database_name = current_database() order by column_index"
        ).fetchall():
            found.setdefault(f"{schema}.{table}", {})[column] = kind
    return found


def take_back(
    connection: duckdb.DuckDBPyConnection,
    models: Iterable[AnyModel],
    store: SparkStore,
    types: Types,
    unshown: frozenset[str],
) -> None:
    """Make DuckDB's tables of what Spark made: marts are read, all else are views over the store."""
    for model in in_order(models):
        folder = store.table(model.name)
        if model.name in unshown:
            schema, _, name = model.name.partition(".")
            for kind in _kinds(connection, schema, name):
                connection.execute(f"drop {kind} {quoted(schema)}.{quoted(name)}")
        elif not folder.exists():
            make_model(connection, model)
        else:
            columns = ", ".join(
                f"{quoted(column)}::{kind} as {quoted(column)}" for column, kind in types[model.name].items()
            )
            files = literal(folder / "**" / "*.parquet")
            query = f"select {columns} from read_parquet({files}, hive_partitioning = false)"
            is_read = model.name in FROZEN or (model.name.startswith("marts.") and not _is_view(model))
            replace_model(connection, model.name, query, is_view=not is_read)


def _is_view(model: AnyModel) -> bool:
    return not isinstance(model, ComputedModel) and model.is_view


def _kinds(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> list[str]:
    rows = connection.execute(
        "select case when table_type = 'VIEW' then 'view' else 'table' end from information_schema.tables "
        "where table_catalog = current_catalog() and table_schema = ? and table_name = ?",
        [schema, name],
    ).fetchall()
    return [row[0] for row in rows]
