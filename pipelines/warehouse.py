"""The working DuckDB file: opened with bounded memory, no downloads, and the few portable functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.commits import at_once
from pipelines.engine_functions import FUNCTIONS
from pipelines.engine_limits import engine_config, spill_folder
from pipelines.engine_settings import EngineSettings
from pipelines.errors import PainpointsError
from pipelines.exhausted import engine_failed, machine_exhausted

SCHEMAS = ("raw", "lake", "config", "staging", "intermediate", "marts", "checks", "state")


@contextmanager
def open_warehouse(
    path: Path | None, settings: EngineSettings, functions: Sequence[str] = FUNCTIONS
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the working file (in memory without a path), schemas and ``functions`` made.

    Raises PainpointsError where it cannot be opened, MachineExhausted where memory or a disk is used up.
    """
    with spill_folder(settings, path) as spill:
        connection = _connected(path, settings, spill)
        try:
            # nothing is ever downloaded, whatever a query asks for
            connection.execute("set autoinstall_known_extensions = false")
            connection.execute("set autoload_known_extensions = false")
            connection.execute("set timezone = 'UTC'")
            if settings.temp_limit:  # DuckDB 2.0 shows it when given on connecting, and does not keep to it
                connection.execute(f"set max_temp_directory_size = {literal(settings.temp_limit)}")
            with at_once(connection):
                for schema in SCHEMAS:
                    connection.execute(f"create schema if not exists {schema}")
                for function in functions:
                    connection.execute(function)
            yield connection
        except duckdb.Error as error:
            told = machine_exhausted(error) or engine_failed(error, str(path or "in memory"))
            if told is None:
                raise
            raise told from error
        finally:
            connection.close()


def _connected(path: Path | None, settings: EngineSettings, spill: Path | None) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(path) if path else ":memory:", config=engine_config(settings, spill))
    except duckdb.Error as error:
        exhausted = machine_exhausted(error)
        if exhausted is not None:
            raise exhausted from error
        raise PainpointsError(
            f"{path}: the working database cannot be opened ({str(error).splitlines()[0]}). Close programs "
            "that have it open and check [engine] of the config; if the file is damaged, delete it: it is "
            "rebuilt from lake/"
        ) from error


def quoted(name: str) -> str:
    """A name as a SQL identifier. The one place where a name becomes SQL text."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str | Path) -> str:
    """A text as a SQL literal, for the statements that take no bound values (ATTACH, COMMENT, views)."""
    return "'" + str(text).replace("'", "''") + "'"


def count_rows(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.execute(f"select count(*) from {table}").fetchall()[0][0])


def has_table(connection: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Whether the database at hand holds a table, not a view, ``schema.table``."""
    schema, _, table = name.partition(".")
    found = connection.execute(
        "select 1 from duckdb_tables() where database_name = current_database() "
        "and schema_name = ? and table_name = ?",
        [schema, table],
    )
    return bool(found.fetchall())


def column_names(connection: duckdb.DuckDBPyConnection, relation: str) -> list[str]:
    """The columns, in order, of a table, a view or a query."""
    return [row[0] for row in connection.execute(f"describe {relation}").fetchall()]


def replace_table(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    schema: pa.Schema,
    rows: Sequence[dict[str, Any]],
) -> None:
    """Make table ``name`` of ``rows``; an empty one keeps its types."""
    table = pa.Table.from_pylist(list(rows), schema=schema)
    connection.register("incoming_rows", table)
    connection.execute(f"create or replace table {name} as select * from incoming_rows")
    connection.unregister("incoming_rows")
