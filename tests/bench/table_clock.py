"""Times every table of a build, by looking at the statements that pass."""

from __future__ import annotations

import re
import time
from typing import Any

import duckdb
from contract import Stopwatch

_MADE = re.compile(r'\s*create or replace (?:table|view) (["\w.]+)', re.IGNORECASE)


class TableClock:
    """Stands in for a DuckDB connection, passes everything on, and keeps seconds per table made.

    Checks and what Python does between statements are only in the parts of ``watch``.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, watch: Stopwatch) -> None:
        self._connection, self._watch = connection, watch
        self._seconds: dict[str, float] = {}
        self._part = "config"

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, query: str, *parameters: Any) -> duckdb.DuckDBPyConnection:
        started = time.perf_counter()
        try:
            return self._connection.execute(query, *parameters)
        finally:
            made = _MADE.match(query)
            name = made[1].replace('"', "") if made else "other statements"
            self._seconds[name] = self._seconds.get(name, 0.0) + time.perf_counter() - started

    def progress(self, message: str) -> None:
        """What a build reports begins its next part: "building 44 tables" ends "config"."""
        self._watch.lap(self._part)
        self._part = message

    def tables(self) -> list[tuple[str, float, int]]:
        """(name, seconds, rows) of every table, slowest first; a view has -1 rows."""
        rows = self._connection.execute(
            "select schema_name || '.' || table_name, estimated_size from duckdb_tables()"
        ).fetchall()
        sizes = dict(rows)
        timed = [(name, seconds, int(sizes.get(name, -1))) for name, seconds in self._seconds.items()]
        return sorted(timed, key=lambda each: -each[1])
