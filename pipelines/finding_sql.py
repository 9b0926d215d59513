"""The SQL behind a finding: its segment as a predicate, and the query that gives its counts."""

from __future__ import annotations

from datetime import date

from sqlglot import exp

from models.finding import Conditions, Finding
from models.friction_table import MEASURES

DAY = "reached_date"


def segment_filter(conditions: Conditions) -> str:
    """The predicate of a segment on the published tables; ``TRUE`` for everyone."""
    return _predicate(conditions).sql("duckdb")


def counts_query(finding: Finding) -> str:
    """A query on the published file that returns ``attempts, successes`` of the finding."""
    if finding.kind == "friction":
        return _friction_query(finding)
    where = [
        _equals("journey", finding.journey),
        _equals("persona", finding.persona),
        _equals("stage", finding.stage),
        _equals("next_stage", finding.next_stage),
        exp.Between(this=exp.column(DAY), low=_day(finding.first_day), high=_day(finding.last_day)),
    ]
    if finding.conditions:
        where.append(_predicate(finding.conditions))
    # whose events could not be recorded; coalesce, since NOT of an unknown would drop the row
    where += [_not(_on_day(conditions, exp.column(DAY), day)) for conditions, day in finding.unseen]
    for conditions, since in finding.excluded:
        # what another finding explains
        other = _predicate(conditions)
        if since is not None:
            other = exp.and_(other, exp.GTE(this=exp.column(DAY), expression=_day(since)))
        where.append(_not(other))
    has_come = _has_come(finding)
    came: exp.Expr = exp.Case().when(has_come, exp.column("attempts"))
    tried: exp.Expr = exp.column("attempts")
    if finding.prompt_age is not None:
        # of those who came, how many came soon
        soon = exp.LTE(this=exp.column("age_days"), expression=exp.Literal.number(finding.prompt_age))
        tried, came = came, exp.Case().when(exp.and_(has_come, soon), exp.column("attempts"))
    if finding.measure is not None:
        came = exp.column(finding.measure)
    query = exp.select(_total(tried, "attempts"), _total(came, "successes"))
    query = query.from_(exp.table_("stage_cohorts", "marts"))
    return query.where(*where).sql("duckdb", pretty=True)


def _friction_query(finding: Finding) -> str:
    """Recordings or answers of the finding's stage, and the bad ones among them."""
    day = exp.column("day")
    where = [
        _equals("journey", finding.journey),
        _equals("stage", finding.stage),
        exp.Between(this=day.copy(), low=_day(finding.first_day), high=_day(finding.last_day)),
    ]
    if finding.conditions:
        where.append(_predicate(finding.conditions))
    where += [_not(_on_day(conditions, day.copy(), unseen)) for conditions, unseen in finding.unseen]
    counted = next(name for name, measures in MEASURES.items() if finding.measure in measures)
    query = exp.select(
        _total(exp.column(counted), "attempts"), _total(exp.column(str(finding.measure)), "successes")
    )
    return query.from_(exp.table_("stage_friction", "marts")).where(*where).sql("duckdb", pretty=True)


def _has_come(finding: Finding) -> exp.Expr:
    """Whether a cohort's attempts had come to the next stage by the last day that was judged."""
    arrived = exp.Add(this=exp.column(DAY), expression=exp.cast(exp.column("age_days"), "int"))
    tests: list[exp.Expr] = [exp.LTE(this=arrived, expression=_day(finding.seen_until))]
    tests += [_not(_on_day(conditions, arrived.copy(), day)) for conditions, day in finding.unseen_arrivals]
    return exp.and_(*tests)


def _on_day(conditions: Conditions, which: exp.Expr, day: date) -> exp.Expr:
    test = exp.EQ(this=which, expression=_day(day))
    return exp.and_(_predicate(conditions), test) if conditions else test


def _not(condition: exp.Expr) -> exp.Expr:
    return exp.not_(exp.func("coalesce", exp.paren(condition), exp.false()))


def _total(counted: exp.Expr, name: str) -> exp.Expr:
    total = exp.func("coalesce", exp.func("sum", counted), exp.Literal.number(0))
    return exp.alias_(exp.cast(total, "bigint"), name)


def _predicate(conditions: Conditions) -> exp.Expr:
    tests: list[exp.Expr] = []
    for column, value in conditions:
        name = exp.column(exp.to_identifier(column, quoted=column != column.lower()))
        if value is None:
            tests.append(name.is_(exp.null()))
        elif column == "is_new_user":
            tests.append(exp.EQ(this=name, expression=exp.convert(value == "true")))
        else:
            tests.append(exp.EQ(this=name, expression=exp.Literal.string(value)))
    return exp.and_(*tests) if tests else exp.true()


def _equals(column: str, text: str) -> exp.Expr:
    return exp.EQ(this=exp.column(column), expression=exp.Literal.string(text))


def _day(day: date) -> exp.Expr:
    return exp.cast(exp.Literal.string(day.isoformat()), "date")
