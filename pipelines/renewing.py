"""Bring a copy of the published file up to date: rows noted as changed, and the other marts whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipelines.commits import at_once, in_batches
from pipelines.published_file import ROW_MARTS, is_renewable, write_about_rows
from pipelines.sql_models import Model, comment_on
from pipelines.unpublished_rows import can_renew_rows, renew_noted_rows
from pipelines.warehouse import literal, quoted


@contextmanager
def as_published(connection: duckdb.DuckDBPyConnection, path: Path, option: str = "") -> Iterator[None]:
    """Have the file at ``path`` attached as ``published``, with an option of ATTACH."""
    connection.execute(f"attach {literal(path)} as published" + (f" ({option})" if option else ""))
    try:
        yield
    finally:
        connection.execute("detach published")


def can_renew_marts(connection: duckdb.DuckDBPyConnection, target: Path) -> bool:
    """Whether writing the noted rows anew makes of ``target`` what it should be."""
    try:
        with as_published(connection, target, "read_only"):
            return is_renewable(connection, target.stat().st_size) and can_renew_rows(connection)
    except duckdb.Error:  # damaged, or of a program that this one does not know
        return False


def renew_marts(connection: duckdb.DuckDBPyConnection, path: Path, marts: Sequence[Model]) -> None:
    """Make the published file at ``path`` say what ``marts`` of the warehouse say.

    Of marts of rows those that were noted are written anew.
    """
    with as_published(connection, path):
        with in_batches(connection) as done:
            for model in marts:
                name = model.name.removeprefix("marts.")
                target = f"published.marts.{quoted(name)}"
                if name in ROW_MARTS:
                    renew_noted_rows(connection, target, model)
                else:
                    connection.execute(f"create or replace table {target} as select * from {model.name}")
                    comment_on(connection, target, model)
                done()
            ((size_bytes, renewals),) = connection.execute(
                "select bytes, renewals from published.about.written"
            ).fetchall()
            write_about_rows(connection, size_bytes, renewals + 1)
        connection.execute("checkpoint published")


def file_version(path: Path) -> str:
    """Another text once somebody has written to the file or put another in its place."""
    found = path.stat()
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"


def remember_file(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Keep in the warehouse the version of the file that was published.

    One that another hand changed since is no base.
    """
    connection.execute(
        "create or replace table state.published_file as select ? as version", [file_version(path)]
    )


def remembered_file(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The version of the file that was published last, if this warehouse published it."""
    try:
        return str(connection.execute("select version from state.published_file").fetchall()[0][0])
    except (duckdb.CatalogException, duckdb.BinderException):  # none, or written by an earlier program
        return None


def remember_rows(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Write into a file that is new who wrote it."""
    size_bytes = path.stat().st_size
    with as_published(connection, path):
        with at_once(connection):
            write_about_rows(connection, size_bytes, 0)
        connection.execute("checkpoint published")
