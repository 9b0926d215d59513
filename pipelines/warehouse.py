"""The working DuckDB file: opened with bounded memory, no downloads, and the few portable functions."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.engine_functions import FUNCTIONS
from pipelines.errors import PainpointsError
from pipelines.settings import EngineSettings

SCHEMAS = ("raw", "lake", "config", "staging", "intermediate", "marts", "checks", "state")


@contextmanager
def open_warehouse(path: Path | None, settings: EngineSettings) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the working file (in memory without a path), schemas and functions made."""
    temporary = path.with_name(".spill") if path else None
    try:
        connection = duckdb.connect(
            str(path) if path else ":memory:", config=engine_config(settings, temporary)
        )
    except duckdb.Error as error:
        raise PainpointsError(
            f"{path}: the working database cannot be opened ({str(error).splitlines()[0]}). Close programs "
            "that have it open and check [engine] of the config; if the file is damaged, delete it: it is "
            "rebuilt from lake/"
        ) from error
    try:
        # nothing is ever downloaded, whatever a query asks for
        connection.execute("set autoinstall_known_extensions = false")
        connection.execute("set autoload_known_extensions = false")
        connection.execute("set timezone = 'UTC'")
        for schema in SCHEMAS:
            connection.execute(f"create schema if not exists {schema}")
        for function in FUNCTIONS:
            connection.execute(function)
        yield connection
    finally:
        connection.close()
        if temporary:
            shutil.rmtree(temporary, ignore_errors=True)


def engine_config(settings: EngineSettings, temporary: Path | None) -> dict[str, Any]:
    memory = settings.memory_limit or f"{int(machine_memory_bytes() * 0.6 / 2**20)}MiB"
    config: dict[str, Any] = {"memory_limit": memory, "preserve_insertion_order": "false"}
    if settings.threads:
        config["threads"] = settings.threads
    if temporary:
        config["temp_directory"] = str(temporary)
    return config


def quoted(name: str) -> str:
    """A name as a SQL identifier. The one place where a name becomes SQL text."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str | Path) -> str:
    """A text as a SQL literal, for the statements that take no bound values (ATTACH, COMMENT, views)."""
    return "'" + str(text).replace("'", "''") + "'"


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


def machine_memory_bytes() -> int:
    """Physical memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
