"""The vendors' published examples of what they count, counted by us in their way; and what we say of it.

G: developers.google.com (Data API, funnels). M: docs.mixpanel.com/docs/reports/funnels/funnels-advanced,
Funnels FAQ, features/sessions. P: posthog.com/docs/product-analytics/funnels and the tests that PostHog
publishes. A: amplitude.com/docs/analytics/charts/funnel-analysis.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from conftest import Painpoints, make_workspace

from pipelines.engine_functions import FUNCTIONS
from pipelines.errors import PainpointsError
from pipelines.explore import funnel
from pipelines.funnel import Exclude, chosen_options, run_funnel, spell_out
from pipelines.funnel_result import FunnelResult
from pipelines.workspace import Workspace, open_workspace

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECONDS = float


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("dialects") / "w"
    columns = 'columns = {event_at = "a", event_name = "b", user_id = "c"}'
    config = f'[sources.app]\nkind = "table"\nfiles = "x*.csv"\n{columns}\n'
    return open_workspace(make_workspace(folder, config=config))


@pytest.fixture(scope="module")
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("create schema marts")
        for function in FUNCTIONS:
            connection.execute(function)
        yield connection


class Counter:
    """Counts events given as (actor, seconds after noon, name, held value)."""

    def __init__(self, db: duckdb.DuckDBPyConnection, workspace: Workspace) -> None:
        self.db, self.workspace = db, workspace

    def __call__(
        self, semantics: str, steps: str, events: Sequence[tuple[Any, ...]], **options: Any
    ) -> FunnelResult:
        rows = [
            {
                "source": "app",
                "event_id": f"{number:015x}",
                "user_key": f"{each[0]:015x}",
                "session_id": f"{each[0]:015x}",
                "event_at": (NOON + timedelta(seconds=each[1])).replace(tzinfo=None),
                "event_name": each[2],
                "page": each[3] if len(each) > 3 else None,
            }
            for number, each in enumerate(events)
        ]
        table = pa.Table.from_pylist(rows)
        self.db.register("given", table)
        self.db.execute("create or replace table marts.events as select *, '{}' as properties from given")
        self.db.unregister("given")
        more = {
            key: options.pop(key)
            for key in ("within", "exclude", "by", "touch", "hold", "first_day", "last_day")
            if key in options
        }
        asked = spell_out(self.workspace, steps, chosen_options(semantics, options), **more)
        return run_funnel(self.db, asked, int((NOON.timestamp() + 10**8) * 1e6))


@pytest.fixture
def count(db: duckdb.DuckDBPyConnection, workspace: Workspace) -> Counter:
    return Counter(db, workspace)


def reached(result: FunnelResult) -> list[int]:
    return [step.reached for step in result.steps]


def one(*steps: tuple[SECONDS, str]) -> list[tuple[int, SECONDS, str]]:
    return [(1, second, name) for second, name in steps]


MINUTE, HOUR, DAY = 60, 3600, 86_400


@pytest.mark.parametrize(
    ("semantics", "steps", "events", "options", "expected"),
    [
        # G: "within 5 s": 4.9 and 5.0 are, 5.000001 is not
        ("ga4", "a,b", one((0, "a"), (4.9, "b")), {"within": ["5s"]}, [1, 1]),
        ("ga4", "a,b", one((0, "a"), (5.0, "b")), {"within": ["5s"]}, [1, 1]),
        ("ga4", "a,b", one((0, "a"), (5.000001, "b")), {"within": ["5s"]}, [1, 0]),
        # G: no limit for the whole unless one is set
        ("ga4", "a,b", one((0, "a"), (400 * DAY, "b")), {}, [1, 1]),
        # M: later entries do not move the window
        (
            "mixpanel",
            "a,b,c",
            one((HOUR, "a"), (1.5 * HOUR, "a"), (1.75 * HOUR, "b"), (2.25 * HOUR, "c")),
            {"window": "1h"},
            [1, 1, 0],
        ),
        ("mixpanel", "a,b,c,d,e", one(*((n, name) for n, name in enumerate("abcde"))), {}, [1] * 5),
        ("mixpanel", "a,b,c,d,e", one(*((n, name) for n, name in enumerate("abfcde"))), {}, [1] * 5),
        (
            "mixpanel",
            "a,b,c,d,e",
            one(*((9 * n, name) for n, name in enumerate("abce"))),
            {},
            [1, 1, 1, 0, 0],
        ),
        ("mixpanel", "a,b,c,d,e", one(*((9 * n, name) for n, name in enumerate("abdcde"))), {}, [1] * 5),
        # M: the first entry counts, also when a later one would convert
        ("mixpanel", "a,b", one((0, "a"), (8 * DAY, "a"), (8 * DAY + 9, "b")), {}, [1, 0]),
        # M: within two seconds the order does not matter
        ("mixpanel", "a,b", one((0, "b"), (2, "a")), {}, [1, 1]),
        ("mixpanel", "a,b", one((0, "b"), (3, "a")), {}, [1, 0]),
        # M: an exclusion breaks the conversion; who entered has entered
        ("mixpanel", "a,b", one((0, "a"), (10, "x"), (20, "b")), {"exclude": ["x"]}, [1, 0]),
        # P: the end of the window is within it
        ("posthog", "a,b", one((0, "a"), (300, "b")), {"window": "5m"}, [1, 1]),
        ("posthog", "a,b", one((0, "a"), (900, "b")), {"window": "5m"}, [1, 0]),
        ("posthog", "a,b", one((0, "a"), (10, "b")), {"window": "15s"}, [1, 1]),
        ("posthog", "a,b", one((0, "a"), (20, "b")), {"window": "15s"}, [1, 0]),
        # P: who does the excluded event is not in the funnel at all
        ("posthog", "a,b", one((0, "a"), (9, "b")), {"window": "1d", "exclude": ["x"]}, [1, 1]),
        ("posthog", "a,b", one((0, "a"), (5, "x"), (9, "b")), {"window": "1d", "exclude": ["x"]}, [0, 0]),
        ("posthog", "a,b", one((0, "a"), (5, "x")), {"window": "1d", "exclude": ["x"]}, [0, 0]),
        ("posthog", "a,b", one((0, "a"), (DAY + HOUR, "x")), {"window": "1d", "exclude": ["x"]}, [1, 0]),
        ("posthog", "a,b", one((0, "a"), (1, "x"), (31, "a")), {"window": "10s", "exclude": ["x"]}, [1, 0]),
        ("posthog", "a,b", one((0, "a"), (31, "a"), (32, "x")), {"window": "10s", "exclude": ["x"]}, [1, 0]),
        ("posthog", "a,b", one((0, "a"), (1, "a"), (2, "x")), {"window": "10s", "exclude": ["x"]}, [0, 0]),
        (
            "posthog",
            "a,b",
            one((0, "a"), (11, "x"), (12, "b")),
            {"window": "10s", "exclude": ["x"]},
            [1, 0],
        ),
        # P, strict
        ("posthog", "a,b,c", one((0, "a"), (1, "b"), (2, "z"), (3, "c")), {"order": "strict"}, [1, 1, 0]),
        ("posthog", "a,b,c", one((0, "z"), (1, "a"), (2, "z"), (3, "b")), {"order": "strict"}, [1, 0, 0]),
        (
            "posthog",
            "a,b,c",
            one((0, "z"), (1, "a"), (2, "b"), (3, "c"), (4, "z")),
            {"order": "strict"},
            [1, 1, 1],
        ),
        (
            "posthog",
            "a,b,c",
            one((0, "b"), (1, "a"), (2, "z"), (3, "b"), (4, "c")),
            {"order": "strict"},
            [1, 0, 0],
        ),
        # P: equal times are taken in the order of the steps
        ("posthog", "a,b,c,d", [(1, 0, name) for name in "dbca"], {}, [1, 1, 1, 1]),
        # A: many searches and one order are one conversion; a step named twice needs doing twice
        ("amplitude", "a,b", one((0, "a"), (1, "a"), (2, "a"), (3, "a"), (4, "b")), {}, [1, 1]),
        ("amplitude", "a,a,b", one((0, "a"), (9, "b")), {}, [1, 0, 0]),
        ("amplitude", "a,a,b", one((0, "a"), (5, "a"), (9, "b")), {}, [1, 1, 1]),
        # A: times count to the second
        ("amplitude", "a,b", one((0.1, "b"), (0.9, "a")), {}, [1, 1]),
        (
            "amplitude",
            "a,b",
            one((0.1, "a"), (0.5, "z"), (0.9, "b")),
            {"order": "strict"},
            [1, 1],
        ),
        # A: one day by default, rolling
        ("amplitude", "a,b", one((0, "a"), (DAY + 1, "b")), {}, [1, 0]),
        # A: with a value held constant, users and values are counted as pairs
        (
            "amplitude",
            "a,b,c",
            [(1, 100 * n + k, name, f"item{n}") for n in range(10) for k, name in enumerate("abc")],
            {"hold": "page"},
            [10, 10, 10],
        ),
        (
            "amplitude",
            "a,b,c",
            [(1, 100 * n + k, name, f"item{n}") for n in range(10) for k, name in enumerate("abc")],
            {},
            [1, 1, 1],
        ),
    ],
)
def test_a_published_example_gives_the_published_number(
    count: Counter,
    semantics: str,
    steps: str,
    events: list[tuple[Any, ...]],
    options: dict[str, Any],
    expected: list[int],
) -> None:
    assert reached(count(semantics, steps, events, **options)) == expected


ADVANCED = [(1, "abxcxdxe"), (2, "abcxdxe"), (3, "axbcdxe")]


@pytest.mark.parametrize(("between", "expected"), [((1, 2), [2] * 5), ((2, 3), [2] * 5), ((3, 4), [1] * 5)])
def test_posthog_excludes_people_by_the_steps_named(
    count: Counter, between: tuple[int, int], expected: list[int]
) -> None:
    events = [(actor, 60 * n, name) for actor, names in ADVANCED for n, name in enumerate(names)]
    found = count("posthog", "a,b,c,d,e", events, exclude=[Exclude("x", *between)])
    assert reached(found) == expected


def test_posthog_times_of_several_people(count: Counter) -> None:
    people = {1: "12a 13b 15c", 2: "14a 16b", 3: "14a 16b 17c"}
    events = [
        (actor, (int(word[:2]) - 12) * HOUR, word[2])
        for actor, text in people.items()
        for word in text.split()
    ]
    found = count("posthog", "a,b,c", events)
    assert reached(found) == [3, 3, 2]
    assert [step.median_seconds for step in found.steps] == [None, 7200, 5400]


def test_ga4_open_and_closed_funnels_of_four_users(count: Counter) -> None:
    events = [
        (actor, 60 * n, name)
        for actor, names in enumerate(("abc", "bc", "ac", "c"), 1)
        for n, name in enumerate(names)
    ]
    assert reached(count("ga4", "a,b,c", events)) == [2, 1, 1]
    # whoever does a step is at it: the user who skipped b is at c too
    assert reached(count("ga4", "a,b,c", events, entry="open")) == [2, 2, 4]


def test_amplitude_counts_a_value_at_the_first_step(count: Counter) -> None:
    events = [(1, 0, "b", "Canada"), (1, 60, "a", "United States"), (1, 120, "b", "France")]
    assert list(count("amplitude", "a,b", events, by="page").groups) == ["United States"]
    assert list(count("amplitude", "a,b", events, by="page", touch="last").groups) == ["France"]


def test_mixpanel_s_sessions_end_at_midnight(count: Counter) -> None:
    # A 23:30, B 23:50, C 00:05 and D 00:10 of one visit are two sessions there, and one here
    late = [(1, 11.5 * HOUR, "a"), (1, 11.83 * HOUR, "b"), (1, 12.1 * HOUR, "c"), (1, 12.2 * HOUR, "d")]
    assert reached(count("mixpanel", "a,b,c,d", late, scope="session")) == [1, 1, 0, 0]
    assert reached(count("mixpanel", "c,d", late, scope="session")) == [1, 1]
    assert reached(count("ours", "a,b,c,d", late, scope="session")) == [1, 1, 1, 1]
    assert count("mixpanel", "a", late, scope="session").users(1) == [f"{1:015x}"]


def test_the_date_range_is_that_of_the_first_step_or_of_all(count: Counter) -> None:
    events = one((0, "a"), (DAY, "b"))
    day = NOON.date()
    assert reached(count("amplitude", "a,b", events, first_day=day, last_day=day)) == [1, 1]
    assert reached(count("ga4", "a,b", events, first_day=day, last_day=day)) == [1, 0]


def test_a_commanded_funnel_prints_what_the_function_returns(
    published_workspace: Path, painpoints: Painpoints
) -> None:
    steps = ["--workspace", str(published_workspace), "--steps", "visit,cart,buy"]
    told = json.loads(painpoints("funnel", *steps, "--json").out)
    assert [step["reached"] for step in told["steps"]] == [360, 120, 60]
    assert told["steps"][1] == {
        "step": "cart",
        "reached": 120,
        "rate_from_previous": 1 / 3,
        "rate_from_first": 1 / 3,
        "median_seconds": 3600.0,
        "p90_seconds": 3600.0,
    }
    assert told["open"] == vars(funnel("visit,cart,buy", published_workspace))["open"]
    groups = json.loads(painpoints("funnel", *steps, "--by", "device", "--json").out)["groups"]
    assert {value: each["steps"][0]["reached"] for value, each in groups.items()} == {
        "desktop": 180,
        "mobile": 180,
    }
    lost = painpoints("funnel", *steps, "--users", "cart", "--dropped").out.split()
    assert len(set(lost)) == 60
    with duckdb.connect(str(published_workspace / "painpoints.duckdb"), read_only=True) as connection:
        bought = connection.execute(
            "select count(*) from marts.events where event_name = 'buy' and user_key in (select unnest(?))",
            [lost],
        ).fetchall()
    assert bought == [(0,)]
    rules = "[visit, {event: buy, value: 20.5}]"
    ruled = painpoints(
        "funnel", "--workspace", published_workspace, "--steps", rules, "--trend", "--histogram"
    )
    assert ruled.code == 0, ruled.err
    assert "buy | 20.5" in ruled.out
    assert all(len(line) <= 80 for line in ruled.out.splitlines())
    compared = json.loads(painpoints("funnel", *steps, "--compare", "ga4,amplitude", "--json").out)
    assert {each["option"] for each in compared["differences"]} >= {"window", "range_applies_to"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--order", "any", "--within", "5m,5m"], "need an order of the steps"),
        (["--order", "sideways"], "order is loose or strict or any"),
        (["--semantics", "excel"], "'excel' is no semantics"),
        (["--within", "5m"], "3 steps have 2 times between them"),
        (["--within", "7=5m"], "within limits steps 2 to 3"),
        (["--window", "soon"], "soon"),
        (["--by", "colour"], "'colour' is no field"),
        (["--exclude", "x:2-9"], "no way from step 2 to step 9"),
        (["--source", "shop"], "there is no source 'shop'; there are crm"),
        (["--users", "pay"], "there is no such step"),
        (["--compare", "ga4"], "--compare takes two"),
        (["--steps", "[visit, {colour: red}]"], "'colour' is no field"),
    ],
)
def test_what_cannot_be_counted_is_said(
    crm_night: Path, painpoints: Painpoints, arguments: list[str], said: str
) -> None:
    steps = [] if "--steps" in arguments else ["--steps", "visit,cart,buy"]
    done = painpoints("funnel", "--workspace", crm_night, *steps, *arguments)
    assert done.code == 1
    assert said in done.err


def test_options_are_checked_by_name() -> None:
    with pytest.raises(PainpointsError, match="there is no option 'windows'"):
        chosen_options("ours", {"windows": "1d"})
