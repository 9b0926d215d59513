"""Publish the marts: a file made aside and swapped in by one rename.

It is a copy of the last one with what changed written anew, or, where that is much or cannot be told, a fresh
one: the rows of days that are over are not made again every night.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from connectors.durable_files import copy_file
from pipelines.commits import in_batches
from pipelines.errors import PainpointsError
from pipelines.exhausted import machine_exhausted
from pipelines.layout_version import LAYOUT
from pipelines.published_days import PublishedState, state_of_files, state_of_rows
from pipelines.renewing import (
    as_published,
    can_renew_noted,
    changed_days_of,
    file_version,
    remember_file,
    remember_rows,
    remembered_file,
    renew_marts,
)
from pipelines.sql_models import Model, comment_on, read_models
from pipelines.unpublished_rows import begin_notes, has_notes
from pipelines.version import VERSION
from pipelines.warehouse import literal, quoted

# The oldest storage format of DuckDB 1.2: analysts' tools are 1.x, which cannot open the format of 2.0.
STORAGE_VERSION = "v1.2.0"
_ABOUT = (
    ("table", "layout", "One row: which program wrote this file."),
    ("column", "layout.layout", "number of the layout of the workspace; programs know those up to their own"),
    ("column", "layout.program", "version of the program"),
)


def publish(connection: duckdb.DuckDBPyConnection, target: Path) -> None:
    """Bring ``target`` to what the marts of the warehouse say; who has the old file open keeps reading it.

    Raises PainpointsError when it cannot be written; the old file is then as it was.
    """
    part = target.with_name(target.name + ".part")
    try:
        _discard(part)
        state = _make(connection, target, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        # what somebody who had it open for writing left behind would be played onto the new file
        _log_of(target).unlink(missing_ok=True)
        os.replace(part, target)
        if state is not None:
            remember_file(connection, target)
            begin_notes(connection)
    except (OSError, duckdb.Error) as error:
        _discard(part)  # half a file only takes the room that is missing
        exhausted = machine_exhausted(error, str(target)) if isinstance(error, duckdb.Error) else None
        if exhausted is not None:
            raise exhausted from error
        if isinstance(error, duckdb.Error) and not isinstance(error, duckdb.IOException):
            raise
        raise PainpointsError(
            f"{target}: cannot be written ({error}). Free disk space, correct the permissions of "
            f"{target.parent} or bring back the file that is named, then run again; what was published "
            "before is as it was"
        ) from error


def _make(connection: duckdb.DuckDBPyConnection, target: Path, part: Path) -> PublishedState | None:
    """Make ``part`` the file that ``target`` is to become; returns what rows it has, where that is known."""
    # rows that retention lets go must leave no bytes behind in a copy
    has_all_rows = not _since(connection)
    is_ours = has_all_rows and _is_ours(connection, target)
    if is_ours and has_notes(connection):
        state = state_of_files(connection)
        if can_renew_noted(connection, target) and _renewed(connection, target, part, state, None):
            return state
    found = state_of_rows(connection) if has_all_rows else None
    days = changed_days_of(connection, target, found) if found and is_ours else None
    if found and days is not None and _renewed(connection, target, part, found, days):
        return found
    write_marts(connection, part)
    if found:
        remember_rows(connection, part, found)
    return found


def _renewed(
    connection: duckdb.DuckDBPyConnection,
    target: Path,
    part: Path,
    state: PublishedState,
    days: Mapping[str, Sequence[int]] | None,
) -> bool:
    """Make ``part`` a copy of ``target`` brought up to date; False where that fails."""
    try:
        copy_file(target, part)
        renew_marts(connection, part, _made(connection), state, days)
        return True
    except (OSError, duckdb.Error):  # a copy needs more room than a file that is new, for one
        _discard(part)
        return False


def _is_ours(connection: duckdb.DuckDBPyConnection, target: Path) -> bool:
    """Whether ``target`` is what this warehouse published, and nobody wrote to it since."""
    return target.exists() and remembered_file(connection) == file_version(target)


def _discard(file: Path) -> None:
    for path in (file, _log_of(file)):
        path.unlink(missing_ok=True)


def _log_of(file: Path) -> Path:
    return file.with_name(file.name + ".wal")


def write_marts(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """One self-contained DuckDB file with every mart as a commented table, and its layout in ``about``."""
    with as_published(connection, path, f"storage_version {literal(STORAGE_VERSION)}"):
        connection.execute("create schema published.marts")
        since = _since(connection)
        with in_batches(connection) as done:
            for model in _made(connection):
                name = model.name.removeprefix("marts.")
                target = f"published.marts.{quoted(name)}"
                rows = f"marts.{quoted(name)}{since.get(model.name, '')}"
                connection.execute(f"create table {target} as select * from {rows}")
                done()
                comment_on(connection, target, model)
                done()
            connection.execute("create schema published.about")
            connection.execute(
                "create table published.about.layout as select ?::integer as layout, ?::varchar as program",
                [LAYOUT, VERSION],
            )
            for kind, name, text in _ABOUT:
                connection.execute(f"comment on {kind} published.about.{name} is {literal(text)}")
        connection.execute("checkpoint published")


def _made(connection: duckdb.DuckDBPyConnection) -> list[Model]:
    """The marts that the warehouse has."""
    made = {
        row[0]
        for row in connection.execute(
            "select table_name from information_schema.tables where table_schema = 'marts' "
            "and table_catalog = current_catalog()"
        ).fetchall()
    }
    return [model for model in read_models("marts") if model.name.removeprefix("marts.") in made]


def _since(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """By mart, what keeps rows older than retention allows out of its published table; see note_plan."""
    noted = connection.execute(
        "select 1 from duckdb_tables() where schema_name = 'config' and table_name = 'row_times' "
        "and database_name = current_database()"
    ).fetchall()
    if not noted:
        return {}
    rows = connection.execute("select mart, column_name, since from config.row_times").fetchall()
    return {
        mart: f" where {quoted(column)} >= timestamp {literal(str(since))}" for mart, column, since in rows
    }
