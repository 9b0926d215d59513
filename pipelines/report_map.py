"""The map of one journey: its stages for everyone and for each persona, and what belongs to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from models.journey import Journey
from pipelines.auto_ideals import proposed_ideals
from pipelines.report_flow import read_flow, read_paths
from pipelines.report_marts import Marts
from pipelines.report_segments import segment_table
from pipelines.report_stages import collect_visits, stage_columns
from pipelines.report_views import FindingView, JourneyMap, PersonaView
from pipelines.report_voices import read_voices
from pipelines.report_what_if import read_what_if

MAP_DAYS = timedelta(days=28)


def read_map(
    marts: Marts,
    journey: Journey,
    last: date | None,
    findings: Sequence[FindingView],
    segments: Mapping[str, str],
    zone: str,
) -> JourneyMap:
    """The map of one journey; ``segments`` maps the columns of all journeys' segments to fields."""
    first = last - MAP_DAYS + timedelta(days=1) if last else None
    days = {"journey": journey.name, "first": first, "last": last}
    rows = marts.rows(
        "select persona, count(*), min(entry_date) from marts.attempts "
        "where journey = $journey and entry_date between $first and $last group by persona",
        **days,
    )
    attempts = {persona: count for persona, count, _ in rows}
    collect_visits(marts, journey, first, last)
    shown: list[str | None] = [None]
    if journey.personas:
        shown += [name for name in journey.persona_names() if attempts.get(name)]
    proposals = proposed_ideals(marts.connection, [journey])
    proposed = {key[1:]: proposal.conversion for key, proposal in proposals.items()}
    paths, path_attempts = read_paths(marts, journey)
    return JourneyMap(
        journey,
        min((day for *_, day in rows), default=None),
        last,
        sum(attempts.values()),
        tuple(
            PersonaView(
                persona,
                attempts[persona] if persona else sum(attempts.values()),
                stage_columns(marts, journey, persona, findings, proposed),
                read_flow(marts, journey, persona, first, last),
            )
            for persona in shown
        ),
        tuple(
            table
            for column, field in segments.items()
            if field in journey.segments
            and (table := segment_table(marts, journey, column, field, days)) is not None
        ),
        paths,
        path_attempts,
        read_voices(marts, journey, last, zone),
        read_what_if(marts, journey, last),
    )
