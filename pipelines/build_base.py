"""What the tables of the working file were last made of: what the next build can stand on.

It is forgotten before a build changes anything and remembered when its checks have passed, so that a build
that did not end is made whole by the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.engine_functions import FUNCTIONS
from pipelines.layout_version import LAYOUT
from pipelines.sql_models import SQL_FOLDER, AnyModel, ComputedModel
from pipelines.version import VERSION
from pipelines.warehouse import quoted, replace_table

# of the landed days, or written after the tables
_NO_RECIPE = ("calendar", "row_times")


@dataclass(frozen=True)
class StagedFile:
    """A staged file of events as it was: a file rewritten in its place is another."""

    path: Path
    size_bytes: int
    changed_ns: int

    def is_unchanged(self) -> bool:
        """Whether the file is on the disk, as it was."""
        try:
            now = self.path.stat()
        except OSError:
            return False
        return (now.st_size, now.st_mtime_ns) == (self.size_bytes, self.changed_ns)


@dataclass(frozen=True)
class Base:
    """The staged files of events behind the tables, and the digest of all else that decided them.

    ``renewals`` is how often the tables were renewed since they were made whole.
    """

    recipe: str
    files: tuple[StagedFile, ...]
    renewals: int


def read_base(connection: duckdb.DuckDBPyConnection) -> Base | None:
    """What the tables stand on; None where no build was completed."""
    try:
        ((recipe, renewals),) = connection.execute(
            "select recipe, renewals from lake.built_recipe"
        ).fetchall()
        rows = connection.execute("select path, size_bytes, changed_ns from lake.built_files").fetchall()
    except (duckdb.CatalogException, ValueError):
        return None
    files = tuple(StagedFile(Path(path), size, changed) for path, size, changed in rows)
    return Base(recipe, files, renewals)


def forget_base(connection: duckdb.DuckDBPyConnection) -> None:
    """From now on the tables are nothing to stand on."""
    connection.execute("drop table if exists lake.built_recipe")


def remember_base(connection: duckdb.DuckDBPyConnection, recipe: str, renewals: int) -> None:
    """The tables are whole, made of the files in ``lake.staged_files`` by ``recipe``."""
    schema = pa.schema([("path", pa.string()), ("size_bytes", pa.int64()), ("changed_ns", pa.int64())])
    files = [(path, path.stat()) for path in staged_paths(connection)]
    rows = [
        {"path": str(path), "size_bytes": now.st_size, "changed_ns": now.st_mtime_ns} for path, now in files
    ]
    replace_table(connection, "lake.built_files", schema, rows)
    connection.execute(
        "create or replace table lake.built_recipe as select ?::varchar as recipe, ?::integer as renewals",
        [recipe, renewals],
    )


def staged_paths(connection: duckdb.DuckDBPyConnection) -> list[Path]:
    """The staged files of events that count now; none where events are given otherwise."""
    try:
        rows = connection.execute("select path from lake.staged_files order by path").fetchall()
    except duckdb.CatalogException:
        return []
    return [Path(row[0]) for row in rows]


def recipe_of(connection: duckdb.DuckDBPyConnection, models: Iterable[AnyModel]) -> str:
    """A digest of what decides the tables besides the landed days: program, engine, config and journeys."""
    told = [VERSION, str(LAYOUT), duckdb.__version__, *FUNCTIONS]
    for folder in ("renewals", "unpublished"):
        told += [path.read_text("utf-8") for path in sorted((SQL_FOLDER / folder).glob("*.sql"))]
    for model in sorted(models, key=lambda each: each.name):
        told += [model.name, model.query if isinstance(model, ComputedModel) else model.sql]
    tables = connection.execute(
        "select table_name from duckdb_tables() where schema_name = 'config' "
        "and database_name = current_database() and table_name not in (select unnest(?)) order by table_name",
        [list(_NO_RECIPE)],
    ).fetchall()
    for (table,) in tables:
        rows = connection.execute(f"select * from config.{quoted(table)} order by all").fetchall()
        told += [table, repr(rows)]
    return hashlib.sha256("\0".join(told).encode()).hexdigest()[:16]
