"""The people a finding lost: the query that gives them all, and the latest of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import duckdb
import sqlglot
from sqlglot import exp

MOST = 5


@dataclass(frozen=True)
class LostAttempt:
    """An attempt that reached the stage and never got to the next, or came late."""

    attempt_id: str
    user_key: str
    entered_at: str
    path: str


def latest_lost(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[LostAttempt, ...]:
    """The latest few of a ``lost_attempts_query``."""
    rows = connection.execute(f"select * from ({query}) as lost limit {MOST}").fetchall()
    return tuple(
        LostAttempt(attempt_id, user_key, entered_at.isoformat(sep=" ", timespec="seconds"), path)
        for attempt_id, user_key, entered_at, path in rows
    )


def lost_attempts_query(
    journey: str,
    persona: str,
    stage: str,
    next_stage: str,
    predicate: str,
    days: tuple[date, date],
    slower_than: float | None = None,
) -> str:
    """A query on the published file: the attempts that reached ``stage`` and never came to ``next_stage``.

    With ``slower_than`` seconds those that came to it, but took longer.

    Returns ``attempt_id, user_key, entered_at, path``, the latest first. ``predicate`` is a finding's
    ``segment_filter``; ``days`` are the first and the last entry day.
    """
    attempts = exp.alias_(exp.table_("attempts", "marts"), "a", table=True)
    visits = exp.alias_(exp.table_("stage_visits", "marts"), "v", table=True)
    names = ("attempt_id", "user_key", "entered_at", "path")
    columns = [exp.column(name, "a") for name in names]
    same = exp.EQ(this=exp.column("attempt_id", "a"), expression=exp.column("attempt_id", "v"))

    def times(name: str) -> exp.Expr:
        here = exp.EQ(this=exp.column("stage", "v"), expression=exp.Literal.string(name))
        return exp.func("sum", exp.Case().when(here, exp.Literal.number(1)).else_(exp.Literal.number(0)))

    def first(name: str) -> exp.Expr:
        here = exp.EQ(this=exp.column("stage", "v"), expression=exp.Literal.string(name))
        return exp.func("min", exp.Case().when(here, exp.column("entered_at", "v")))

    if slower_than is None:
        gone: exp.Expr = exp.EQ(this=times(next_stage), expression=exp.Literal.number(0))
    else:
        took = exp.DateDiff(this=first(next_stage), expression=first(stage), unit=exp.var("second"))
        gone = exp.GT(this=took, expression=exp.Literal.number(round(slower_than)))
    query = (
        exp.select(*columns)
        .from_(attempts)
        .join(visits, on=same)
        .where(
            exp.EQ(this=exp.column("journey", "a"), expression=exp.Literal.string(journey)),
            exp.EQ(this=exp.column("persona", "a"), expression=exp.Literal.string(persona)),
            exp.Between(this=exp.column("entry_date", "a"), low=_day(days[0]), high=_day(days[1])),
            exp.paren(sqlglot.parse_one(predicate, read="duckdb")),
        )
        .group_by(*(each.copy() for each in columns))
        .having(
            exp.GT(this=times(stage), expression=exp.Literal.number(0)),
            gone,
        )
        .order_by(exp.Ordered(this=exp.column("entered_at", "a"), desc=True), exp.column("attempt_id", "a"))
    )
    if slower_than is None:
        # of those who may still come nobody knows
        lost = exp.EQ(this=exp.column("outcome", "a"), expression=exp.Literal.string("abandoned"))
        query = query.where(lost)
    return query.sql("duckdb", pretty=True)


def _day(day: date) -> exp.Expr:
    return exp.cast(exp.Literal.string(day.isoformat()), "date")
