"""Ad hoc funnels: every option against an oracle that forms all attempts, and what must always hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import funnel_oracle as oracle
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.funnel_rules import Exclusion, FunnelRules
from pipelines.engine_functions import FUNCTIONS
from pipelines.funnel import Asked, run_funnel
from pipelines.funnel_query import FunnelSelection
from pipelines.funnel_result import FunnelResult
from pipelines.funnel_steps import Step, parse_matcher, parse_steps

START = datetime(2026, 3, 28, 22, 30, tzinfo=UTC)  # half an hour before a midnight of Madrid
SECOND = 1_000_000
ZONE = "Europe/Madrid"
NAMES = ("a", "b", "c", "d", "x")
COLORS = (None, "red", "blue")


@pytest.fixture(scope="module")
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("create schema marts")
        for function in FUNCTIONS:
            connection.execute(function)
        yield connection


def at_us(second: int) -> int:
    return int(START.timestamp()) * SECOND + second * 600 * SECOND


def local_day(second: int) -> date:
    moment = START + timedelta(seconds=second * 600)
    # Madrid moves from UTC+1 to UTC+2 on 29 March 2026 at 01:00 UTC
    offset = 2 if moment >= datetime(2026, 3, 29, 1, tzinfo=UTC) else 1
    return (moment + timedelta(hours=offset)).date()


def write(connection: duckdb.DuckDBPyConnection, events: Sequence[oracle.OracleEvent]) -> None:
    rows = [
        {
            "source": "ga4",
            "event_id": f"{each.number:015x}",
            "user_key": f"{int(each.actor):015x}",
            "session_id": f"{int(each.actor) // 2:015x}",
            "event_at": datetime.fromtimestamp(each.at / SECOND, UTC).replace(tzinfo=None),
            "event_name": each.name,
            "color": each.fields["color"],
        }
        for each in events
    ]
    names = ("source", "event_id", "user_key", "session_id", "event_name", "color")
    schema = pa.schema([(name, pa.string()) for name in names] + [("event_at", pa.timestamp("us"))])
    connection.register("given", pa.Table.from_pylist(rows, schema=schema))
    connection.execute(
        "create or replace table marts.events as "
        "select * exclude (color), color as device, '{}' as properties from given"
    )
    connection.unregister("given")


WORLDS = st.lists(
    st.tuples(
        st.integers(0, 2),  # actor
        st.integers(0, 9),  # ten minutes after the start: equal times are common
        st.sampled_from(NAMES),
        st.sampled_from(COLORS),
    ),
    max_size=16,
)
# Several in one, of other people: what people do is counted person by person, and a query costs the same.
CROWDS = st.tuples(WORLDS, WORLDS, WORLDS).map(
    lambda worlds: [(3 * place + actor, *rest) for place, rows in enumerate(worlds) for actor, *rest in rows]
)
STEPS = st.lists(
    st.sets(st.sampled_from(NAMES[:4]), min_size=1, max_size=2).map(lambda names: frozenset(names)),
    min_size=1,
    max_size=4,
)
LIMITS = st.one_of(st.none(), st.integers(0, 6))


@st.composite
def funnels(draw: st.DrawFn) -> oracle.OracleFunnel:
    steps = tuple(draw(STEPS))
    order = draw(st.sampled_from(["loose", "loose", "strict", "any"]))
    within: tuple[int | None, ...] = ()
    exclusions: tuple[tuple[frozenset[str], int, int], ...] = ()
    if order != "any" and len(steps) > 1:
        if draw(st.booleans()):
            within = tuple(draw(LIMITS) for _ in steps[1:])
        if draw(st.booleans()):
            first = draw(st.integers(1, len(steps) - 1))
            last = draw(st.integers(first + 1, len(steps)))
            exclusions = (
                (frozenset(draw(st.sets(st.sampled_from(NAMES), min_size=1, max_size=2))), first, last),
            )
    window = draw(LIMITS)
    return oracle.OracleFunnel(
        steps,
        order,
        None if window is None else window * 600 * SECOND,
        tuple(None if each is None else each * 600 * SECOND for each in within),
        exclusions,
        draw(st.sampled_from([None, date(2026, 3, 29)])),
        draw(st.sampled_from([None, date(2026, 3, 28), date(2026, 3, 29)])),
        draw(st.booleans()),
        draw(st.sampled_from(["first", "latest", "furthest"])),
        draw(st.sampled_from([None, None, "color"])),
    )


def worlds(rows: Sequence[tuple[int, int, str, str | None]]) -> list[oracle.OracleEvent]:
    return [
        oracle.OracleEvent(str(actor), at_us(second), name, local_day(second), number, {"color": color})
        for number, (actor, second, name, color) in enumerate(rows)
    ]


def names_of(names: frozenset[str]) -> tuple[Step, ...]:
    return parse_steps([[{"event": sorted(names)}]])


def counted(
    connection: duckdb.DuckDBPyConnection, funnel: oracle.OracleFunnel, horizon: int, by: str | None = None
) -> FunnelResult:
    steps = parse_steps([[{"event": sorted(names)}] for names in funnel.steps])
    selection = FunnelSelection(
        tuple(step.rules for step in steps),
        ("ga4",),
        ZONE,
        "user",
        funnel.first,
        funnel.last,
        funnel.range_is_all,
        "device" if funnel.hold else None,
        tuple(parse_matcher([{"event": sorted(names)}]) for names, _, _ in funnel.exclusions),
        funnel.order == "strict",
    )
    rules = FunnelRules(
        len(steps),
        funnel.order,  # type: ignore[arg-type]
        funnel.window,
        funnel.within,
        tuple(Exclusion(first, last) for _, first, last in funnel.exclusions),
        funnel.reentry,  # type: ignore[arg-type]
        funnel.entry == "open",
    )
    return run_funnel(connection, Asked(steps, selection, rules, by, "first"), horizon)


def times_of(result: FunnelResult) -> dict[str, tuple[int, ...]]:
    return {str(int(key, 16)): times for key, times in result.attempts().items()}


@pytest.mark.slow
@settings(max_examples=375)
@given(
    rows=CROWDS,
    asked=st.lists(st.tuples(funnels(), st.integers(0, 12)), min_size=4, max_size=4),
)
def test_every_option_counts_as_all_attempts_one_by_one(
    db: duckdb.DuckDBPyConnection,
    rows: list[tuple[int, int, str, str | None]],
    asked: list[tuple[oracle.OracleFunnel, int]],
) -> None:
    events = worlds(rows)
    write(db, events)
    for funnel, horizon in asked:
        expected = oracle.count(events, funnel, at_us(horizon))
        found = counted(db, funnel, at_us(horizon))
        assert times_of(found) == expected.chosen, funnel
        assert [step.reached for step in found.steps] == expected.reached
        assert [step.median_seconds for step in found.steps] == pytest.approx(expected.median_seconds)
        assert [step.p90_seconds for step in found.steps] == pytest.approx(expected.p90_seconds)
        if funnel.window is not None:
            assert found.open == expected.open


@settings(max_examples=150)
@given(rows=CROWDS, steps=STEPS, last=st.sampled_from([None, date(2026, 3, 28)]))
def test_an_open_funnel_counts_whoever_does_a_step(
    db: duckdb.DuckDBPyConnection,
    rows: list[tuple[int, int, str, str | None]],
    steps: list[frozenset[str]],
    last: date | None,
) -> None:
    events = worlds(rows)
    write(db, events)
    funnel = oracle.OracleFunnel(tuple(steps), last=last, entry="open")
    found = counted(db, funnel, at_us(99))
    assert [step.reached for step in found.steps] == oracle.count(events, funnel, at_us(99)).reached


@pytest.mark.slow
@settings(max_examples=200)
@given(rows=CROWDS, funnel=funnels(), seed=st.randoms(use_true_random=False), shift=st.integers(1, 10**9))
def test_counts_never_rise_and_drill_downs_trends_and_groups_add_up(
    db: duckdb.DuckDBPyConnection,
    rows: list[tuple[int, int, str, str | None]],
    funnel: oracle.OracleFunnel,
    seed: Any,
    shift: int,
) -> None:
    write(db, worlds(rows))
    found = counted(db, funnel, at_us(20), by="device")
    reached = [step.reached for step in found.steps]
    assert reached == sorted(reached, reverse=True)
    for number, step in enumerate(found.steps, 1):
        assert len(found.users(number)) == len(set(found.users(number))) == step.reached
        following = reached[number] if number < len(reached) else 0
        assert len(found.users(number, dropped=True)) == step.reached - following
    assert [sum(row["reached"][n] for row in found.trend()) for n in range(len(reached))] == reached
    assert sum(each["count"] for each in found.histogram()) == reached[-1]
    groups = [[step.reached for step in each.steps] for each in found.groups.values()]
    assert [sum(column) for column in zip(*groups, strict=True)] == (reached if groups else [])
    later = oracle.OracleFunnel(**(vars(funnel) | {"first": None, "last": None}))
    before = [step.reached for step in counted(db, later, at_us(20)).steps]
    # the order in which rows come, and the moment at which all of it happens, change nothing
    shuffled = list(rows)
    seed.shuffle(shuffled)
    write(db, worlds(shuffled))
    assert [step.reached for step in counted(db, funnel, at_us(20)).steps] == reached
    moved = [
        oracle.OracleEvent(each.actor, each.at + shift, each.name, each.day, each.number, each.fields)
        for each in worlds(rows)
    ]
    write(db, moved)
    assert [step.reached for step in counted(db, later, at_us(20) + shift).steps] == before
