"""One pain point with all that the published file knows of it: counts, siblings, deeds, voices, people."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from typing import Any

import duckdb

from models.finding import Conditions
from models.journey import Journey, segment_columns
from pipelines.explain_causes import Cause, likely_causes
from pipelines.explain_instead import Days, Instead, what_instead
from pipelines.explain_siblings import SiblingTable, sibling_tables
from pipelines.explain_sources import Witness, witnesses
from pipelines.explain_voices import Voices, stage_pages, voices
from pipelines.finding_words import assumption_of
from pipelines.listing import find_row, list_pain_points
from pipelines.lost_attempts import LostAttempt, latest_lost, lost_attempts_query
from pipelines.own_counts import last_matured_day

__all__ = ["Explanation", "explain", "list_pain_points"]


@dataclass(frozen=True)
class Explanation:
    """A pain point (its row as a mapping), what its SQL returns now, and what else is known of it.

    ``users`` are the people of ``lost_attempts``, the latest; ``lost_sql`` gives them all. Of a slow-down
    they are those who came late. ``instead``,
    ``voices`` and ``sources`` are None where the journey was edited and the stages are gone.
    """

    pain_point: dict[str, Any]
    attempts: int
    successes: int
    assumption: str
    tasks: tuple[str, ...]
    users: tuple[str, ...]
    nights: int
    siblings: tuple[SiblingTable, ...]
    instead: Instead | None
    voices: Voices | None
    sources: tuple[Witness, ...] | None
    lost_attempts: tuple[LostAttempt, ...]
    lost_sql: str
    causes: tuple[Cause, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values in a fixed order; keys are only ever added."""
        return asdict(self)


def explain(
    connection: duckdb.DuckDBPyConnection,
    pain_point_id: str,
    journeys: tuple[Journey, ...],
    *,
    zone: str = "UTC",
    counted_sources: dict[str, tuple[str, ...]] | None = None,
) -> Explanation:
    """Everything about one pain point. Raises UnknownFinding; an unambiguous start of the id will do.

    ``zone`` is the workspace's; ``counted_sources`` names, per journey, the sources it counts.
    """
    row = find_row(connection, pain_point_id)
    evidence = json.loads(row["evidence"])
    conditions: Conditions = tuple((column, value) for column, value in evidence["segment"])
    days = Days(
        date.fromisoformat(evidence["first_day"]),
        date.fromisoformat(evidence["last_day"]),
        tuple(date.fromisoformat(day) for day in evidence.get("unseen_days", ())),
    )
    # of younger attempts only those that converted are known, which would flatter the stage
    matured = last_matured_day(connection, row["journey"]) or days.last
    over = replace(days, last=min(days.last, matured))
    attempts, successes = connection.execute(row["sql"]).fetchall()[0]
    nights = connection.execute(
        "select count(*) from marts.pain_point_history where pain_point_id = ?", [row["pain_point_id"]]
    ).fetchall()[0][0]
    journey = next((each for each in journeys if each.name == row["journey"]), None)
    is_known = journey is not None and {row["stage"], row["next_stage"]} <= {s.name for s in journey.stages}
    lost_sql = lost_attempts_query(
        row["journey"],
        row["persona"],
        row["stage"],
        row["next_stage"],
        row["segment_filter"],
        (days.first, days.last),
        slower_than=evidence.get("usual_mean_seconds") if row["kind"] == "slow" else None,
    )
    lost = latest_lost(connection, lost_sql)
    columns = [
        column
        for column, field in segment_columns(journeys).items()
        if journey is not None and field in journey.segments
    ]
    return Explanation(
        row,
        attempts,
        successes,
        assumption_of(row),
        _tasks(journey, row),
        tuple(dict.fromkeys(each.user_key for each in lost)),
        nights,
        sibling_tables(connection, row, conditions, columns),
        what_instead(connection, row, over) if is_known else None,
        _voices(connection, journey, row, conditions, days, zone) if is_known and journey else None,
        _sources(connection, journey, row, over, counted_sources or {}) if is_known and journey else None,
        lost,
        lost_sql,
        likely_causes(connection, row, conditions, columns),
    )


def _tasks(journey: Journey | None, row: dict[str, Any]) -> tuple[str, ...]:
    if journey is None:
        return ()
    here = (row["stage"], row["next_stage"])
    return tuple(task for stage in journey.stages if stage.name in here for task in stage.tasks)


def _voices(
    connection: duckdb.DuckDBPyConnection,
    journey: Journey,
    row: dict[str, Any],
    conditions: Conditions,
    days: Days,
    zone: str,
) -> Voices:
    pages = stage_pages(connection, journey, row["stage"])
    # who opened an attempt on the last day may have met the stage until its window was over
    until = Days(days.first, days.last + timedelta(days=journey.window.days), days.unseen)
    return voices(connection, pages, conditions, until, row["started_on"], zone)


def _sources(
    connection: duckdb.DuckDBPyConnection,
    journey: Journey,
    row: dict[str, Any],
    days: Days,
    counted_sources: dict[str, tuple[str, ...]],
) -> tuple[Witness, ...]:
    counted = counted_sources.get(journey.name) or journey.sources
    return () if not counted else witnesses(connection, row, journey, counted, days)
