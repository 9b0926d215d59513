"""What a finding counts, day by day: of its segment, or of everybody outside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import duckdb
import sqlglot
from sqlglot import exp

from models.cohort_table import TURNS
from pipelines.own_counts import asked, of_transition, reached_between
from pipelines.report_views import RATE_KINDS

Who = Literal["segment", "others"]


@dataclass(frozen=True)
class Share:
    """What a kind of finding counts: ``done`` of ``tried``, both amounts of a row of marts.stage_cohorts,
    and the share that its finding expects."""

    tried: exp.Expr
    done: exp.Expr
    expected: float


def share_of(row: Mapping[str, Any]) -> Share | None:
    """What the counts of a finding (a row of marts.pain_points) are; None where no cohort has them."""
    evidence = json.loads(row["evidence"])
    everyone, age = exp.column("attempts"), exp.column("age_days")
    came = exp.Case().when(age.copy().is_(exp.null()).not_(), everyone.copy())
    if row["kind"] in RATE_KINDS:
        return Share(everyone, came, float(row["expected"]))
    if row["kind"] == "slow" and "usual_share" in evidence:
        within = exp.LTE(this=age, expression=exp.Literal.number(int(evidence["came_within_days"])))
        return Share(came, exp.Case().when(within, everyone.copy()), float(evidence["usual_share"]))
    if row["kind"] == "detour" and evidence.get("measure") in TURNS:
        return Share(everyone, exp.column(evidence["measure"]), float(row["expected"]))
    return None


def counts_by_day(
    connection: duckdb.DuckDBPyConnection,
    row: Mapping[str, Any],
    share: Share,
    first: date,
    last: date,
    who: Who,
) -> dict[date, tuple[int, int]] | None:
    """(tried, done) per day on which a finding's stage was reached, from ``first`` to ``last``.

    ``row`` is a finding's; ``who`` its segment, or everybody outside it. ``last`` is a day whose attempts
    are over. None where the tables no longer have the segment's columns.
    """
    # the predicate is the finding's own, written by pipelines.finding_sql
    chosen: exp.Expr = sqlglot.parse_one(row["segment_filter"], read="duckdb")
    if who == "others":
        chosen = exp.not_(exp.func("coalesce", exp.paren(chosen), exp.false()))
    day = exp.column("reached_date")
    query = exp.select(day, *(exp.func("sum", each.copy()) for each in (share.tried, share.done)))
    query = query.from_(exp.table_("stage_cohorts", "marts"))
    query = query.where(*of_transition(row), reached_between(first, last), exp.paren(chosen)).group_by(
        day.copy()
    )
    rows = asked(connection, query)
    return None if rows is None else {day: (int(n or 0), int(k or 0)) for day, n, k in rows if n}
