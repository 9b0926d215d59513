"""Which stage of which journey an event belongs to: one number an event for all journeys together.

Most rules ask what an event itself says; those are answered while events are read. A rule that asks where
the visit came from, or for money after refunds, needs the sessions first: such journeys come later, from
``intermediate.session_stage_events``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from models.journey import Journey
from pipelines.engine_functions import MOST_CLASSES
from pipelines.match_sql import field_expression, rule_expression, stage_expression, union_of, with_properties

Numbered = Sequence[tuple[int, Journey]]
NumberedWithSources = Sequence[tuple[int, Journey, Sequence[str]]]

_OF_TRAFFIC = {"channel", "medium", "source_name", "campaign"}
_OF_MONEY = {"value", "currency"}
# who a person is may turn out later, of events that stay as they are
_OF_SESSION = _OF_TRAFFIC | _OF_MONEY | {"session_id", "user_key"}


@dataclass(frozen=True)
class Digit:
    """A journey's place in the number: its stage is ``class // factor % base``."""

    factor: int
    base: int


def class_digits(journeys: Numbered) -> dict[int, Digit]:
    """The digit of each journey whose rules ask the event alone; as many journeys as one number holds."""
    digits: dict[int, Digit] = {}
    factor = 1
    for number, journey in journeys:
        base = len(journey.stages) + 1
        if _fields(journey) & _OF_SESSION or factor * base > MOST_CLASSES:
            continue
        digits[number] = Digit(factor, base)
        factor *= base
    return digits


def classified_events_query(journeys: NumberedWithSources) -> exp.Expr:
    """``intermediate.identified_events`` with ``stage_class``."""
    digits = class_digits([(number, journey) for number, journey, _ in journeys])
    total: exp.Expr = exp.cast(exp.Literal.number(0), "bigint")
    for number, journey, sources in journeys:
        if number not in digits:
            continue
        stage = stage_expression(journey, "p")
        # "no stage" by an else would be a rule too; a comparison with NULL never is true
        own = exp.Case().when(_is_of(sources, "p"), exp.func("coalesce", stage, exp.Literal.number(0)))
        digit = exp.Mul(
            this=exp.paren(own.else_(exp.Literal.number(0))),
            expression=exp.Literal.number(digits[number].factor),
        )
        total = exp.Add(this=total, expression=digit)
    events = exp.alias_(exp.table_("identified_events", "intermediate"), "p", table=True)
    return exp.select("p.*", exp.alias_(total, "stage_class")).from_(events)


def session_stage_events_query(journeys: NumberedWithSources) -> exp.Expr:
    """One row per event and stage of the journeys that are not in ``stage_class``."""
    digits = class_digits([(number, journey) for number, journey, _ in journeys])
    columns = (
        *("event_number", "source_number", "user_number", "session_number", "event_us", "event_seq"),
        *("name_number", "profile_number", "origin_number", "page_number"),
    )
    selects = []
    for number, journey, sources in journeys:
        if number in digits:
            continue
        view = "events" if _fields(journey) & _OF_TRAFFIC else "valued_events"
        query = exp.select(
            exp.alias_(exp.cast(exp.Literal.number(number), "bigint"), "journey_number"),
            *(exp.column(name, "e") for name in columns),
            exp.alias_(exp.cast(stage_expression(journey, "e"), "bigint"), "stage_number"),
        ).from_(exp.alias_(exp.table_(view, "intermediate"), "e", table=True))
        query = query.where(
            _is_of(sources, "e"),
            exp.column("user_number", "e").is_(exp.null()).not_(),
            rule_expression([rule for stage in journey.stages for rule in stage.match], "e"),
        )
        selects.append(with_properties(query))
    if not selects:
        empty = [
            exp.alias_(exp.cast(exp.null(), "bigint"), name)
            for name in ("journey_number", *columns, "stage_number")
        ]
        return exp.select(*empty).where(exp.false())
    return union_of(selects)


def goal_events_query(journeys: Numbered) -> exp.Expr:
    """One row per event of a journey's goal: its order and its money, in the workspace's currency."""
    selects = []
    counted = ("stage_number", "source_number", "name_number", "profile_number")
    for number, journey in journeys:
        field = journey.goal.value or "value"
        given = field_expression(field, "m" if field in _OF_MONEY else "p")
        money = exp.Anonymous(this="money_of", expressions=[given])
        # an event without a currency is in the workspace's
        rate = (
            exp.Case()
            .when(exp.column("event_number", "m").is_(exp.null()), exp.Literal.number(1.0))
            .else_(exp.column("fx_rate", "m"))
        )
        query = (
            exp.select(
                *(
                    exp.column(name, "s")
                    for name in ("journey_number", "user_number", "event_number", "event_us", *counted)
                ),
                exp.column("transaction_id", "p"),
                exp.alias_(exp.Mul(this=money, expression=rate), "amount"),
            )
            .from_(exp.alias_(exp.table_("stage_events", "intermediate"), "s", table=True))
            .join(exp.alias_(exp.table_("events", "staging"), "p", table=True), on=_same_event("s", "p"))
            .join(
                exp.alias_(exp.table_("event_money", "intermediate"), "m", table=True),
                on=_same_event("s", "m"),
                join_type="left",
            )
            .where(
                exp.EQ(this=exp.column("journey_number", "s"), expression=exp.Literal.number(number)),
                exp.EQ(
                    this=exp.column("stage_number", "s"), expression=exp.Literal.number(journey.goal.number)
                ),
            )
        )
        selects.append(query)
    return union_of(selects)


def _same_event(one: str, other: str) -> exp.Expr:
    return exp.EQ(this=exp.column("event_number", one), expression=exp.column("event_number", other))


def _fields(journey: Journey) -> set[str]:
    return {each.field for stage in journey.stages for rule in stage.match for each in rule.conditions}


def _is_of(sources: Sequence[str], table: str) -> exp.Expr:
    return exp.column("source", table).isin(*(exp.Literal.string(each) for each in sources))
