"""Publish the marts: a file made aside and swapped in by one rename.

It is the one before the last, or a copy of the last, with the rows that changed since written anew; where
they are many or not known, a fresh one.
"""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path

import duckdb

from connectors.durable_files import copy_file, sync_file
from pipelines.commits import at_once, in_batches
from pipelines.errors import PainpointsError
from pipelines.event_slices import event_slices, has_keyed_events
from pipelines.exhausted import machine_exhausted
from pipelines.layout_version import LAYOUT
from pipelines.renewing import (
    as_published,
    can_renew_marts,
    remember_files,
    remember_rows,
    remembered_files,
    renew_marts,
)
from pipelines.spare_file import drop_spare, file_version, keep_spare, take_spare
from pipelines.sql_models import Model, comment_on, read_models
from pipelines.unpublished_rows import Since, begin_notes, can_renew_rows, has_notes
from pipelines.version import VERSION
from pipelines.warehouse import has_table, literal, quoted

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
        made = _make(connection, target, part)
        sync_file(part)
        # what somebody who had it open for writing left behind would be played onto the new file
        _log_of(target).unlink(missing_ok=True)
        spare_version = keep_spare(target) if made is _Made.RENEWED else None
        os.replace(part, target)
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
    if made is not _Made.ALONE:
        with at_once(connection):
            # what another hand wrote since it was looked at is no base
            keeps_spare = spare_version is not None and spare_version == remembered_files(connection)[0]
            remember_files(connection, target, spare_version if keeps_spare else None)
            begin_notes(connection, keeps_spare=keeps_spare)


class _Made(Enum):
    """How a file was made: of another, as one to stand on, or as one that nothing is known of later."""

    RENEWED = "renewed"
    WHOLE = "whole"
    ALONE = "alone"


def _make(connection: duckdb.DuckDBPyConnection, target: Path, part: Path) -> _Made:
    """Make ``part`` the file that ``target`` is to become."""
    # rows that retention lets go must leave no bytes behind in a copy; what changes is noted of tables
    is_base = not _since(connection) and has_keyed_events(connection)
    if is_base and has_notes(connection, Since.PUBLISHED) and can_renew_rows(connection):
        version, spare_version = remembered_files(connection)
        if target.exists() and file_version(target) == version and can_renew_marts(connection, target):
            if (
                has_notes(connection, Since.SPARE)
                and take_spare(target, spare_version, part)
                and can_renew_marts(connection, part)
                and _renewed(connection, part, Since.SPARE)
            ):
                return _Made.RENEWED
            _drop_all(target, part)
            if _copied(target, part) and _renewed(connection, part, Since.PUBLISHED):
                return _Made.RENEWED
    # it needs the room, and has rows that are to be gone
    _drop_all(target, part)
    write_marts(connection, part)
    if is_base:
        remember_rows(connection, part)
    return _Made.WHOLE if is_base else _Made.ALONE


def _drop_all(target: Path, part: Path) -> None:
    drop_spare(target)
    _discard(part)


def _copied(target: Path, part: Path) -> bool:
    try:
        copy_file(target, part)
    except OSError:  # a copy needs more room than a file that is new, for one
        return False
    return True


def _renewed(connection: duckdb.DuckDBPyConnection, part: Path, since: Since) -> bool:
    """Bring ``part`` up to date; False where that fails."""
    try:
        renew_marts(connection, part, _made(connection), since)
    except (OSError, duckdb.Error):
        return False
    return True


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
                rows = f"marts.{quoted(name)}"
                shown = since.get(model.name, "")
                if name == "events":
                    connection.execute(f"create table {target} as select * from {rows} limit 0")
                    for part in event_slices(connection, model):
                        connection.execute(f"insert into {target} select * from ({part}){shown}")
                        done()
                else:
                    connection.execute(f"create table {target} as select * from {rows}{shown}")
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
    if not has_table(connection, "config.row_times"):
        return {}
    rows = connection.execute("select mart, column_name, since from config.row_times").fetchall()
    return {
        mart: f" where {quoted(column)} >= timestamp {literal(str(since))}" for mart, column, since in rows
    }
