"""How the report asks the published file."""

from __future__ import annotations

from typing import Any

import duckdb


class Marts:
    """The published file, asked with bound values."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, values or None).fetchall()

    def has(self, table: str, column: str) -> bool:
        query = (
            "select 1 from information_schema.columns "
            "where table_schema = 'marts' and table_name = $table and column_name = $column"
        )
        return bool(self.rows(query, table=table, column=column))
