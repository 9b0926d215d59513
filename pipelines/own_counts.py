"""A finding's counts asked otherwise: for the sibling values, or for everyone's segments.

For siblings the finding's own ``sql`` is changed as an expression tree, never as text, so that whatever a
kind counts is counted the same way here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

Leaf = tuple[str | None, ...]


def last_matured_day(connection: duckdb.DuckDBPyConnection, journey: str) -> date | None:
    """The last entry day all of whose attempts are over."""
    day: date | None = connection.execute(
        "select max(entry_date) from (select entry_date from marts.stage_funnel where journey = ? "
        "group by entry_date having sum(matured) = sum(reached)) as days",
        [journey],
    ).fetchall()[0][0]
    return day


def counts_by_value(
    connection: duckdb.DuckDBPyConnection, sql: str, segment_filter: str, column: str
) -> list[tuple[str | None, int, int]] | None:
    """(value, attempts, successes) per value of ``column`` on the finding's own days.

    The condition that the segment sets on ``column`` is lifted, its other conditions hold. None where
    the tables no longer have its columns.
    """
    query = parsed(sql)
    if query is None:
        return None
    lifted = [each for each in _conditions(segment_filter) if _column_of(each) == column]
    query = _keeping(query, [each for each in _conjuncts(query) if each not in lifted])
    name = exp.column(exp.to_identifier(column, quoted=True))
    rows = asked(connection, _by(query, exp.cast(name, "varchar")))
    if rows is None:
        return None
    counts = [(row[0], int(row[1] or 0), int(row[2] or 0)) for row in rows]
    return sorted((row for row in counts if row[1]), key=lambda row: (-row[1], str(row[0])))


def counts_by_leaf(
    connection: duckdb.DuckDBPyConnection, sql: str, segment_filter: str, columns: Sequence[str]
) -> dict[Leaf, tuple[int, int]] | None:
    """(attempts, successes) per combination of values of ``columns`` on the finding's own days, of everyone.

    None where the tables no longer have the columns.
    """
    query = parsed(sql)
    if query is None:
        return None
    lifted = _conditions(segment_filter)
    query = _keeping(query, [each for each in _conjuncts(query) if each not in lifted])
    totals = [each.copy() for each in query.expressions]
    keys = [_as_text(column) for column in columns]
    query = query.select(*keys, append=False).select(*totals).group_by(*(key.copy() for key in keys))
    rows = asked(connection, query)
    if rows is None:
        return None
    return {tuple(row[:-2]): (int(row[-2] or 0), int(row[-1] or 0)) for row in rows if row[-2]}


def usual_by_leaf(
    connection: duckdb.DuckDBPyConnection,
    row: Mapping[str, Any],
    columns: Sequence[str],
    days: tuple[date, date],
) -> dict[Leaf, tuple[int, int]] | None:
    """(attempts, advanced) of a finding's transition per combination of ``columns``, in some days."""
    keys = [_as_text(column) for column in columns]
    came = exp.Case().when(exp.column("age_days").is_(exp.null()).not_(), exp.column("attempts"))
    query = exp.select(*keys, exp.func("sum", exp.column("attempts")), exp.func("sum", came))
    query = query.from_(exp.table_("stage_cohorts", "marts")).where(
        *of_transition(row), reached_between(*days)
    )
    rows = asked(connection, query.group_by(*(key.copy() for key in keys)))
    if rows is None:
        return None
    return {tuple(row[:-2]): (int(row[-2] or 0), int(row[-1] or 0)) for row in rows}


def of_transition(row: Mapping[str, Any]) -> list[exp.Expr]:
    """The predicates of a finding's transition on marts.stage_cohorts."""
    names = ("journey", "persona", "stage", "next_stage")
    return [exp.EQ(this=exp.column(name), expression=exp.Literal.string(row[name])) for name in names]


def reached_between(first: date, last: date) -> exp.Expr:
    """That a cohort reached the stage on one of these days, both included."""
    low, high = (exp.cast(exp.Literal.string(day.isoformat()), "date") for day in (first, last))
    return exp.Between(this=exp.column("reached_date"), low=low, high=high)


def _as_text(column: str) -> exp.Expr:
    return exp.cast(exp.column(exp.to_identifier(column, quoted=True)), "varchar")


def parsed(sql: str) -> exp.Select | None:
    """The query as a tree, None where it is no plain SELECT."""
    query = sqlglot.parse_one(sql, read="duckdb")
    return query if isinstance(query, exp.Select) and query.args.get("where") else None


def _keeping(query: exp.Select, conditions: Sequence[exp.Expr]) -> exp.Select:
    return query.where(exp.and_(*conditions) if conditions else exp.true(), append=False)


def _by(query: exp.Select, key: exp.Expr) -> exp.Select:
    totals = [each.copy() for each in query.expressions]
    return query.select(exp.alias_(key, "key"), append=False).select(*totals).group_by(key.copy())


def _conjuncts(query: exp.Select) -> list[exp.Expr]:
    return _flat(query.args["where"].this)


def _conditions(segment_filter: str) -> list[exp.Expr]:
    tree = sqlglot.parse_one(segment_filter, read="duckdb")
    return [] if isinstance(tree, exp.Boolean) else _flat(tree)


def _flat(condition: exp.Expr) -> list[exp.Expr]:
    """The terms of a conjunction, also of one in parentheses.

    A loop and no recursion: a finding with many days left out has hundreds of terms.
    """
    terms: list[exp.Expr] = []
    waiting = [condition]
    while waiting:
        each = waiting.pop()
        inner = each.unnest()
        if isinstance(inner, exp.And):
            waiting += [inner.expression, inner.this]
        else:
            terms.append(each)
    return terms


def _column_of(condition: exp.Expr) -> str | None:
    column = condition.find(exp.Column)
    return column.name if column is not None else None


def asked(connection: duckdb.DuckDBPyConnection, query: exp.Select) -> list[tuple[Any, ...]] | None:
    """The rows of a query, None where the tables no longer have its columns."""
    try:
        return connection.execute(query.sql("duckdb")).fetchall()
    except (duckdb.BinderException, duckdb.CatalogException):  # the journey was edited since
        return None
