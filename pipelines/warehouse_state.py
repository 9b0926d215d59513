"""The working file with nothing in it but schema ``state``: what the lake cannot give again.

It is written anew beside the old one and swapped in by a rename. Rows deleted from a DuckDB file stay in
its free blocks until something else is written there; a file that never held them has none.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import duckdb

from connectors.durable_files import sync_file
from pipelines.errors import PainpointsError
from pipelines.warehouse import literal, quoted

# says what a build completed; without the tables it would be untrue
_NOT_KEPT = ("built",)

ColumnSql = Callable[[str, str], str]
"""From a column's name and type to the SQL that is kept of it."""


def as_it_is(column: str, _: str) -> str:
    """Keep a column unchanged."""
    return quoted(column)


def keep_state_only(path: Path, column_sql: ColumnSql = as_it_is) -> bool:
    """Replace the working file by one that holds its state alone; False where there is no file.

    A crash leaves the old file or the new one. Raises PainpointsError where the file cannot be read.
    """
    part = path.with_name(path.name + ".part")
    wal = path.with_name(path.name + ".wal")
    for left_over in (part, part.with_name(part.name + ".wal")):
        left_over.unlink(missing_ok=True)
    if not path.exists():
        return False
    try:
        with duckdb.connect(str(path)) as connection:  # replays its write-ahead log
            _copy_state(connection, part, column_sql)
    except duckdb.Error as error:
        raise PainpointsError(
            f"{path}: the working database cannot be read ({str(error).splitlines()[0]}). Close programs "
            "that have it open; if the file is damaged, delete it: it is rebuilt from lake/"
        ) from error
    sync_file(part)
    wal.unlink(missing_ok=True)
    os.replace(part, path)
    return True


def _copy_state(connection: duckdb.DuckDBPyConnection, part: Path, column_sql: ColumnSql) -> None:
    columns: dict[str, list[str]] = {}
    for table, column, kind in connection.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where database_name = current_database() and schema_name = 'state' order by table_name, column_index"
    ).fetchall():
        columns.setdefault(table, []).append(f"{column_sql(column, kind)} as {quoted(column)}")
    connection.execute(f"attach {literal(part)} as kept")
    connection.execute("create schema kept.state")
    for table, kept in columns.items():
        if table not in _NOT_KEPT:
            name = quoted(table)
            connection.execute(
                f"create table kept.state.{name} as select {', '.join(kept)} from state.{name}"
            )
    connection.execute("checkpoint kept")
    connection.execute("detach kept")
