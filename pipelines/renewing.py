"""Bring a copy of the published file or its spare up to date: noted rows, and the other marts whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipelines.commits import at_once, in_batches
from pipelines.published_file import ROW_MARTS, is_renewable, write_about_rows
from pipelines.spare_file import file_version
from pipelines.sql_models import Model, comment_on
from pipelines.unpublished_rows import Since, renew_noted_rows
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
            return is_renewable(connection, target.stat().st_size)
    except duckdb.Error:  # damaged, of a program that this one does not know, or open elsewhere
        return False


def renew_marts(
    connection: duckdb.DuckDBPyConnection, path: Path, marts: Sequence[Model], since: Since
) -> None:
    """Make the published file at ``path`` say what ``marts`` of the warehouse say.

    Of marts of rows those that were noted ``since`` are written anew.
    """
    with as_published(connection, path):
        with in_batches(connection) as done:
            for model in marts:
                name = model.name.removeprefix("marts.")
                target = f"published.marts.{quoted(name)}"
                if name in ROW_MARTS:
                    renew_noted_rows(connection, target, model, since)
                else:
                    connection.execute(f"create or replace table {target} as select * from {model.name}")
                    comment_on(connection, target, model)
                done()
            ((size_bytes, renewals),) = connection.execute(
                "select bytes, renewals from published.about.written"
            ).fetchall()
            write_about_rows(connection, size_bytes, renewals + 1)
        connection.execute("checkpoint published")


def remember_files(connection: duckdb.DuckDBPyConnection, path: Path, spare_version: str | None) -> None:
    """Keep in the warehouse the versions of the file that was published and of its spare.

    One that another hand changed since is no base.
    """
    connection.execute(
        "create or replace table state.published_file as "
        "select ?::varchar as version, ?::varchar as spare_version",
        [file_version(path), spare_version],
    )


def remembered_files(connection: duckdb.DuckDBPyConnection) -> tuple[str | None, str | None]:
    """The versions of the file that was published last and of its spare, where this warehouse has any."""
    try:
        ((version, spare_version),) = connection.execute(
            "select version, spare_version from state.published_file"
        ).fetchall()
    except (duckdb.CatalogException, duckdb.BinderException):  # none, or written by an earlier program
        return None, None
    return version, spare_version


def remember_rows(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Write into a file that is new who wrote it."""
    size_bytes = path.stat().st_size
    with as_published(connection, path):
        with at_once(connection):
            write_about_rows(connection, size_bytes, 0)
        connection.execute("checkpoint published")
