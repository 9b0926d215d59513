"""`painpoints export`: the published tables in one self-contained DuckDB file."""

from __future__ import annotations

from pathlib import Path

import duckdb

from pipelines.errors import NothingLanded, PainpointsError
from pipelines.publishing import publish
from pipelines.warehouse import literal
from pipelines.workspace import Workspace


def export_single_file(workspace: Workspace, target: Path) -> dict[str, int]:
    """Copy the marts, with their comments, into a new file; returns rows per table.

    Raises NothingLanded without a published file and PainpointsError where ``target`` exists.
    """
    if not workspace.published.exists():
        raise NothingLanded(f"{workspace.root}: nothing is published yet. Run `painpoints run` first")
    if target.exists():
        raise PainpointsError(f"{target}: the file exists; remove it or name another")
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
