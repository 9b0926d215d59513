"""`painpoints demo`: a generated shop with planted pain points, judged beside its truth."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from string import Template
from typing import Any

import duckdb

from connectors.shop import generate_shop
from connectors.shop_plants import DEMO_IDEALS, Plant
from models.finding import Conditions
from pipelines import steps
from pipelines.errors import ConfigError
from pipelines.explaining import list_pain_points
from pipelines.explore import connect
from pipelines.finding_sql import segment_filter
from pipelines.scaffold import TEMPLATES
from pipelines.settings import CONFIG_FILE
from pipelines.sql_models import Progress
from pipelines.workspace import open_workspace

# A fixed end makes the demo the same on every day it is run; the clocks change within its 90 days.
DEMO_LAST_DAY = date(2026, 5, 31)
TRUTH = "truth.json"
SAME_PEOPLE = 0.9  # share of attempts two segments must have in common to be the same segment


@dataclass(frozen=True)
class PlantOutcome:
    """A planted pain point and the open finding that names its stage, kind and people, if one does."""

    plant: Plant
    found_id: str | None
    found_segment: str | None


@dataclass(frozen=True)
class DemoResult:
    """What the demo made and how its findings compare with the truth."""

    workspace: Path
    report: Path
    seconds: float
    pain_points: Sequence[dict[str, Any]]
    planted: Sequence[PlantOutcome]
    unplanted: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        return {
            "workspace": str(self.workspace),
            "report": str(self.report),
            "seconds": self.seconds,
            "pain_points": list(self.pain_points),
            "planted": [asdict(each) for each in self.planted],
            "unplanted": list(self.unplanted),
        }


def make_demo(
    directory: Path, seed: int, progress: Progress, *, last_day: date = DEMO_LAST_DAY
) -> DemoResult:
    """Make the workspace, run a whole night on it, and hold the findings against the truth.

    Raises ConfigError where ``directory`` holds something else; an earlier demo is made anew.
    """
    clock = time.monotonic()
    _clear(directory)
    progress("generating a shop")
    planted = generate_shop(directory, seed=seed, last_day=last_day)
    (directory / CONFIG_FILE).write_text((TEMPLATES / f"demo_{CONFIG_FILE}").read_text("utf-8"), "utf-8")
    (directory / "journeys").mkdir()
    for journey, ideals in DEMO_IDEALS.items():
        text = Template((TEMPLATES / f"demo_{journey}.yaml").read_text("utf-8")).substitute(ideals)
        (directory / "journeys" / f"{journey}.yaml").write_text(text, "utf-8")
    workspace = open_workspace(directory)
    with workspace.locked():
        result = steps.run(workspace, progress)
    with connect(directory) as connection:
        rows = list_pain_points(connection)
        outcomes = [_outcome(connection, plant, rows) for plant in planted]
    found = {each.found_id for each in outcomes}
    unplanted = [
        row["pain_point_id"]
        for row in rows
        if row["status"] != "resolved" and row["pain_point_id"] not in found and not _is_anger(row, planted)
    ]
    return DemoResult(workspace.root, result.report, time.monotonic() - clock, rows, outcomes, unplanted)


def _is_anger(row: dict[str, Any], planted: Sequence[Plant]) -> bool:
    """Whether it is the rage of people whom a planted pain point stops: the shop makes that as well."""
    stages = {(each.journey, each.stage) for each in planted}
    return row["kind"] == "friction" and (row["journey"], row["stage"]) in stages


def _clear(directory: Path) -> None:
    if directory.exists() and any(directory.iterdir()):
        if not (directory / TRUTH).exists():
            raise ConfigError(
                f"{directory}: this folder is not empty and no earlier demo; nothing was changed. "
                "Name another folder"
            )
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True)


def _outcome(
    connection: duckdb.DuckDBPyConnection, plant: Plant, rows: Sequence[dict[str, Any]]
) -> PlantOutcome:
    matching = [
        row
        for row in rows
        if (row["journey"], row["stage"], row["next_stage"], row["kind"])
        == (plant.journey, plant.stage, plant.next_stage, plant.kind)
        and row["status"] != "resolved"
        and _overlap(connection, row, segment_filter(_conditions(plant.segment))) >= SAME_PEOPLE
    ]
    first = matching[0] if matching else None
    return PlantOutcome(
        plant,
        first["pain_point_id"] if first else None,
        first["segment"] if first else None,
    )


def _conditions(segment: str) -> Conditions:
    if segment == "all":
        return ()
    parts = (part.partition("=") for part in segment.split(" & "))
    return tuple((column, value) for column, _, value in parts)


def _overlap(connection: duckdb.DuckDBPyConnection, row: dict[str, Any], planted: str) -> float:
    """Jaccard index, in attempts at the stage, of a finding's segment and a planted one."""
    both, either = connection.execute(
        # both predicates are written by pipelines.finding_sql
        f"""
        select
            sum(reached) filter (where ({row["segment_filter"]}) and ({planted})),
            sum(reached) filter (where ({row["segment_filter"]}) or ({planted}))
        from marts.stage_funnel
        where journey = ? and stage = ?
        """,
        [row["journey"], row["stage"]],
    ).fetchall()[0]
    return float((both or 0) / either) if either else 0.0
