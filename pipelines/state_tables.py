"""Tables of schema ``state``: they outlive releases, so a column that came later is added to old ones."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from pipelines.warehouse import quoted


def make_state_table(connection: duckdb.DuckDBPyConnection, table: str, columns: Mapping[str, str]) -> None:
    """Make ``state.<table>`` of column -> SQL type where it is missing, else add the columns it lacks.

    Rows from before a column existed are NULL in it. Columns are never removed.
    """
    target = f"state.{quoted(table)}"
    listed = ", ".join(f"{quoted(name)} {kind}" for name, kind in columns.items())
    connection.execute(f"create table if not exists {target} ({listed})")
    present = {row[0] for row in connection.execute(f"describe {target}").fetchall()}
    for name, kind in columns.items():
        if name not in present:
            connection.execute(f"alter table {target} add column {quoted(name)} {kind}")
