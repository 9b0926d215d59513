"""`painpoints discover`: a first journey from the data, out of the published events or of what landed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd

from models.discovery import EventCount, Milestone, Proposal, choose_goal, propose
from models.discovery_rates import StageRate, stage_rates, window_days
from pipelines.errors import PainpointsError
from pipelines.sql_models import Progress
from pipelines.staging import stage_days
from pipelines.warehouse import open_warehouse
from pipelines.workspace import Workspace, default_sources

PERIOD_DAYS = 56
BACK_DAYS = 30  # before somebody converts
MOST_PEOPLE = 20_000  # of those who convert; the first by their key, which is a digest
SEGMENTS = ("device", "channel", "country", "is_new_user")
LEAST_CONVERTERS = 30
_DAY_US = 86_400_000_000


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
    with _events(workspace, progress) as connection:
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
        first = connection.execute("select user, event, us from before_goal order by user, event").df()
        proposal = propose(first, people, {each.name: each.people / everyone for each in counts})
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


@contextmanager
def _events(workspace: Workspace, progress: Progress) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the table ``seen``: the last 56 days' events of the sources that count, with people.

    Before the first night is published they come from what landed, people by their user id or device.
    """
    sources = list(default_sources(workspace.settings))
    if workspace.published.exists():
        with duckdb.connect(str(workspace.published), read_only=True) as connection:
            columns = "epoch_us(event_at) as us, user_key, session_id, event_name, source, value, "
            rest = "transaction_id, device, channel, country, is_new_user"
            _make_seen(connection, columns + rest, "marts.events", "user_key", sources)
            yield connection
    else:
        with workspace.locked(), open_warehouse(None, workspace.settings.engine) as connection:
            stage_days(connection, workspace, progress)
            person = "coalesce(user_id, device_id)"
            columns = (
                f"event_us as us, md5({person}) as user_key, session_number::varchar as session_id, "
                "event_name, source, value, transaction_id, device, given_channel as channel, country, "
                "is_new_user"
            )
            _make_seen(connection, columns, "lake.staged_events", person, sources)
            yield connection


def _make_seen(
    connection: duckdb.DuckDBPyConnection, columns: str, table: str, person: str, sources: Sequence[str]
) -> None:
    # the texts are this module's own; events dated in years to come do not move the period
    connection.execute(
        f"create temp table seen as with all_of_them as (select {columns} from {table} "
        f"where source in (select unnest(?)) and {person} is not null) "
        "select * from all_of_them where us > (select max(us) from all_of_them "
        "where us <= epoch_us(current_timestamp::timestamp)) - ?::bigint "
        "and us <= epoch_us(current_timestamp::timestamp)",
        [list(sources), PERIOD_DAYS * _DAY_US],
    )


def _counts(connection: duckdb.DuckDBPyConnection) -> list[EventCount]:
    rows = connection.execute(
        "select event_name, count(*), count(distinct user_key), count(distinct transaction_id), "
        "coalesce(sum(value), 0) from seen where event_name is not null group by event_name "
        "order by count(*) desc, event_name"
    ).fetchall()
    return [EventCount(*row) for row in rows]


def _make_before(connection: duckdb.DuckDBPyConnection, goal: str) -> None:
    """``before_goal``: what each of those who convert did before, and when first (ordered microseconds)."""
    connection.execute(
        "create temp table goals as select user_key, min(us) as goal_us, arg_min(session_id, us) as "
        "goal_session from seen where event_name = ? group by user_key order by user_key limit ?",
        [goal, MOST_PEOPLE],
    )
    connection.execute(
        "create temp table before_goal as "
        "select s.user_key as user, s.event_name as event, min(s.us) as us "
        "from seen as s inner join goals as g on s.user_key = g.user_key "
        "where s.event_name <> ? and s.us <= g.goal_us and s.us >= g.goal_us - ?::bigint group by all",
        [goal, BACK_DAYS * _DAY_US],
    )
    connection.execute(
        "create temp table first_touch as "
        "select g.user_key, arg_min(s.session_id, s.us) as session_id, any_value(g.goal_session) as "
        "goal_session from seen as s inner join goals as g on s.user_key = g.user_key "
        "where s.us <= g.goal_us and s.us >= g.goal_us - ?::bigint group by g.user_key",
        [BACK_DAYS * _DAY_US],
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
    window = days * _DAY_US
    frame = connection.execute(
        "with visits as (select s.user_key, n.stage, s.us from seen as s "
        "inner join stage_numbers as n on s.event_name = n.event), "
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
        "select distinct source from seen where event_name in (select unnest(?)) order by source", [events]
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
