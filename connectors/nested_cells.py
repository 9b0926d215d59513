"""Look cells up in rows whose columns may hold objects, or objects written as JSON text."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final

from connectors.row_files import Row

MISSING: Final = object()


def lookup(row: Row, column: str) -> Any:
    """The cell of a column: the key of that name, else the path of that name in nested objects.

    ``MISSING`` where there is neither. Objects may be written as JSON text, as in Parquet exports.
    """
    if column in row:
        return row[column]
    head, dot, rest = column.partition(".")
    while dot:
        inner = _nested(row.get(head))
        if inner is not None and (found := lookup(inner, rest)) is not MISSING:
            return found
        # a key inside may hold dots itself
        more, dot, rest = rest.partition(".")
        head = f"{head}.{more}"
    return MISSING


def _nested(value: object) -> Row | None:
    if isinstance(value, str):
        value = _parsed(value)
    return value if isinstance(value, dict) else None


@lru_cache(maxsize=8)  # several columns of a row lie in the same text
def _parsed(text: str) -> Any:
    try:
        return json.loads(text) if text.lstrip().startswith("{") else None
    except ValueError:
        return None
