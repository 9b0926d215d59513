"""Two builds held against each other, table by table, whatever numbers their dictionaries give."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isclose, isnan
from typing import Any

import duckdb

from pipelines.warehouse import quoted

Values = tuple[Any, ...]
Numbers = dict[int, Values]

# Tables that only number what was seen, by the column that does: other numbers say the same, and they may
# hold what nothing uses any more.
DICTIONARIES = {
    "intermediate.profiles": "profile_number",
    "intermediate.origins": "origin_number",
    "intermediate.pages": "page_number",
    "intermediate.event_names": "name_number",
    "intermediate.cells": "cell_number",
}
# These hold a row of all that the dictionaries hold, or were asked for: they may hold more, too.
MAY_HOLD_MORE = {
    *DICTIONARIES,
    "intermediate.tracking_quarters",
    "intermediate.edge_origins",
    "intermediate.traffic",
    "intermediate.channels",
    "intermediate.paths",
    "intermediate.path_stages",
    "intermediate.path_skips",
}
_NUMBER_OF = {
    "profile_number": "intermediate.profiles",
    "origin_number": "intermediate.origins",
    "told_origin_number": "intermediate.origins",
    "page_number": "intermediate.pages",
    "landing_page_number": "intermediate.pages",
    "exit_page_number": "intermediate.pages",
    "name_number": "intermediate.event_names",
    "cell_number": "intermediate.cells",
}
_RELATIVE = 1e-9  # sums of floats depend on the order of adding
_LEAST = 1e-12
_SHOWN = 3


@dataclass(frozen=True)
class Table:
    """``columns`` are (name, type); numbers of dictionaries are replaced by the values they stand for."""

    columns: Sequence[Values]
    rows: list[Values]


def differences(
    renewed: duckdb.DuckDBPyConnection, whole: duckdb.DuckDBPyConnection, tables: Iterable[str]
) -> list[str]:
    """What differs between the ``tables`` of two builds, in words: up to three rows of each."""
    connections = (renewed, whole)
    numbers = [_dictionaries(connection) for connection in connections]
    views = [_views(connection) for connection in connections]
    found = []
    for name in tables:
        if name in views[0] and views[0][name] == views[1].get(name):
            continue  # of equal tables the same question
        if name in DICTIONARIES:
            mine, yours = (_seen(each[name]) for each in numbers)
        else:
            mine, yours = (_read(each, name, of) for each, of in zip(connections, numbers, strict=True))
        if mine.columns != yours.columns:
            found.append(f"{name}: columns {mine.columns} where a whole build has {yours.columns}")
            continue
        only_renewed, only_whole = _unmatched(mine.rows, yours.rows)
        if name in MAY_HOLD_MORE:
            only_renewed = [row for row, count in Counter(mine.rows).items() if count > 1]
        columns = ", ".join(str(column[0]) for column in mine.columns)
        for who, rows in (("renewed", only_renewed), ("a whole build", only_whole)):
            if rows:
                shown = "\n    ".join(map(str, rows[:_SHOWN]))
                found.append(f"{name}: {len(rows)} rows only of {who}\n    ({columns})\n    {shown}")
    return found


def _dictionaries(connection: duckdb.DuckDBPyConnection) -> dict[str, Numbers]:
    """Of each dictionary: number -> values. A number given twice shows as a row too many."""
    found = {}
    for name, number in DICTIONARIES.items():
        rows = connection.execute(f"select {number}, * exclude ({number}) from {name}").fetchall()
        found[name] = {row[0]: row[1:] for row in rows}
        assert len(found[name]) == len(rows), f"{name}: a {number} stands for two rows"
    return found


def _views(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """What the views say that only other tables are made of."""
    rows = connection.execute(
        "select view_name, sql from duckdb_views() "
        "where schema_name = 'intermediate' and database_name = current_database()"
    ).fetchall()
    return {f"intermediate.{name}": sql for name, sql in rows}


def _seen(numbers: Numbers) -> Table:
    return Table([("values", "of a number")], [(values,) for values in numbers.values()])


def _read(connection: duckdb.DuckDBPyConnection, name: str, numbers: Mapping[str, Numbers]) -> Table:
    schema, _, table = name.partition(".")
    read = connection.execute(f"select * from {quoted(schema)}.{quoted(table)}")
    columns = [(column[0], str(column[1])) for column in read.description or ()]
    rows: list[Values] = read.fetchall()
    for place, (column, kind) in enumerate(columns):
        of = numbers.get(_NUMBER_OF.get(column, ""))
        if of is not None or kind.endswith("]") or kind.startswith(("STRUCT", "MAP")):
            rows = [(*row[:place], _plain(row[place], of), *row[place + 1 :]) for row in rows]
    return Table(columns, rows)


def _plain(cell: Any, numbers: Numbers | None) -> Any:
    """A cell that can be hashed: what a number stands for, and tuples for lists."""
    if numbers is not None:
        return None if cell is None else numbers.get(cell, f"{cell}, which stands for nothing")
    if isinstance(cell, list):
        return tuple(_plain(each, None) for each in cell)
    if isinstance(cell, dict):
        return tuple((key, _plain(value, None)) for key, value in cell.items())
    return cell


def _unmatched(mine: list[Values], yours: list[Values]) -> tuple[list[Values], list[Values]]:
    """The rows of either that the other has not as often; of floats the last digits do not count."""
    left, right = Counter(mine), Counter(yours)
    only_mine, only_yours = list((left - right).elements()), list((right - left).elements())
    unfound = []
    for row in only_mine:
        partner = next((place for place, other in enumerate(only_yours) if _close(row, other)), None)
        if partner is None:
            unfound.append(row)
        else:
            del only_yours[partner]
    return unfound, only_yours


def _close(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=_RELATIVE, abs_tol=_LEAST) or (isnan(one) and isnan(other))
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_close, one, other))
    return bool(one == other)
