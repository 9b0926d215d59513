"""The pain points of the published file as rows, the costliest first, and which of them are snoozed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import duckdb

from pipelines.errors import UnknownFinding


def list_pain_points(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The rows of marts.pain_points, open ones first, strongest lower bound of loss first."""
    result = connection.execute(
        "select * from marts.pain_points "
        "order by status = 'resolved', lost_low desc nulls last, pain_point_id"
    )
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def find_row(connection: duckdb.DuckDBPyConnection, pain_point_id: str) -> dict[str, Any]:
    """The row of one pain point; an unambiguous start of the id will do. Raises UnknownFinding."""
    rows = list_pain_points(connection)
    found = [row for row in rows if row["pain_point_id"] == pain_point_id] or [
        row for row in rows if row["pain_point_id"].startswith(pain_point_id)
    ]
    if len(found) != 1:
        known = ", ".join(row["pain_point_id"] for row in rows) or "none: a calm night"
        raise UnknownFinding(f"{len(found)} pain points have the id {pain_point_id!r}. There are {known}")
    return found[0]


def is_snoozed(row: dict[str, Any], today: date) -> bool:
    """Whether somebody put it aside until a day that is still to come."""
    until = row.get("mark_until")
    return row.get("mark") == "snoozed" and until is not None and today < until


def awake(rows: Sequence[dict[str, Any]], today: date) -> list[dict[str, Any]]:
    """The rows that are not snoozed today."""
    return [row for row in rows if not is_snoozed(row, today)]
