"""`painpoints export`: the published tables in one self-contained DuckDB file, or as Parquet files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb

from pipelines.errors import NothingLanded, PainpointsError
from pipelines.explore import connect
from pipelines.publishing import publish
from pipelines.warehouse import literal, quoted
from pipelines.workspace import Workspace

CATALOGUE = "tables.json"


def export_single_file(workspace: Workspace, target: Path) -> dict[str, int]:
    """Copy the marts, with their comments, into a new file; returns rows per table.

    Raises NothingLanded without a published file and PainpointsError where ``target`` exists.
    """
    if not workspace.published.exists():
        raise NothingLanded(f"{workspace.root}: nothing is published yet. Run `painpoints run` first")
    _refuse_existing(target)
    # a connection that is not read-only, as it must write the new file
    with duckdb.connect() as connection:
        connection.execute(f"attach {literal(workspace.published)} as source (read_only)")
        connection.execute("use source")
        publish(connection, target)
        names = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'marts' order by 1"
        ).fetchall()
        return {
            name: int(connection.execute(f"select count(*) from marts.{name}").fetchall()[0][0])
            for (name,) in names
        }


def export_parquet(workspace: Workspace, folder: Path) -> dict[str, int]:
    """Write each mart to ``folder/<table>.parquet`` and their comments to ``tables.json``; rows per table.

    All files are of one night and read-only; the folder appears whole or not at all. Raises NothingLanded
    without a published file and PainpointsError where ``folder`` exists or cannot be written.
    """
    _refuse_existing(folder)
    part = folder.with_name(f"{folder.name}.part")
    with connect(workspace.root) as connection:
        tables = _catalogue(connection)
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            for table in tables:
                path = part / table["file"]
                copy = f"copy marts.{quoted(table['table'])} to {literal(path)} (format parquet)"
                (table["rows"],) = connection.execute(copy).fetchall()[0]
                path.chmod(0o444)
            text = json.dumps(tables, indent=2, ensure_ascii=False) + "\n"
            (part / CATALOGUE).write_text(text, "utf-8")
            part.rename(folder)
        except (OSError, duckdb.IOException) as error:
            shutil.rmtree(part, ignore_errors=True)
            raise PainpointsError(
                f"{folder}: cannot be written ({error}). Free disk space or correct the permissions"
            ) from error
    return {table["table"]: int(table["rows"]) for table in tables}


def _refuse_existing(target: Path) -> None:
    if target.exists():
        raise PainpointsError(f"{target}: the file exists; remove it or name another")


def _catalogue(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Tables and columns of the published file with their comments, in the order of their names."""
    columns: dict[str, list[dict[str, Any]]] = {}
    for table, column, kind, comment in connection.execute(
        "select table_name, column_name, data_type, comment from duckdb_columns() "
        "where schema_name = 'marts' order by table_name, column_index"
    ).fetchall():
        columns.setdefault(table, []).append({"column": column, "type": kind, "comment": comment})
    comments: dict[str, Any] = dict(
        connection.execute(
            "select table_name, comment from duckdb_tables() where schema_name = 'marts' union all "
            "select view_name, comment from duckdb_views() where schema_name = 'marts'"
        ).fetchall()
    )
    return [
        {
            "table": table,
            "file": f"{table}.parquet",
            "rows": 0,
            "comment": comments.get(table),
            "columns": each,
        }
        for table, each in columns.items()
    ]
