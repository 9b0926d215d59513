"""The SQL behind a finding: its segment as a predicate, and the query that gives its counts."""

from __future__ import annotations

from datetime import date

from sqlglot import exp

from models.finding import Conditions, Finding


def segment_filter(conditions: Conditions) -> str:
    """The predicate of a segment on the published tables; ``TRUE`` for everyone."""
    return _predicate(conditions).sql("duckdb")


def counts_query(finding: Finding) -> str:
    """A query on the published file that returns ``attempts, successes`` of the finding."""
    where = [
        _equals("journey", finding.journey),
        _equals("persona", finding.persona),
        _equals("stage", finding.stage),
        _equals("next_stage", finding.next_stage),
        exp.Between(this=exp.column("entry_date"), low=_day(finding.first_day), high=_day(finding.last_day)),
    ]
    if finding.conditions:
        where.append(_predicate(finding.conditions))
    if finding.unseen_days:
        days = [_day(day) for day in finding.unseen_days]
        where.append(exp.not_(exp.column("entry_date").isin(*days)))
    for conditions, since in finding.excluded:
        # what another finding explains; coalesce, since NOT of an unknown would drop the row
        other = _predicate(conditions)
        if since is not None:
            other = exp.and_(other, exp.GTE(this=exp.column("entry_date"), expression=_day(since)))
        where.append(exp.not_(exp.func("coalesce", exp.paren(other), exp.false())))
    query = exp.select(
        _total("matured", "attempts"),
        _total("matured_advanced", "successes"),
    ).from_(exp.table_("stage_funnel", "marts"))
    return query.where(*where).sql("duckdb", pretty=True)


def _total(column: str, name: str) -> exp.Expr:
    return exp.alias_(
        exp.cast(exp.func("coalesce", exp.func("sum", exp.column(column)), exp.Literal.number(0)), "bigint"),
        name,
    )


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
