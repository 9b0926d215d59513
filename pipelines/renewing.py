"""Bring a copy of the published file up to date: rows of changed days, and the other marts whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import sqlglot
from sqlglot import exp

from pipelines.commits import at_once, in_batches
from pipelines.published_days import (
    DAY_US,
    ROW_TIMES,
    PublishedState,
    changed_days,
    is_renewable,
    write_state,
)
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


def changed_days_of(
    connection: duckdb.DuckDBPyConnection, target: Path, state: PublishedState
) -> Mapping[str, Sequence[int]] | None:
    """The UTC days of each mart of rows to write anew in ``target``; None where all is."""
    try:
        with as_published(connection, target, "read_only"):
            return changed_days(connection, state, target.stat().st_size)
    except duckdb.Error:  # damaged, or of a program that this one does not know
        return None


def can_renew_noted(connection: duckdb.DuckDBPyConnection, target: Path) -> bool:
    """Whether writing the noted rows anew makes of ``target`` what it should be."""
    try:
        with as_published(connection, target, "read_only"):
            return is_renewable(connection, target.stat().st_size) and can_renew_rows(connection)
    except duckdb.Error:
        return False


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


def renew_marts(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    marts: Sequence[Model],
    state: PublishedState,
    days: Mapping[str, Sequence[int]] | None,
) -> None:
    """Make the published file at ``path`` say what ``marts`` of the warehouse say.

    Of marts of rows those of ``days`` (UTC) are written anew, or without them those that were noted.
    """
    with as_published(connection, path):
        with in_batches(connection) as done:
            for model in marts:
                name = model.name.removeprefix("marts.")
                target = f"published.marts.{quoted(name)}"
                if name not in ROW_TIMES:
                    connection.execute(f"create or replace table {target} as select * from {model.name}")
                    comment_on(connection, target, model)
                elif days is None:
                    renew_noted_rows(connection, target, model)
                elif days[name]:
                    _renew_rows(connection, target, model, ROW_TIMES[name], days[name])
                done()
            ((size_bytes, renewals),) = connection.execute(
                "select bytes, renewals from published.about.written"
            ).fetchall()
            write_state(connection, state, size_bytes, renewals + 1)
        connection.execute("checkpoint published")


def remember_rows(connection: duckdb.DuckDBPyConnection, path: Path, state: PublishedState) -> None:
    """Write into a file that is new which rows it holds."""
    size_bytes = path.stat().st_size
    with as_published(connection, path):
        with at_once(connection):
            write_state(connection, state, size_bytes, 0)
        connection.execute("checkpoint published")


def _renew_rows(
    connection: duckdb.DuckDBPyConnection, target: str, model: Model, time: str, days: Sequence[int]
) -> None:
    is_of_them = f"epoch_us({quoted(time)}) // {DAY_US} in (select unnest(?))"
    connection.execute(f"delete from {target} where {is_of_them}", [days])
    connection.execute(
        f"insert into {target} select * from ({_rows_within(model, days)}) where {is_of_them}", [days]
    )


def _rows_within(model: Model, days: Sequence[int]) -> str:
    """The SQL of a mart of rows; of events only those between the first and the last of the days.

    The others are made of integers at hand; events are read from staged files, which need not be read whole.
    """
    if model.name != "marts.events":
        return f"select * from {model.name}"
    query = sqlglot.parse_one(model.sql, read="duckdb")
    assert isinstance(query, exp.Select)
    moment = exp.column("event_us", "e")
    # a day more at both ends: days are cut at zero, and those before 1970 the other way
    first, after = (exp.Literal.number(day * DAY_US) for day in (days[0] - 1, days[-1] + 2))
    within = query.where(exp.GTE(this=moment, expression=first), exp.LT(this=moment.copy(), expression=after))
    return within.sql("duckdb")
