"""The events of a funnel, from the published file into arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Literal

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlglot import exp

from models.funnel import FunnelEvents
from models.journey import Rule
from pipelines.match_sql import field_expression, rule_expression

Scope = Literal["user", "session"]


@dataclass(frozen=True)
class FunnelSelection:
    """Which events a funnel looks at.

    ``steps`` and ``excluded`` are rules of which one must match; ``sources`` names of sources; ``scope``
    who counts. The dates are days of ``timezone``, both included: of the first step, or of all steps with
    ``range_is_all``. ``hold`` is a field whose value stays the same within an attempt. ``with_places`` asks
    for the numbering of moments that the strict order needs. Times are cut to ``resolution_us``;
    ``hold_makes_actors`` counts each value of ``hold`` apart; sessions may end at midnight, as Mixpanel's.
    """

    steps: tuple[tuple[Rule, ...], ...]
    sources: tuple[str, ...]
    timezone: str
    scope: Scope = "user"
    first: date | None = None
    last: date | None = None
    range_is_all: bool = False
    hold: str | None = None
    excluded: tuple[tuple[Rule, ...], ...] = ()
    with_places: bool = False
    resolution_us: int = 1
    hold_makes_actors: bool = False
    session_ends_at_midnight: bool = False


@dataclass(frozen=True)
class Actors:
    """The keys of the actors, by the code they have in the arrays."""

    keys: NDArray[np.int64]

    def texts(self, codes: NDArray[np.int64]) -> list[str]:
        """The user_key or session_id of each code, as the published tables write it."""
        return [f"{key:015x}" for key in self.keys[codes].tolist()]


def read_events(
    connection: duckdb.DuckDBPyConnection, selection: FunnelSelection
) -> tuple[FunnelEvents, Actors]:
    """The events that match a step, in order, and who the actors are."""
    table = connection.sql(_events_query(selection).sql("duckdb", copy=False)).to_arrow_table()
    keys, person = np.unique(_ints(table, "actor"), return_inverse=True)
    lane = actor = person
    person_of_actor = np.arange(keys.size)
    if selection.hold is not None:
        codes = table.column("held").combine_chunks().dictionary_encode().indices
        lane = person * (len(codes) + 1) + codes.to_numpy(zero_copy_only=False)
        if selection.hold_makes_actors:
            _, first, actor = np.unique(lane, return_index=True, return_inverse=True)
            person_of_actor = person[first]
    mask = _ints(table, "mask")
    at_us, number = _ints(table, "at_us"), _ints(table, "number")
    order = np.lexsort((number, mask & -mask, at_us, lane))
    excluded = [
        _excluded_events(connection, selection, rules, keys, person_of_actor) for rules in selection.excluded
    ]
    events = FunnelEvents(
        lane[order],
        actor[order],
        at_us[order],
        mask[order],
        number[order],
        table.column("may_begin").to_numpy()[order].astype(np.bool_),
        _ints(table, "place")[order] if selection.with_places else None,
        excluded,
    )
    halves = selection.scope == "session" and selection.session_ends_at_midnight
    return events, Actors(keys[person_of_actor] // 2 if halves else keys[person_of_actor])


def _excluded_events(
    connection: duckdb.DuckDBPyConnection,
    selection: FunnelSelection,
    rules: Sequence[Rule],
    keys: NDArray[np.int64],
    person_of_actor: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(actor, time) of the excluded events of the actors there are, in order."""
    found = connection.sql(_excluded_query(selection, rules).sql("duckdb", copy=False)).to_arrow_table()
    who, when = _ints(found, "actor"), _ints(found, "at_us")
    person = np.searchsorted(keys, who)
    known = person < keys.size
    known[known] = keys[person[known]] == who[known]
    person, when = person[known], when[known]
    # an event of a person is one of each actor that the person is counted as (persons are in order)
    low = np.searchsorted(person_of_actor, person, side="left")
    many = np.searchsorted(person_of_actor, person, side="right") - low
    first = np.cumsum(many) - many
    actor = np.repeat(low, many) + np.arange(int(many.sum())) - np.repeat(first, many)
    when = np.repeat(when, many)
    by_time = np.lexsort((when, actor))
    return actor[by_time], when[by_time]


def read_values(
    connection: duckdb.DuckDBPyConnection, numbers: NDArray[np.int64], field: str | None, timezone: str
) -> tuple[list[str | None], list[date]]:
    """Of each event: the value of ``field`` (None without one) and its local day, in the order given."""
    wanted = pa.table({"place": np.arange(numbers.size), "number": numbers})
    connection.register("wanted_events", wanted)
    rows = connection.execute(_values_query(field, timezone)).fetchall()
    connection.unregister("wanted_events")
    return [row[0] for row in rows], [row[1] for row in rows]


@cache
def _values_query(field: str | None, timezone: str) -> str:
    value = field_expression(field, "e", published=True) if field else exp.null()
    query = (
        exp.select(
            exp.alias_(exp.cast(value, "varchar"), "value"),
            exp.alias_(_local_day(timezone), "day"),
        )
        .from_(exp.alias_(exp.table_("wanted_events"), "w", table=True))
        .join(
            exp.alias_(exp.table_("events", "marts"), "e", table=True),
            on=exp.EQ(
                this=exp.Anonymous(this="key_text", expressions=[exp.column("number", "w")]),
                expression=exp.column("event_id", "e"),
            ),
        )
        .order_by(exp.column("place", "w"))
    )
    return query.sql("duckdb", copy=False)


def _events_query(selection: FunnelSelection) -> exp.Expr:
    zero: exp.Expr = exp.Literal.number(0)
    mask = zero
    for place, rules in enumerate(selection.steps):
        bit = exp.Case().when(
            rule_expression(rules, "e", published=True), exp.Literal.number(1 << place)
        ).else_(zero.copy())  # fmt: skip
        mask = exp.Add(this=mask, expression=bit)
    columns = [
        exp.alias_(exp.cast(mask, "bigint"), "mask"),
        exp.alias_(exp.func("coalesce", _in_range(selection), exp.false()), "may_begin"),
    ]
    if selection.with_places:
        # over all events of the actor, also those that match no step
        place_of = exp.Window(
            this=exp.Anonymous(this="dense_rank", expressions=[]),
            partition_by=[_actor(selection)],
            order=exp.Order(expressions=[exp.Ordered(this=_at_us(selection))]),
        )
        columns.append(exp.alias_(exp.cast(place_of, "bigint"), "place"))
    if selection.hold is not None:
        held = field_expression(selection.hold, "e", published=True)
        columns.append(exp.alias_(exp.cast(held, "varchar"), "held"))
    inner = _of_actors(selection, *columns)
    query = (
        exp.select("*")
        .from_(inner.subquery("matched"))
        .where(exp.GT(this=exp.column("mask"), expression=zero))
    )
    if selection.hold is not None:
        query = query.where(exp.column("held").is_(exp.null()).not_())
    if selection.range_is_all:
        query = query.where(exp.column("may_begin"))
    return query


def _excluded_query(selection: FunnelSelection, rules: Sequence[Rule]) -> exp.Expr:
    return _of_actors(selection).where(rule_expression(rules, "e", published=True))


def _of_actors(selection: FunnelSelection, *columns: exp.Expr) -> exp.Select:
    key = "user_key" if selection.scope == "user" else "session_id"
    return (
        exp.select(
            exp.alias_(_actor(selection), "actor"),
            exp.alias_(_number("event_id"), "number"),
            exp.alias_(_at_us(selection), "at_us"),
            *columns,
        )
        .from_(exp.alias_(exp.table_("events", "marts"), "e", table=True))
        .where(
            exp.column(key, "e").is_(exp.null()).not_(),
            exp.column("source", "e").isin(*(exp.Literal.string(each) for each in selection.sources)),
        )
    )


def _actor(selection: FunnelSelection) -> exp.Expr:
    key = _number("user_key" if selection.scope == "user" else "session_id")
    if selection.scope == "session" and selection.session_ends_at_midnight:
        # two days of a session are two of it: told apart in the bits that a key of 60 bits leaves
        odd = exp.Mod(this=_day_number(selection.timezone), expression=exp.Literal.number(2))
        return exp.Add(this=exp.Mul(this=key, expression=exp.Literal.number(2)), expression=exp.paren(odd))
    return key


def _day_number(timezone: str) -> exp.Expr:
    epoch = exp.cast(exp.Literal.string("1970-01-01"), "date")
    return exp.cast(exp.Sub(this=_local_day(timezone), expression=epoch), "bigint")


def _at_us(selection: FunnelSelection) -> exp.Expr:
    at_us: exp.Expr = exp.Anonymous(this="epoch_us", expressions=[exp.column("event_at", "e")])
    if selection.resolution_us == 1:
        return at_us
    rest = exp.Mod(this=at_us.copy(), expression=exp.Literal.number(selection.resolution_us))
    return exp.Sub(this=at_us, expression=exp.paren(rest))


def _number(key: str) -> exp.Expr:
    """A key of the published tables, which is hexadecimal text, as the integer it stands for."""
    return exp.Anonymous(this="key_number", expressions=[exp.column(key, "e")])


def _local_day(timezone: str) -> exp.Expr:
    at_us = exp.Anonymous(this="epoch_us", expressions=[exp.column("event_at", "e")])
    return exp.Anonymous(this="local_day", expressions=[at_us, exp.Literal.string(timezone)])


def _in_range(selection: FunnelSelection) -> exp.Expr:
    tests: list[exp.Expr] = []
    for day, compare in ((selection.first, exp.GTE), (selection.last, exp.LTE)):
        if day is not None:
            limit = exp.cast(exp.Literal.string(day.isoformat()), "date")
            tests.append(compare(this=_local_day(selection.timezone), expression=limit))
    return exp.and_(*tests) if tests else exp.true()


def _ints(table: pa.Table, name: str) -> NDArray[np.int64]:
    column: NDArray[np.int64] = table.column(name).to_numpy().astype(np.int64, copy=False)
    return column
