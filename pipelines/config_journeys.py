"""The journeys, their sources and their stages as small tables of schema ``config``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from models.durations import microseconds
from models.journey import Journey
from pipelines.stage_classes import class_digits
from pipelines.warehouse import replace_table


def write_journeys(
    connection: duckdb.DuckDBPyConnection,
    numbered: Sequence[tuple[int, Journey]],
    sources: Sequence[tuple[str, str, bool]],
    sources_of: Mapping[str, Sequence[str]],
) -> None:
    """Make the tables of ``numbered`` journeys; ``sources`` are (name, kind, sets_horizon)."""

    def table(name: str, columns: Mapping[str, pa.DataType], rows: Sequence[dict[str, Any]]) -> None:
        replace_table(connection, f"config.{name}", pa.schema(list(columns.items())), rows)

    text, number, flag = pa.string(), pa.int64(), pa.bool_()
    digits = class_digits(numbered)
    table(
        "journeys",
        {
            "journey_number": number,
            "journey": text,
            "scope_is_session": flag,
            "entry_is_any": flag,
            "window_us": number,
            "entry_stage_number": number,
            "goal_stage_number": number,
            "class_factor": number,
            "class_base": number,
        },
        [
            {
                "journey_number": index,
                "journey": journey.name,
                "scope_is_session": journey.scope == "session",
                "entry_is_any": journey.entry == "any",
                "window_us": microseconds(journey.window),
                "entry_stage_number": journey.entry_stage.number,
                "goal_stage_number": journey.goal.number,
                "class_factor": digits[index].factor if index in digits else 1,
                "class_base": digits[index].base if index in digits else 1,
            }
            for index, journey in numbered
        ],
    )
    table(
        "journey_sources",
        {"journey_number": number, "source": text, "sets_horizon": flag},
        [
            {"journey_number": index, "source": name, "sets_horizon": sets_horizon}
            for index, journey in numbered
            for name, _, sets_horizon in sources
            if name in sources_of[journey.name]
        ],
    )
    table(
        "stages",
        {
            "journey_number": number,
            "stage_number": number,
            "stage": text,
            "is_optional": flag,
            "owner": text,
        },
        [
            {
                "journey_number": index,
                "stage_number": stage.number,
                "stage": stage.name,
                "is_optional": stage.optional,
                "owner": stage.owner,
            }
            for index, journey in numbered
            for stage in journey.stages
        ],
    )
    table(
        "persona_stages",
        {
            "journey_number": number,
            "persona": text,
            "stage_number": number,
            "stage": text,
            "next_stage_number": number,
            "next_stage": text,
            "next_within_us": number,
        },
        [row for index, journey in numbered for row in _persona_stages(index, journey)],
    )


def _persona_stages(index: int, journey: Journey) -> list[dict[str, Any]]:
    rows = []
    for persona in journey.persona_names():
        required = journey.required_stages_of(persona)
        for stage, following in zip(required, (*required[1:], None), strict=True):
            within = journey.ideal_of(persona, following.name).within if following else None
            rows.append(
                {
                    "journey_number": index,
                    "persona": persona,
                    "stage_number": stage.number,
                    "stage": stage.name,
                    "next_stage_number": following.number if following else None,
                    "next_stage": following.name if following else None,
                    "next_within_us": microseconds(within) if within else None,
                }
            )
    return rows
