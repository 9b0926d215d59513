"""`painpoints discover`: a first journey from the data, out of the published events or of what landed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd

from models.discovery import (
    PAGE_MARK,
    EventCount,
    Milestone,
    Proposal,
    choose_goal,
    propose,
)
from models.discovery_rates import StageRate, stage_rates, window_days
from pipelines.discover_events import DAY_US, events_to_learn_from
from pipelines.errors import PainpointsError
from pipelines.sql_models import Progress
from pipelines.workspace import Workspace

PERIOD_DAYS = 56
BACK_DAYS = 30  # before somebody converts
MOST_PEOPLE = 20_000  # of those who convert; the first by their key, which is a digest
SEGMENTS = ("device", "channel", "country", "is_new_user")
LEAST_CONVERTERS = 30
LEAST_STEPS = 2  # with fewer, the pages people view are looked at as well


class NothingToDiscover(PainpointsError):
    """The data does not show a journey."""


@dataclass(frozen=True)
class Discovered:
    """A proposed journey with all that its comments say. ``rates`` are per milestone, the goal last."""

    goal: str
    goal_money: float
    people: int
    sources: tuple[str, ...]
    first_day: date
    last_day: date
    proposal: Proposal
    rates: tuple[StageRate | None, ...]
    window_days: int
    window_share: float
    later_session_share: float
    segments: tuple[str, ...]

    @property
    def milestones(self) -> tuple[Milestone, ...]:
        return self.proposal.milestones


def discover(workspace: Workspace, goal: str | None, progress: Progress = lambda _: None) -> Discovered:
    """The journey of those who do ``goal`` (by default what looks most like one) in the last 56 days.

    Raises NothingToDiscover where there are too few of them, or no event tells them apart; NothingLanded.
    """
    with events_to_learn_from(workspace, PERIOD_DAYS, progress) as connection:
        span = connection.execute("select min(us), max(us) from seen").fetchall()[0]
        if span[0] is None:
            raise NothingToDiscover(f"{workspace.root}: there is no event of anybody in the last days")
        counts = _counts(connection)
        chosen = goal or choose_goal(counts)
        by_name = {each.name: each for each in counts}
        if chosen is None or chosen not in by_name:
            frequent = ", ".join(each.name for each in counts[:15])
            why = f"no event is named {goal!r}" if goal else "no event looks like a goal"
            raise NothingToDiscover(f"{why}. Name one with --goal; the most frequent are {frequent}")
        _make_before(connection, chosen)
        people = connection.execute("select count(distinct user) from before_goal").fetchall()[0][0]
        if people < LEAST_CONVERTERS:
            raise NothingToDiscover(
                f"only {people} people did {chosen!r} with something before it in {PERIOD_DAYS} days; "
                f"{LEAST_CONVERTERS} are the least to learn from. Name another with --goal"
            )
        everyone = connection.execute("select count(distinct user_key) from seen").fetchall()[0][0]
        reach = {each.name: each.people / everyone for each in counts}
        first = connection.execute("select user, event, us from before_goal order by user, event").df()
        proposal = propose(first[first["event"].isin(list(reach))], people, reach)
        if proposal.steps < LEAST_STEPS:
            proposal = propose(first, people, reach | _page_reach(connection, everyone))
        if not proposal.milestones:
            raise NothingToDiscover(
                f"nothing that people do before {chosen!r} tells them from the others. "
                "Name another goal with --goal, or write the journey by hand"
            )
        days, share = window_days(_seconds_to_goal(connection, proposal.milestones[0]))
        rates = _rates(connection, proposal.milestones, chosen, days, span[1])
        zone = ZoneInfo(workspace.settings.timezone)
        return Discovered(
            chosen,
            by_name[chosen].money,
            people,
            _sources(connection, proposal.milestones, chosen),
            _day(span[0], zone),
            _day(span[1], zone),
            proposal,
            rates,
            days,
            share,
            connection.execute(
                "select avg((session_id is distinct from goal_session)::int) from first_touch"
            ).fetchall()[0][0]
            or 0.0,
            _segments(connection),
        )


def _counts(connection: duckdb.DuckDBPyConnection) -> list[EventCount]:
    rows = connection.execute(
        "select event_name, count(*), count(distinct user_key), count(distinct transaction_id), "
        "coalesce(sum(value), 0) from seen where event_name is not null group by event_name "
        "order by count(*) desc, event_name"
    ).fetchall()
    return [EventCount(*row) for row in rows]


def _page_reach(connection: duckdb.DuckDBPyConnection, everyone: int) -> dict[str, float]:
    """The share of all people who view each part of the site."""
    rows = connection.execute(
        "select step, count(distinct user_key) from steps where contains(step, ?) group by step", [PAGE_MARK]
    ).fetchall()
    return {step: people / everyone for step, people in rows}


def _make_before(connection: duckdb.DuckDBPyConnection, goal: str) -> None:
    """``before_goal``: what each of those who convert did before, and when first (ordered microseconds)."""
    connection.execute(
        "create temp table goals as select user_key, min(us) as goal_us, arg_min(session_id, us) as "
        "goal_session from seen where event_name = ? group by user_key order by user_key limit ?",
        [goal, MOST_PEOPLE],
    )
    connection.execute(
        "create temp table before_goal as "
        "select s.user_key as user, s.step as event, min(s.us) as us "
        "from steps as s inner join goals as g on s.user_key = g.user_key "
        "where s.step <> ? and s.us <= g.goal_us and s.us >= g.goal_us - ?::bigint group by all",
        [goal, BACK_DAYS * DAY_US],
    )
    connection.execute(
        "create temp table first_touch as "
        "select g.user_key, arg_min(s.session_id, s.us) as session_id, any_value(g.goal_session) as "
        "goal_session from seen as s inner join goals as g on s.user_key = g.user_key "
        "where s.us <= g.goal_us and s.us >= g.goal_us - ?::bigint group by g.user_key",
        [BACK_DAYS * DAY_US],
    )


def _seconds_to_goal(connection: duckdb.DuckDBPyConnection, opening: Milestone) -> np.ndarray:
    frame = connection.execute(
        "select (g.goal_us - min(b.us)) / 1e6 as seconds from before_goal as b "
        "inner join goals as g on b.user = g.user_key where b.event in (select unnest(?)) "
        "group by b.user, g.goal_us",
        [list(opening.events)],
    ).df()
    return frame["seconds"].to_numpy(dtype=float)


def _rates(
    connection: duckdb.DuckDBPyConnection,
    milestones: Sequence[Milestone],
    goal: str,
    days: int,
    last_us: int,
) -> tuple[StageRate | None, ...]:
    """Over each person's first attempt whose window is over."""
    stages = [*(each.events for each in milestones), (goal,)]
    numbers = pd.DataFrame(
        [(number, event) for number, events in enumerate(stages) for event in events],
        columns=["stage", "event"],
    )
    connection.register("stage_numbers", numbers)
    window = days * DAY_US
    frame = connection.execute(
        "with visits as (select s.user_key, n.stage, s.us from steps as s "
        "inner join stage_numbers as n on s.step = n.event), "
        "opened as (select user_key, min(us) as opened_us from visits where stage = 0 group by user_key), "
        "ended as (select o.user_key, o.opened_us, least(o.opened_us + ?::bigint, "
        "coalesce(min(v.us), o.opened_us + ?::bigint)) as ends_us from opened as o left join visits as v "
        "on o.user_key = v.user_key and v.stage = ? and v.us >= o.opened_us "
        "where o.opened_us <= ?::bigint group by o.user_key, o.opened_us) "
        "select v.user_key, v.stage, min(v.us) as first, max(v.us) as last from visits as v "
        "inner join ended as e on v.user_key = e.user_key "
        "where v.us between e.opened_us and e.ends_us group by v.user_key, v.stage",
        [window, window, len(stages) - 1, last_us - window],
    ).df()
    connection.unregister("stage_numbers")
    required = np.array([*(not each.optional for each in milestones), True])
    wide = frame.pivot(index="user_key", columns="stage").reindex(
        columns=pd.MultiIndex.from_product([["first", "last"], range(len(stages))])
    )
    first, last = (wide[which].to_numpy(dtype=float) for which in ("first", "last"))
    return tuple(stage_rates(first, last, required))


def _sources(
    connection: duckdb.DuckDBPyConnection, milestones: Sequence[Milestone], goal: str
) -> tuple[str, ...]:
    events = [goal, *(event for each in milestones for event in each.events)]
    rows = connection.execute(
        "select distinct source from steps where step in (select unnest(?)) order by source", [events]
    ).fetchall()
    return tuple(row[0] for row in rows)


def _segments(connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """The usual segments of which the data has at least two values, each with a twentieth of the events."""
    found = []
    for name in SEGMENTS:
        rows = connection.execute(
            f"select {name} from seen where {name} is not null group by {name} "
            "having count(*) >= 0.05 * (select count(*) from seen)"
        ).fetchall()
        if len(rows) >= 2:
            found.append(name)
    return tuple(found)


def _day(us: int, zone: ZoneInfo) -> date:
    return (datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC")) + timedelta(microseconds=us)).astimezone(zone).date()
