"""Whether the sources agree on a finding: which events of another tool go with its next stage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import duckdb

from models.journey import Journey
from pipelines.explain_instead import Days, differ

TOGETHER = timedelta(seconds=90)  # two tools tell of one deed within this time of each other
LEAST_TOGETHER = 20
LEAST_SHARE = 0.5  # of the other tool's events of a name that come with an arrival
DAYS_BEFORE = timedelta(days=28)


@dataclass(frozen=True)
class Witness:
    """What another source's event says of arrivals at the next stage.

    ``event_name`` comes within 90 s of an arrival in ``together_share`` of its occurrences, which is how
    it was found. ``arrivals`` are those of people that the source knows, ``confirmed`` those it saw too;
    ``lost`` are attempts, of people it knows, that did not arrive, ``seen_lost`` those of which it saw
    the event all the same: the counted source may have missed these.
    """

    source: str
    event_name: str
    together_share: float
    arrivals: int
    confirmed: int
    arrivals_before: int
    confirmed_before: int
    lost: int
    seen_lost: int
    verdict: str


@dataclass(frozen=True)
class SourceCount:
    """Events of the next stage's own rules per source, on the finding's days."""

    source: str
    events: int


def witnesses(
    connection: duckdb.DuckDBPyConnection,
    row: dict[str, Any],
    journey: Journey,
    counted_sources: tuple[str, ...],
    days: Days,
) -> tuple[Witness, ...]:
    """One per other source that tells of arrivals at the next stage, found by coincidence in time.

    ``counted_sources`` are those whose events the journey counts; only people who are known to both
    sources (one ``user_key``) can be compared.
    """
    first = days.first - DAYS_BEFORE
    _collect(connection, row, journey, counted_sources, first, days)
    found = connection.execute(
        """
        with paired as (
            select distinct o.source, o.event_name, o.event_id
            from other_events as o
            inner join arrivals as a on o.user_key = a.user_key
                and o.event_at between a.arrived_at - $together and a.arrived_at + $together
        ),
        named as (
            select source, event_name, count(*) as together from paired group by source, event_name
        ),
        totals as (
            select source, event_name, count(*) as events from other_events group by source, event_name
        )
        select n.source, n.event_name, n.together / t.events as share
        from named as n
        inner join totals as t on n.source = t.source and n.event_name = t.event_name
        where n.together >= $least and n.together >= $share * t.events
        qualify row_number() over (
            partition by n.source order by n.together / t.events * sqrt(n.together) desc, n.event_name
        ) = 1
        order by n.source
        """,
        {"together": TOGETHER, "least": LEAST_TOGETHER, "share": LEAST_SHARE},
    ).fetchall()
    return tuple(_witness(connection, source, name, share, days) for source, name, share in found)


def _collect(
    connection: duckdb.DuckDBPyConnection,
    row: dict[str, Any],
    journey: Journey,
    counted: tuple[str, ...],
    first: object,
    days: Days,
) -> None:
    """Temporary tables: attempts at the stage, their arrivals at the next one, other tools' events."""
    values = {
        "journey": row["journey"],
        "persona": row["persona"],
        "stage": row["stage"],
        "next_stage": row["next_stage"],
        "first": first,
        "last": days.last,
    }
    connection.execute(
        # the predicate is the finding's own, written by pipelines.finding_sql
        f"""
        create or replace temp table at_stage as
        select a.attempt_id, a.user_key, a.entry_date,
            min(v.entered_at) filter (where v.stage = $stage) as reached_at,
            min(v.entered_at) filter (where v.stage = $next_stage) as arrived_at
        from marts.attempts as a
        inner join marts.stage_visits as v on a.journey = v.journey and a.attempt_id = v.attempt_id
        where a.journey = $journey and a.persona = $persona and a.outcome <> 'open'
            and a.entry_date between $first and $last and ({row["segment_filter"]})
        group by a.attempt_id, a.user_key, a.entry_date
        having count(*) filter (where v.stage = $stage) > 0
        """,
        values,
    )
    connection.execute(
        "create or replace temp table arrivals as "
        "select user_key, attempt_id, entry_date, arrived_at from at_stage where arrived_at is not null"
    )
    connection.execute(
        "create or replace temp table other_events as "
        "select e.source, e.event_name, e.event_id, e.user_key, e.event_at from marts.events as e "
        "where not list_contains($counted::varchar[], e.source) "
        "and e.user_key in (select user_key from at_stage) "
        "and e.event_at >= (select min(reached_at) from at_stage)",
        {"counted": list(counted)},
    )


def _witness(
    connection: duckdb.DuckDBPyConnection, source: str, name: str, share: float, days: Days
) -> Witness:
    ((arrivals, confirmed, before, confirmed_before, lost, seen_lost),) = connection.execute(
        """
        with known as (
            select distinct user_key from other_events where source = $source
        ),
        told as (
            select s.attempt_id, s.entry_date, s.arrived_at,
                max(case
                    when o.event_at is null then 0
                    when s.arrived_at is not null
                        and o.event_at between s.arrived_at - $together and s.arrived_at + $together then 1
                    when s.arrived_at is null
                        and o.event_at between s.reached_at and s.reached_at + $window then 1
                    else 0 end) as is_seen
            from at_stage as s
            inner join known as k on s.user_key = k.user_key
            left join other_events as o
                on s.user_key = o.user_key and o.source = $source and o.event_name = $name
            group by s.attempt_id, s.entry_date, s.arrived_at
        )
        select
            count(*) filter (where arrived_at is not null and entry_date >= $first),
            coalesce(sum(is_seen) filter (where arrived_at is not null and entry_date >= $first), 0)::bigint,
            count(*) filter (where arrived_at is not null and entry_date < $first),
            coalesce(sum(is_seen) filter (where arrived_at is not null and entry_date < $first), 0)::bigint,
            count(*) filter (where arrived_at is null and entry_date >= $first),
            coalesce(sum(is_seen) filter (where arrived_at is null and entry_date >= $first), 0)::bigint
        from told
        """,
        {
            "source": source,
            "name": name,
            "first": days.first,
            "together": TOGETHER,
            "window": timedelta(days=1),
        },
    ).fetchall()
    return Witness(
        source,
        name,
        float(share),
        arrivals,
        confirmed,
        before,
        confirmed_before,
        lost,
        seen_lost,
        _verdict(arrivals, confirmed, before, confirmed_before, lost, seen_lost),
    )


def _verdict(arrivals: int, confirmed: int, before: int, confirmed_before: int, lost: int, seen: int) -> str:
    if lost and seen >= max(5, 0.1 * lost):
        return "disagrees: it saw people arrive whom the counted source calls lost; check the tracking"
    fewer = arrivals and before and confirmed / arrivals < confirmed_before / before
    if fewer and differ(confirmed, arrivals, confirmed_before, before):
        return "confirms fewer of the arrivals than before; check its tracking"
    return "agrees: hardly anybody it saw arrive is called lost"
