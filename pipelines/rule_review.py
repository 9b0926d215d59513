"""Journey rules held against the real events: what matches nothing, what two stages claim, what none does."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
from sqlglot import exp

from models.journey import Journey, Rule
from models.journey_file import JourneyError
from pipelines.match_sql import rule_expression, with_properties


@dataclass(frozen=True)
class Remark:
    """Something about the rules: ``level`` is ok, note or problem; ``what`` says what to do about it."""

    level: str
    where: str
    what: str


def refuse_empty_stages(connection: duckdb.DuckDBPyConnection, journeys: Sequence[Journey]) -> None:
    """Raises JourneyError for a required stage that no event matches: its rates would all be 0."""
    counted = {
        (journey, stage)
        for journey, stage in connection.execute(
            "select distinct j.journey, e.stage_number from intermediate.stage_events as e "
            "inner join config.journeys as j on e.journey_number = j.journey_number"
        ).fetchall()
    }
    for journey in journeys:
        for stage in journey.stages:
            if not stage.optional and (journey.name, stage.number) not in counted:
                hint = _nearest(stage.match, _event_names(connection))
                what = f"no event matches the stage {stage.name!r}{hint}"
                raise JourneyError(journey.path, stage.line, f"stages.{stage.number - 1}.match", what)


def review_rules(
    connection: duckdb.DuckDBPyConnection, journey: Journey, sources: Sequence[str]
) -> list[Remark]:
    """What is odd about a journey's rules, over the events of the last build."""
    names = _event_names(connection)
    remarks = []
    for stage in journey.stages:
        where = f"{journey.path}, line {stage.line}"
        for number, rule in enumerate(stage.match, 1):
            if not _count(connection, rule_expression([rule], "e"), sources):
                what = (
                    f"rule {number} of stage {stage.name!r} matches no event{_nearest([rule], names)}; "
                    "correct or remove it"
                )
                level = "problem" if len(stage.match) == 1 and not stage.optional else "note"
                remarks.append(Remark(level, where, what))
    for index, stage in enumerate(journey.stages):
        for later in journey.stages[index + 1 :]:
            both = exp.and_(rule_expression(stage.match, "e"), rule_expression(later.match, "e"))
            shared = _count(connection, both, sources)
            if shared:
                what = (
                    f"{shared:,} events match both {stage.name!r} and {later.name!r}; the first takes "
                    "them. Make the rules narrower if that is not meant"
                )
                remarks.append(Remark("note", f"{journey.path}, line {later.line}", what))
    every_rule = [rule for stage in journey.stages for rule in stage.match]
    claimed = exp.func("coalesce", rule_expression(every_rule, "e"), exp.false())
    query = _events(exp.column("event_name", "e"), exp.not_(claimed), sources)
    rows = connection.execute(
        f"select event_name, count(*) as events from ({query}) group by 1 order by 2 desc, 1 limit 5"
    ).fetchall()
    if rows:
        listed = ", ".join(f"{name} ({events:,})" for name, events in rows)
        remarks.append(Remark("note", journey.path, f"most frequent events that no stage claims: {listed}"))
    return remarks


def _events(column: exp.Expr, condition: exp.Expr, sources: Sequence[str]) -> str:
    query = exp.select(column).from_(exp.alias_(exp.table_("events", "intermediate"), "e", table=True))
    query = query.where(
        condition, exp.column("source", "e").isin(*(exp.Literal.string(name) for name in sources))
    )
    return with_properties(query).sql("duckdb")


def _count(connection: duckdb.DuckDBPyConnection, condition: exp.Expr, sources: Sequence[str]) -> int:
    query = _events(exp.column("event_number", "e"), condition, sources)
    return int(connection.execute(f"select count(*) from ({query})").fetchall()[0][0])


def _event_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.execute(
        "select event_name from staging.events where event_name is not null "
        "group by event_name order by count(*) desc, event_name limit 500"
    ).fetchall()
    return [row[0] for row in rows]


def _nearest(rules: Sequence[Rule], names: Sequence[str]) -> str:
    wanted = [
        str(value)
        for rule in rules
        for condition in rule.conditions
        if condition.field == "event_name"
        for value in condition.values
    ]
    close = [near for each in wanted for near in difflib.get_close_matches(each, names, n=2, cutoff=0.6)]
    if close:
        return f" (near: {', '.join(dict.fromkeys(close))})"
    return f" (the data has {', '.join(names[:8])})" if names else ""
