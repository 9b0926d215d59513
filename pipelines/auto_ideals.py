"""The proposals behind `ideal: auto`, from the tables of a build or the published file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import duckdb
import numpy as np

from models.auto_ideal import ProposedIdeal, propose_ideal
from models.journey import Journey, segment_columns
from pipelines.own_counts import last_matured_day
from pipelines.warehouse import quoted

PROPOSAL_DAYS = timedelta(days=56)

Ideals = Mapping[tuple[str, str, str], float]


def proposed_ideals(
    connection: duckdb.DuckDBPyConnection, journeys: Sequence[Journey], last: date | None = None
) -> dict[tuple[str, str, str], ProposedIdeal]:
    """A proposal per (journey, persona, stage) whose ideal is `auto` and has no conversion of its own.

    They stand on the 56 entry days up to ``last``, by default the last day all of whose attempts are over;
    a replayed night gives its own. Stages with too few attempts have none.
    """
    made = {}
    columns = segment_columns(tuple(journeys))
    for journey in journeys:
        asked = asked_for(journey)
        until = last or last_matured_day(connection, journey.name)
        if not asked or until is None:
            continue
        own = [quoted(column) for column, field in columns.items() if field in journey.segments]
        for (persona, stage), (attempts, advanced) in _leaves(connection, journey, own, until).items():
            if (persona, stage) in asked:
                proposal = propose_ideal(np.array(attempts, np.int64), np.array(advanced, np.int64))
                if proposal is not None:
                    made[(journey.name, persona, stage)] = proposal
    return made


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
