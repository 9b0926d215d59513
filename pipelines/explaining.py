"""One pain point with its evidence: the counts again from its own SQL, and people it happened to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import duckdb

from models.journey import Journey
from pipelines.errors import UnknownFinding


@dataclass(frozen=True)
class Explanation:
    """A pain point (its row as a mapping), what its SQL returns now, and example users."""

    pain_point: dict[str, Any]
    attempts: int
    successes: int
    tasks: tuple[str, ...]
    users: tuple[str, ...]
    nights: int


def list_pain_points(connection: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The rows of marts.pain_points, open ones first, strongest lower bound of loss first."""
    result = connection.execute(
        "select * from marts.pain_points order by status = 'resolved', lost_low desc, pain_point_id"
    )
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def explain(
    connection: duckdb.DuckDBPyConnection, pain_point_id: str, journeys: tuple[Journey, ...]
) -> Explanation:
    """Everything about one pain point. Raises UnknownFinding; an unambiguous start of the id will do."""
    rows = list_pain_points(connection)
    found = [row for row in rows if row["pain_point_id"] == pain_point_id] or [
        row for row in rows if row["pain_point_id"].startswith(pain_point_id)
    ]
    if len(found) != 1:
        known = ", ".join(row["pain_point_id"] for row in rows) or "none: a calm night"
        raise UnknownFinding(f"{len(found)} pain points have the id {pain_point_id!r}. There are {known}")
    row = found[0]
    attempts, successes = connection.execute(row["sql"]).fetchall()[0]
    nights = connection.execute(
        "select count(*) from marts.pain_point_history where pain_point_id = ?", [row["pain_point_id"]]
    ).fetchall()[0][0]
    tasks = tuple(
        task
        for journey in journeys
        if journey.name == row["journey"]
        for stage in journey.stages
        if stage.name in (row["stage"], row["next_stage"])
        for task in stage.tasks
    )
    return Explanation(row, attempts, successes, tasks, _stalled_users(connection, row), nights)


def _stalled_users(connection: duckdb.DuckDBPyConnection, row: dict[str, Any]) -> tuple[str, ...]:
    """Up to five of the last users who reached the stage and never got to the next one."""
    evidence = json.loads(row["evidence"])
    users = connection.execute(
        # the filter is the finding's own predicate, written by pipelines.finding_sql
        f"""
        select a.user_key
        from marts.attempts as a
        inner join marts.stage_visits as v on a.attempt_id = v.attempt_id
        where a.journey = $journey and a.persona = $persona and a.outcome = 'abandoned'
            and a.entry_date between $first_day::date and $last_day::date
            and ({row["segment_filter"]})
        group by a.user_key, a.attempt_id, a.entered_at
        having bool_or(v.stage = $stage) and not bool_or(v.stage = $next_stage)
        order by a.entered_at desc, a.user_key
        limit 5
        """,
        {
            "journey": row["journey"],
            "persona": row["persona"],
            "first_day": evidence["first_day"],
            "last_day": evidence["last_day"],
            "stage": row["stage"],
            "next_stage": row["next_stage"],
        },
    ).fetchall()
    return tuple(user for (user,) in users)
