"""The proposals behind `ideal: auto`, from the tables of a build or the published file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

import duckdb
import numpy as np

from models.auto_ideal import ProposedIdeal, propose_ideal
from models.journey import Journey, segment_columns
from models.pain_point import PainPoint
from pipelines.own_counts import last_matured_day
from pipelines.warehouse import quoted

PROPOSAL_DAYS = timedelta(days=56)

Ideals = Mapping[tuple[str, str, str], float]


def proposed_ideals(
    connection: duckdb.DuckDBPyConnection,
    journeys: Sequence[Journey],
    as_of: Mapping[str, date] | None = None,
) -> dict[tuple[str, str, str], ProposedIdeal]:
    """A proposal per (journey, persona, stage) whose ideal is `auto` and has no conversion of its own.

    They stand on the 56 entry days up to the last all of whose attempts are over; for a replayed night
    ``as_of`` gives the last whole day of each journey's data as it was known then. Stages with too
    few attempts have none.
    """
    made = {}
    columns = segment_columns(tuple(journeys))
    for journey in journeys:
        asked = asked_for(journey)
        if not asked:
            continue
        if as_of is None:
            known = last_matured_day(connection, journey.name)
        else:
            known = as_of[journey.name] - timedelta(days=math.ceil(journey.window / timedelta(days=1)))
        if known is None:
            continue
        own = [quoted(column) for column, field in columns.items() if field in journey.segments]
        for (persona, stage), (attempts, advanced) in _leaves(connection, journey, own, known).items():
            if (persona, stage) in asked:
                proposal = propose_ideal(np.array(attempts, np.int64), np.array(advanced, np.int64))
                if proposal is not None:
                    made[(journey.name, persona, stage)] = proposal
    return made


def say_proposed(
    pain_points: Sequence[PainPoint], proposals: Mapping[tuple[str, str, str], ProposedIdeal]
) -> list[PainPoint]:
    """The pain points, those that stand on a proposed ideal saying so in headline and evidence."""
    return [
        _said_of(each, proposal)
        if each.kind == "below_ideal"
        and (proposal := proposals.get((each.journey, each.persona, each.next_stage))) is not None
        else each
        for each in pain_points
    ]


def _said_of(each: PainPoint, proposal: ProposedIdeal) -> PainPoint:
    evidence = json.loads(each.evidence)
    evidence["proposed_ideal"] = {
        "from": "the segments that do best and hold a quarter of the attempts, rates shrunk",
        "conversion": round(proposal.conversion, 4),
        "of_everyone": round(proposal.overall, 4),
        "attempts": proposal.attempts,
        "attempts_of_the_best": proposal.best_attempts,
        "segments_of_the_best": len(proposal.segments),
    }
    return replace(
        each,
        headline=each.headline.replace("instead of its ideal of", "instead of its proposed ideal of", 1),
        evidence=json.dumps(evidence, ensure_ascii=False),
    )


def asked_for(journey: Journey) -> set[tuple[str, str]]:
    """(persona, stage) of a journey for which an ideal is to be proposed."""
    asked = set()
    for persona in journey.persona_names():
        for stage in journey.required_stages_of(persona)[1:]:
            ideal = journey.ideal_of(persona, stage.name)
            if ideal.auto and ideal.conversion is None:
                asked.add((persona, stage.name))
    return asked


def written_ideals(journeys: Sequence[Journey]) -> dict[tuple[str, str, str], float]:
    """Ideal conversion per (journey, persona, stage) where the journey file writes one down."""
    return {
        (journey.name, persona, stage.name): conversion
        for journey in journeys
        for persona in journey.persona_names()
        for stage in journey.required_stages_of(persona)
        if (conversion := journey.ideal_of(persona, stage.name).conversion) is not None and conversion > 0
    }


def _leaves(
    connection: duckdb.DuckDBPyConnection, journey: Journey, columns: Sequence[str], last: date
) -> dict[tuple[str, str], tuple[list[int], list[int]]]:
    rows = connection.execute(
        "select persona, next_stage, sum(matured)::bigint, sum(matured_advanced)::bigint "
        "from marts.stage_funnel where journey = ? and next_stage is not null "
        "and entry_date > ? and entry_date <= ? "
        f"group by {', '.join(['persona', 'next_stage', *columns])} order by all",
        [journey.name, last - PROPOSAL_DAYS, last],
    ).fetchall()
    leaves: dict[tuple[str, str], tuple[list[int], list[int]]] = {}
    for persona, stage, attempts, advanced in rows:
        n, k = leaves.setdefault((persona, stage), ([], []))
        n.append(int(attempts))
        k.append(int(advanced))
    return leaves
