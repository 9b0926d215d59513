"""Two DuckDB files held against each other: tables, their columns and types, and every row."""

from __future__ import annotations

from pathlib import Path

import duckdb

# sums of floats depend on the order of adding
_RELATIVE = 1e-9


def differences(
    one: Path, other: Path, schemas: tuple[str, ...] = ("marts",), but: tuple[str, ...] = ()
) -> list[str]:
    """What differs, in words; nothing where both files say the same.

    ``but`` are tables (``schema.name``) and columns (``schema.name.column``) that may differ.
    """
    found = []
    with duckdb.connect() as connection:
        for name, path in (("one", one), ("other", other)):
            connection.execute(f"attach '{path}' as {name} (read_only)")
        tables = [_columns(connection, name, schemas) for name in ("one", "other")]
        found += [f"{table} is in one file only" for table in sorted(tables[0].keys() ^ tables[1].keys())]
        for table in sorted(tables[0].keys() & tables[1].keys()):
            columns = tables[0][table]
            if columns != tables[1][table]:
                found.append(f"{table}: {columns} in one, {tables[1][table]} in the other")
            elif table not in but:
                compared = {name: kind for name, kind in columns.items() if f"{table}.{name}" not in but}
                found += [f"{table}: {each}" for each in _rows(connection, table, compared)]
    return found


def _columns(
    connection: duckdb.DuckDBPyConnection, name: str, schemas: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    tables: dict[str, dict[str, str]] = {}
    for schema, table, column, kind in connection.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns() "
        "where database_name = ? and schema_name in (select unnest(?)) order by column_index",
        [name, list(schemas)],
    ).fetchall():
        tables.setdefault(f"{schema}.{table}", {})[column] = kind
    return tables


def _rows(connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str]) -> list[str]:
    """Rows are equal in all but floats exactly, and in these within 1e-9 of each other, row by row."""
    exact = [f'"{column}"' for column, kind in columns.items() if kind not in ("DOUBLE", "FLOAT")]
    floats = [f'"{column}"' for column, kind in columns.items() if kind in ("DOUBLE", "FLOAT")]
    found = []
    for here, there in (("one", "other"), ("other", "one")):
        listed = ", ".join(exact)
        rows = connection.execute(
            f"select {listed} from {here}.{table} except all select {listed} from {there}.{table} limit 3"
        ).fetchall()
        found += [f"only in {here}: {row}" for row in rows]
    if found or not floats:
        return found
    order = ", ".join([*exact, *floats])
    both = [
        connection.execute(f"select {', '.join(floats)} from {name}.{table} order by {order}").fetchall()
        for name in ("one", "other")
    ]
    for mine, yours in zip(*both, strict=True):
        if not all(_close(a, b) for a, b in zip(mine, yours, strict=True)):
            found.append(f"{floats}: {mine} is not {yours}")
    return found[:3]


def _close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) <= _RELATIVE * max(abs(one), abs(other), 1e-3)
