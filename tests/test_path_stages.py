"""What is told of a path at each stage is what walking along it shows, for the paths of a large shop."""

from __future__ import annotations

import random
from itertools import groupby
from typing import NamedTuple

import duckdb

from pipelines.engine_functions import FUNCTIONS
from pipelines.sql_models import SQL_FOLDER, read_model

# more than a shop of 100 M events has: of those, joins that made this ended with an error inside DuckDB 2.0.0
PATHS = 40_000
REQUIRED = {"default": (1, 2, 3, 4, 5, 6), "member": (1, 3, 6)}


class Place(NamedTuple):
    """A row of the model, but for the number of its path."""

    persona: str
    stage: int
    first: int
    advanced: int | None
    has_looped: bool
    has_backtracked: bool
    has_skipped: bool
    has_missed: bool


def test_each_stage_of_many_paths_is_told_as_a_walk_shows_it() -> None:
    chance = random.Random(20)
    paths = [[chance.randint(1, 6) for _ in range(chance.randint(1, 14))] for _ in range(PATHS)]
    with duckdb.connect() as db:
        for function in FUNCTIONS:
            db.execute(function)
        db.execute("create schema config")
        db.execute("create schema intermediate")
        db.execute(
            "create table config.persona_stages (journey_number bigint, persona varchar, "
            "stage_number bigint, next_stage_number bigint)"
        )
        for persona, stages in REQUIRED.items():
            rows = [(1, persona, *each) for each in zip(stages, [*stages[1:], None], strict=True)]
            db.executemany("insert into config.persona_stages values (?, ?, ?, ?)", rows)
        db.execute(
            "create table intermediate.paths as select 1::bigint as journey_number, "
            "place::bigint as path_number, numbers::integer[] as stage_numbers "
            "from (select unnest(?) as numbers, unnest(range(?)) as place)",
            [paths, PATHS],
        )
        sql = read_model(SQL_FOLDER / "intermediate" / "path_stages.sql").sql
        found: dict[int, set[Place]] = {}
        for number, *told in db.execute(
            "select path_number, persona, stage_number, first_place, advanced_place, has_looped, "
            f"has_backtracked, has_skipped, has_missed from ({sql})"
        ).fetchall():
            found.setdefault(number, set()).add(Place(*told))
    assert len(found) == PATHS
    for number, path in enumerate(paths):
        assert found[number] == _walked(path), path


def _walked(path: list[int]) -> set[Place]:
    places = set()
    for persona, required in REQUIRED.items():
        for stage, following in zip(required, [*required[1:], None], strict=True):
            if stage not in path:
                continue
            first = path.index(stage)
            later = path[first + 1 :]
            before = required[required.index(stage) - 1] if stage != required[0] else None
            advanced: int | None = first + 1
            if following is not None:
                advanced = first + 2 + later.index(following) if following in later else None
            went_on = any(each in required and each > (following or 99) for each in later)
            places.add(
                Place(
                    persona,
                    stage,
                    first + 1,
                    advanced,
                    sum(number == stage for number, _ in groupby(path)) > 1,
                    any(each < stage for each in later),
                    went_on and following not in path,
                    before is not None and before not in path,
                )
            )
    return places
