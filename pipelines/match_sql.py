"""Match rules, personas and segments as SQL expression trees.

What a user writes enters only as literals and column references of the tree, which sqlglot quotes;
no text is put into text.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from models.journey import ATTEMPT_SEGMENTS, Condition, Journey, Rule, Scalar, segment_columns
from models.journey_schema import glob_pattern, unescaped

_NUMBERS = ("value",)
# What intermediate.opening_visitors says of an attempt's first event.
_AT_OPENINGS = {*ATTEMPT_SEGMENTS, "page", "source_name", "medium", "campaign"}


def rule_expression(rules: Sequence[Rule], table: str, *, published: bool = False) -> exp.Expr:
    """TRUE for an event of ``table`` that one of ``rules`` matches (NULL counts as no match).

    ``published`` says that the table is marts.events, which has keys as text and its own properties.
    """
    return exp.or_(
        *(exp.and_(*(_condition(each, table, published) for each in rule.conditions)) for rule in rules)
    )


_KEYS = {"event_id": "event_number", "user_key": "user_number", "session_id": "session_number"}


def field_expression(field: str, table: str, *, published: bool = False) -> exp.Expr:
    """The value of an event's field; properties are text, in the warehouse of the staged event ``p``."""
    if field.startswith("properties."):
        key = exp.Literal.string(field.removeprefix("properties."))
        properties = exp.column("properties", table if published else "p")
        return exp.Anonymous(this="property", expressions=[properties, key])
    if field in _KEYS and not published:
        return exp.Anonymous(this="key_text", expressions=[exp.column(_KEYS[field], table)])
    return exp.column(field, table)


def with_properties(query: exp.Select) -> exp.Select:
    """The query over events ``e``, joined with the staged events where it asks for properties."""
    # only a journey that asks for properties pays for reading them
    if not any(column.table == "p" for column in query.find_all(exp.Column)):
        return query
    staged = exp.alias_(exp.table_("events", "staging"), "p", table=True)
    same = exp.EQ(this=exp.column("event_number", "e"), expression=exp.column("event_number", "p"))
    return query.join(staged, on=same)


def stage_expression(journey: Journey, table: str) -> exp.Expr:
    """The number of the first stage in journey order that matches an event, else NULL."""
    case = exp.Case()
    for stage in journey.stages:
        case = case.when(rule_expression(stage.match, table), exp.Literal.number(stage.number))
    return case


def persona_expression(journey: Journey, table: str) -> exp.Expr:
    """The first persona whose ``where`` matches, else ``default``."""
    default = exp.Literal.string("default")
    if not journey.personas:
        return default
    case = exp.Case()
    for persona in journey.personas:
        case = case.when(rule_expression([persona.where], table), exp.Literal.string(persona.name))
    return case.else_(default)


def attempt_segments_query(journeys: Sequence[tuple[int, Journey]]) -> exp.Expr:
    """One row per attempt: its persona and segments, those of its first event."""
    columns = segment_columns(tuple(journey for _, journey in journeys))
    selects = []
    for number, journey in journeys:
        own = {*ATTEMPT_SEGMENTS, *journey.segments}
        asked = own | {each.field for persona in journey.personas for each in persona.where.conditions}
        # what only a few journeys ask is looked up among all events
        of_visitors = asked <= _AT_OPENINGS
        openings, alias = ("opening_visitors", "e") if of_visitors else ("opening_events", "o")
        query = exp.select(
            exp.column("attempt_number", alias),
            exp.alias_(persona_expression(journey, "e"), "persona"),
            *(
                exp.alias_(field_expression(field, "e") if field in own else exp.null(), column, quoted=True)
                for column, field in columns.items()
            ),
        ).from_(exp.alias_(exp.table_(openings, "intermediate"), alias, table=True))
        if not of_visitors:
            events = exp.alias_(exp.table_("events", "intermediate"), "e", table=True)
            same = exp.EQ(this=exp.column("event_number", "o"), expression=exp.column("event_number", "e"))
            query = query.join(events, on=same)
        own_journey = exp.EQ(this=exp.column("journey_number", alias), expression=exp.Literal.number(number))
        selects.append(with_properties(query.where(own_journey)))
    return union_of(selects)


def cells_query(journeys: Sequence[tuple[int, Journey]]) -> exp.Select:
    """One row per persona and combination of segment values that attempts have: its number."""
    names = ["persona", *segment_columns(tuple(journey for _, journey in journeys))]
    segments = exp.table_("attempt_segments", "intermediate")
    seen = exp.select(*(exp.column(name, quoted=True) for name in names)).distinct().from_(segments)
    place = exp.Window(
        this=exp.RowNumber(),
        order=exp.Order(expressions=[exp.Ordered(this=exp.column(name, quoted=True)) for name in names]),
    )
    number = exp.alias_(exp.cast(place, "integer"), "cell_number")
    columns = (exp.column(name, quoted=True) for name in names)
    return exp.select(number, *columns).from_(exp.alias_(exp.Subquery(this=seen), "seen", table=True))


def attempt_cells_query(journeys: Sequence[tuple[int, Journey]]) -> exp.Select:
    """One row per attempt: the number of its cell."""
    names = ["persona", *segment_columns(tuple(journey for _, journey in journeys))]
    same = [
        exp.NullSafeEQ(this=exp.column(name, "s", quoted=True), expression=exp.column(name, "c", quoted=True))
        for name in names
    ]
    segments, cells = (
        exp.alias_(exp.table_(name, "intermediate"), alias, table=True)
        for name, alias in (("attempt_segments", "s"), ("cells", "c"))
    )
    numbers = (exp.column("attempt_number", "s"), exp.column("cell_number", "c"))
    return exp.select(*numbers).from_(segments).join(cells, on=exp.and_(*same))


def union_of(selects: list[exp.Select]) -> exp.Expr:
    union: exp.Expr = selects[0]
    for each in selects[1:]:
        union = exp.union(union, each, distinct=False)
    return union


def _condition(condition: Condition, table: str, published: bool) -> exp.Expr:
    field = field_expression(condition.field, table, published=published)
    tests = [_equals(field.copy(), condition.field, value) for value in condition.values]
    return exp.paren(exp.or_(*tests))


def _equals(field: exp.Expr, name: str, value: Scalar) -> exp.Expr:
    if isinstance(value, bool):
        if name == "is_new_user":
            return exp.EQ(this=field, expression=exp.convert(value))
        return exp.EQ(this=field, expression=exp.Literal.string("true" if value else "false"))
    if isinstance(value, int | float):
        number = exp.TryCast(this=field, to=exp.DataType.build("double"))
        return exp.EQ(this=number, expression=exp.Literal.number(value))
    if name in _NUMBERS or name == "is_new_user":
        field = exp.cast(field, "varchar")
    if glob_pattern(value) is None:
        return exp.EQ(this=field, expression=exp.Literal.string(unescaped(value)))
    like = exp.Like(this=field, expression=exp.Literal.string(like_pattern(value)))
    return exp.Escape(this=like, expression=exp.Literal.string("\\"))


def like_pattern(glob: str) -> str:
    """The LIKE pattern (escape character backslash) of a glob in which only ``*`` is special."""
    pattern, place = [], 0
    while place < len(glob):
        if glob.startswith(r"\*", place):
            pattern.append("*")
            place += 2
            continue
        character = glob[place]
        pattern.append({"*": "%", "%": r"\%", "_": r"\_", "\\": "\\\\"}.get(character, character))
        place += 1
    return "".join(pattern)
