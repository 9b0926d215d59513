"""What the people of a finding did instead: their next stage, loops and exits beside comparable others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb

from models.losses import Z90

DAYS_BEFORE = timedelta(days=28)


@dataclass(frozen=True)
class Deed:
    """A share of the attempts that reached the stage, in [0, 1], beside that of the others.

    ``differs``: the 90 % interval of the difference leaves out 0. The others' numbers are None where there
    is nobody to compare with.
    """

    what: str
    count: int
    share: float
    others_count: int | None
    others_share: float | None
    differs: bool | None


@dataclass(frozen=True)
class Instead:
    """``next`` says where each attempt went first after the stage and adds up to 1; ``further`` need not.

    ``compared_with`` says in words who the others are, None where there are none.
    """

    attempts: int
    compared_with: str | None
    others: int
    next: tuple[Deed, ...]
    further: tuple[Deed, ...]


LEFT = "left, and did not come back to the journey"
FURTHER = {
    "looped": "visited a stage again",
    "went_back": "went back to an earlier stage",
    "came_again": "came again in a later session",
    "skipped": "passed the next stage by, and went further",
}


def what_instead(connection: duckdb.DuckDBPyConnection, row: dict[str, Any], days: Days) -> Instead:
    """Where the attempts of the finding went after its stage.

    They are compared with the attempts outside the segment on the same days; of a finding that
    concerns everyone, with the 28 days before it began; of a standing gap of everyone, with nobody.
    """
    outside = f"not coalesce(({row['segment_filter']}), false)"
    own = _deeds(connection, row, days, row["segment_filter"])
    with_whom: str | None = "everybody else on the same days"
    if row["segment"] != "all":
        others = _deeds(connection, row, days, outside)
    elif row["started_on"] is not None:
        earlier = Days(row["started_on"] - DAYS_BEFORE, row["started_on"] - timedelta(days=1), days.unseen)
        others, with_whom = (
            _deeds(connection, row, earlier, row["segment_filter"]),
            "everybody in the 28 days before",
        )
    else:
        others, with_whom = _Deeds(0, {}, {}), None
    if not others.attempts:
        with_whom = None
    names = sorted(own.next, key=lambda name: (-own.next[name], name))
    names += sorted(set(others.next) - set(own.next)) if with_whom else []
    return Instead(
        own.attempts,
        with_whom,
        others.attempts,
        tuple(_deed(name, own.next.get(name, 0), own, others.next.get(name, 0), others) for name in names),
        tuple(
            _deed(text, own.further.get(key, 0), own, others.further.get(key, 0), others)
            for key, text in FURTHER.items()
        ),
    )


@dataclass(frozen=True)
class Days:
    """The entry days of a finding's evidence, without those on which it could not be seen."""

    first: date
    last: date
    unseen: tuple[date, ...] = ()


@dataclass(frozen=True)
class _Deeds:
    attempts: int
    next: dict[str, int]
    further: dict[str, int]


def _deeds(connection: duckdb.DuckDBPyConnection, row: dict[str, Any], days: Days, chosen: str) -> _Deeds:
    rows = connection.execute(
        # the predicate is the finding's own, written by pipelines.finding_sql
        f"""
        with chosen as (
            select attempt_id, loops, backtracks
            from marts.attempts
            where journey = $journey and persona = $persona and outcome <> 'open'
                and entry_date between $first and $last and not list_contains($unseen::date[], entry_date)
                and ({chosen})
        ),
        visits as (
            select c.attempt_id, v.visit_number, v.stage, v.stage_number, v.session_id
            from marts.stage_visits as v
            inner join chosen as c on v.attempt_id = c.attempt_id
            where v.journey = $journey
        ),
        firsts as (
            select attempt_id, min(visit_number) as visit_number
            from visits where stage = $stage group by attempt_id
        ),
        stages as (
            select f.attempt_id, v.stage_number, v.session_id
            from firsts as f
            inner join visits as v on f.attempt_id = v.attempt_id and f.visit_number = v.visit_number
        ),
        after as (
            select v.*, s.session_id <> v.session_id as is_later,
                row_number() over (partition by v.attempt_id order by v.visit_number) as place,
                v.stage = $next_stage as is_next
            from visits as v
            inner join firsts as f on v.attempt_id = f.attempt_id and v.visit_number > f.visit_number
            inner join stages as s on v.attempt_id = s.attempt_id
        ),
        summed as (
            select attempt_id,
                min(case when place = 1 then stage end) as next_stage,
                max(case when is_later then 1 else 0 end) as came_again,
                max(case when is_next then 1 else 0 end) as advanced,
                max(stage_number) as furthest,
                min(case when is_next then stage_number end) as next_number
            from after group by attempt_id
        ),
        target as (
            select max(stage_number) as number from marts.stage_visits
            where journey = $journey and stage = $next_stage
        )
        select
            coalesce(a.next_stage, $left) as next_stage,
            count(*) as attempts,
            sum(case when c.loops > 0 then 1 else 0 end) as looped,
            sum(case when c.backtracks > 0 then 1 else 0 end) as went_back,
            sum(coalesce(a.came_again, 0)) as came_again,
            sum(case when coalesce(a.advanced, 0) = 0 and a.furthest > t.number then 1 else 0 end) as skipped
        from firsts as f
        inner join chosen as c on f.attempt_id = c.attempt_id
        left join summed as a on f.attempt_id = a.attempt_id
        cross join target as t
        group by coalesce(a.next_stage, $left)
        """,
        {
            "journey": row["journey"],
            "persona": row["persona"],
            "first": days.first,
            "last": days.last,
            "unseen": list(days.unseen),
            "stage": row["stage"],
            "next_stage": row["next_stage"],
            "left": LEFT,
        },
    ).fetchall()
    names = ("looped", "went_back", "came_again", "skipped")
    return _Deeds(
        sum(int(each[1]) for each in rows),
        {each[0]: int(each[1]) for each in rows},
        {name: sum(int(each[place] or 0) for each in rows) for place, name in enumerate(names, 2)},
    )


def _deed(what: str, count: int, own: _Deeds, others_count: int, others: _Deeds) -> Deed:
    share = count / own.attempts if own.attempts else 0.0
    if not others.attempts:
        return Deed(what, count, share, None, None, None)
    return Deed(
        what,
        count,
        share,
        others_count,
        others_count / others.attempts,
        differ(count, own.attempts, others_count, others.attempts),
    )


def differ(one: int, of_one: int, other: int, of_other: int) -> bool:
    """Whether two shares differ at 90 % (Agresti & Caffo 2000: one success and one failure added to each)."""
    p, q = (one + 1) / (of_one + 2), (other + 1) / (of_other + 2)
    half = Z90 * math.sqrt(p * (1 - p) / (of_one + 2) + q * (1 - q) / (of_other + 2))
    return abs(p - q) > half
