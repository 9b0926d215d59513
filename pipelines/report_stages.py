"""The stages as people went them: how many, how fast, by which channels, and what they did instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from models.journey import DEFAULT_PERSONA, Journey
from pipelines.report_marts import Marts
from pipelines.report_views import Deed, FindingView, PersonaRate, Rate, StageColumn

MOST_CHANNELS = 3
MOST_DEEDS = 3
RARE = 0.005  # a smaller share of those who stayed is not told


def collect_visits(marts: Marts, journey: Journey, first: date | None, last: date | None) -> None:
    """Make ``report_visits`` and ``report_ways`` of the attempts that opened from ``first`` to ``last``.

    A way goes from an attempt's first visit of a required stage to the next stage; ``advanced_at`` is when
    it came there, ``next_visit`` the stage it visited first after, NULL where there is none.
    """
    channels = marts.has("sessions", "channel")
    marts.rows(
        "create or replace temp table report_visits as "
        "select a.attempt_id, a.persona, v.stage, v.visit_number, v.entered_at, "
        + ("s.channel, " if channels else "null::varchar as channel, ")
        + "lead(v.stage) over (partition by a.attempt_id order by v.visit_number) as next_visit, "
        "row_number() over (partition by a.attempt_id order by v.visit_number) = 1 as is_opening, "
        "row_number() over (partition by a.attempt_id, v.stage order by v.visit_number) = 1 as is_first "
        "from marts.attempts as a "
        "inner join marts.stage_visits as v on a.attempt_id = v.attempt_id and a.journey = v.journey "
        # texts are joined: of years of visits most are left out before; a day is as long as it is anywhere
        + (
            "left join marts.sessions as s on v.session_id = s.session_id "
            "and s.ended_at >= $first::date - interval 1 day "
            if channels
            else ""
        )
        + "where a.journey = $journey and a.entry_date between $first and $last "
        "and v.entered_at >= $first::date - interval 1 day",
        journey=journey.name,
        first=first,
        last=last,
    )
    pairs = []
    for persona in journey.persona_names():
        stages = journey.stages_of(persona)
        before = journey.entry_stage
        for stage in stages[stages.index(journey.entry_stage) + 1 :]:
            pairs.append((persona, before.name, stage.name, not stage.optional))
            before = before if stage.optional else stage
    personas, stages_before, stages_after, required = zip(*pairs, strict=True) if pairs else ((),) * 4
    marts.rows(
        """
        create or replace temp table report_ways as
        with pairs as (
            select unnest($personas::varchar[]) as persona, unnest($before::varchar[]) as stage,
                unnest($after::varchar[]) as next_stage, unnest($required::boolean[]) as is_required
        )
        select p.persona, p.stage, p.next_stage, p.is_required, f.attempt_id, f.entered_at, f.next_visit,
            min(v.entered_at) as advanced_at
        from pairs as p
        inner join report_visits as f on f.persona = p.persona and f.stage = p.stage and f.is_first
        left join report_visits as v on f.attempt_id = v.attempt_id and p.next_stage = v.stage
            and v.visit_number > f.visit_number
        group by p.persona, p.stage, p.next_stage, p.is_required, f.attempt_id, f.entered_at, f.next_visit
        """,
        personas=list(personas),
        before=list(stages_before),
        after=list(stages_after),
        required=list(required),
    )


def stage_columns(
    marts: Marts,
    journey: Journey,
    persona: str | None,
    findings: Sequence[FindingView],
    proposed: Mapping[tuple[str, str], float],
) -> tuple[StageColumn, ...]:
    """A column per stage of the persona (None: of everyone). Needs ``collect_visits``.

    ``proposed`` are conversions by (persona, stage) for ideals that the journey leaves to the data.
    """
    who = {"persona": persona}
    reached = dict(
        marts.rows(
            "select stage, count(*) from report_visits "
            "where is_first and ($persona is null or persona = $persona) group by stage",
            **who,
        )
    )
    ways = {
        stage: (n, k, seconds)
        for stage, n, k, seconds in marts.rows(
            "select next_stage, count(*), count(advanced_at), median(epoch(advanced_at - entered_at)) "
            "from report_ways where ($persona is null or persona = $persona) group by next_stage",
            **who,
        )
    }
    channels = _channels(marts, who, reached)
    instead = _instead(marts, who)
    columns = []
    previous: str | None = None
    for stage in journey.stages_of(persona) if persona else journey.stages:
        n, k, seconds = ways.get(stage.name, (0, 0, None)) if previous else (0, 0, None)
        stayed, deeds = instead.get(stage.name, (0, ()))
        columns.append(
            StageColumn(
                stage,
                reached.get(stage.name, 0),
                previous,
                Rate(k, n) if n else None,
                seconds,
                journey.ideal_of(persona or "default", stage.name),
                () if persona else _personas(marts, journey, stage.name),
                tuple(
                    each
                    for each in findings
                    if each.point.journey == journey.name
                    and each.point.stage == stage.name
                    and persona in (None, each.point.persona)
                ),
                channels.get(stage.name, ()),
                stayed,
                deeds,
                proposed.get((persona or DEFAULT_PERSONA, stage.name)),
            )
        )
        previous = previous if stage.optional else stage.name
    return tuple(columns)


def _personas(marts: Marts, journey: Journey, stage: str) -> tuple[PersonaRate, ...]:
    """Those whose ideal at the stage is not the one that everyone else has."""
    base = journey.ideal_of("default", stage).conversion
    own = {
        name: ideal
        for name in journey.persona_names()
        if (ideal := journey.ideal_of(name, stage).conversion) is not None and ideal != base
    }
    if not own:
        return ()
    rows = marts.rows(
        "select persona, count(*), count(advanced_at) from report_ways where next_stage = $stage "
        "group by persona order by persona",
        stage=stage,
    )
    return tuple(PersonaRate(name, Rate(k, n), own[name]) for name, n, k in rows if name in own and n)


def _channels(
    marts: Marts, who: dict[str, Any], reached: dict[str, int]
) -> dict[str, tuple[tuple[str, float], ...]]:
    """Per stage the channels of the sessions in which most attempts first visited it, with their share."""
    found: dict[str, list[tuple[str, float]]] = {}
    for stage, channel, count in marts.rows(
        "select stage, channel, count(*) as attempts from report_visits "
        "where is_first and channel is not null and ($persona is null or persona = $persona) "
        "group by stage, channel order by stage, attempts desc, channel",
        **who,
    ):
        found.setdefault(stage, []).append((channel, count / reached[stage]))
    return {stage: tuple(rows[:MOST_CHANNELS]) for stage, rows in found.items()}


def _instead(marts: Marts, who: dict[str, Any]) -> dict[str, tuple[int, tuple[Deed, ...]]]:
    """Per required stage the attempts that did not go on, and what most of them did first after it."""
    found: dict[str, list[tuple[str | None, int]]] = {}
    for stage, to, count in marts.rows(
        "select stage, next_visit, count(*) as attempts from report_ways where is_required "
        "and advanced_at is null and ($persona is null or persona = $persona) "
        "group by stage, next_visit order by stage, attempts desc, next_visit nulls first",
        **who,
    ):
        found.setdefault(stage, []).append((to, count))
    totals = {stage: sum(count for _, count in rows) for stage, rows in found.items()}
    return {
        stage: (
            totals[stage],
            tuple(
                Deed(to, count, count / totals[stage])
                for to, count in rows[:MOST_DEEDS]
                if count >= RARE * totals[stage]
            ),
        )
        for stage, rows in found.items()
    }
