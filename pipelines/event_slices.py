"""The mart of events for some of the events: views over all of them are read as if there were only those."""

from __future__ import annotations

import duckdb

from pipelines.limited_rows import EVENTS, LimitedRows
from pipelines.person_events import KEYED
from pipelines.sql_models import Model, read_models, with_tables
from pipelines.warehouse import has_table

# of more the engine would write what it joins to disk, all texts of an event with it
MOST_EVENTS = 8_000_000
_DAY_US = 86_400_000_000


def event_slices(connection: duckdb.DuckDBPyConnection, model: Model) -> list[str]:
    """Queries that together give the rows of ``model``, marts.events: UTC days that follow each other.

    Each is of few events unless its day has many. One for all rows where the tables below the mart are not at
    hand: where it was made on Spark, or is read from a published file.
    """
    if not has_keyed_events(connection):
        return [f"select * from {model.name}"]
    days = connection.execute(
        f"select event_us // {_DAY_US} as day, count(*) from {KEYED} group by day order by day"
    ).fetchall()
    starts: list[int] = []
    room = 0
    for day, events in days:
        if events > room:
            starts.append(day)
            room = MOST_EVENTS
        room -= events
    if len(starts) < 2:
        return [f"select * from {model.name}"]
    queries = []
    for start, after in zip(starts, [*starts[1:], days[-1][0] + 1], strict=True):
        # days are cut at zero, and those before 1970 the other way: a slice takes what lies between its days
        within = f"event_us // {_DAY_US} >= {start} and event_us // {_DAY_US} < {after}"
        near = f"event_us between {(start - 1) * _DAY_US} and {(after + 1) * _DAY_US} and {within}"
        events_, keyed = (f"(select * from {table} where {near})" for table in (EVENTS, KEYED))
        queries.append(with_tables(model.sql, of_some_events(connection, model, keyed, events_)))
    return queries


def of_some_events(
    connection: duckdb.DuckDBPyConnection, model: Model, keyed: str, events: str
) -> dict[str, str]:
    """By name, the views below ``model`` as queries of few events.

    ``keyed`` and ``events``, tables or queries in parentheses, have those of intermediate.keyed_events and of
    staging.events.
    """
    models = {each.name: each for each in read_models("staging", "intermediate")}
    return LimitedRows(connection, models).nested(model, {KEYED: keyed, EVENTS: events})


def has_keyed_events(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the database holds the table of events that a build makes; Spark leaves a view of its files."""
    return has_table(connection, KEYED)
