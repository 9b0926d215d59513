"""Build every table of the journeys from staged events: the one path of `build`, tests and benchmarks."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import cast

import duckdb
import pandas as pd
import pyarrow as pa

from models.clusters import cluster_ids
from models.fitness import path_fitness
from pipelines.config_tables import IDS_PER_PERSON_LIMIT, WorldConfig, write_config
from pipelines.exclusion import excluded_query
from pipelines.match_sql import attempt_cells_query, attempt_segments_query, cells_query
from pipelines.renewal_rules import WHOLE, RenewalRules, parse_rules
from pipelines.sql_models import (
    AnyModel,
    ComputedModel,
    GeneratedModel,
    Progress,
    build_models,
    needed_for,
    read_models,
    run_checks,
)
from pipelines.stage_classes import (
    class_digits,
    classified_events_query,
    goal_events_query,
    session_stage_events_query,
)

# Staging models run per landed day (pipelines.staging); these only gather what it wrote.
GATHERED = ("staging.events", "staging.recordings", "staging.survey_answers")


def build_tables(
    connection: duckdb.DuckDBPyConnection,
    config: WorldConfig,
    progress: Progress = lambda _: None,
    *,
    targets: Collection[str] = (),
) -> None:
    """Make all tables from ``lake.staged_events`` and ``lake.days``, then run the checks.

    With ``targets`` only those tables and what they read, and no checks, which look at all tables.
    Raises SqlFailed or CheckFailed.
    """
    write_config(connection, config)
    models = models_of(config, targets)
    if not targets:
        make_and_check(connection, models, progress)
        return
    progress(f"building {len(models)} tables")
    build_models(connection, models)


def make_and_check(
    connection: duckdb.DuckDBPyConnection, models: Collection[AnyModel], progress: Progress
) -> None:
    """Make ``models``, which are all of a build and whose config is written, and run the checks."""
    progress(f"building {len(models)} tables")
    build_models(connection, models)
    progress("checking them")
    run_checks(connection)


def models_of(config: WorldConfig, targets: Collection[str] = ()) -> list[AnyModel]:
    """All models of a build, or with ``targets`` those and what they read; in no order."""
    staged = [model for model in read_models("staging") if model.name in GATHERED]
    # the marts of findings stand on state that `detect` writes; they are made there
    made = [model for model in read_models("intermediate", "marts") if not model.stands_on_state]
    models: list[AnyModel] = [*staged, *made, *_generated(config)]
    return needed_for(targets, models) if targets else models


def _generated(config: WorldConfig) -> list[GeneratedModel | ComputedModel]:
    journeys = config.numbered()
    with_sources = [(n, journey, config.sources_of[journey.name]) for n, journey in journeys]
    events = frozenset({"intermediate.events", "intermediate.valued_events", "staging.events"})
    return [
        ComputedModel(
            "intermediate.identity_clusters",
            frozenset({"intermediate.identity_links"}),
            "select * from intermediate.identity_links",
            _identity_clusters,
        ),
        GeneratedModel(
            "intermediate.excluded_by_rule",
            frozenset({"staging.events", "intermediate.profiles"}),
            excluded_query(config.excludes.rules),
            rules=parse_rules({"renewed by": "event_number of staging.events"}),
        ),
        GeneratedModel(
            "intermediate.classified_events",
            frozenset({"intermediate.identified_events"}),
            classified_events_query(with_sources),
            is_view=True,
        ),
        GeneratedModel(
            "intermediate.session_stage_events",
            events,
            session_stage_events_query(with_sources),
            # where no journey asks the session there is nothing to make
            rules=parse_rules(_BY_PERSON if len(class_digits(journeys)) < len(journeys) else {}),
        ),
        GeneratedModel(
            "intermediate.goal_events",
            frozenset({"staging.events", "intermediate.stage_events", "intermediate.event_money"}),
            goal_events_query(journeys),
            rules=parse_rules({"renewed by": _GOAL_EVENTS_BY}),
        ),
        GeneratedModel(
            "intermediate.attempt_segments",
            events | {"intermediate.opening_events", "intermediate.opening_visitors"},
            attempt_segments_query(journeys),
            is_view=True,
        ),
        GeneratedModel(
            "intermediate.cells",
            frozenset({"intermediate.attempt_segments"}),
            cells_query(journeys),
            rules=parse_rules(_BY_OPENING | {"grows": "cell_number"}),
        ),
        GeneratedModel(
            "intermediate.attempt_cells",
            frozenset({"intermediate.attempt_segments", "intermediate.cells"}),
            attempt_cells_query(journeys),
            rules=parse_rules(_BY_OPENING),
        ),
        # there are far fewer paths than attempts
        ComputedModel(
            "intermediate.path_fitness",
            frozenset({"intermediate.attempts", "intermediate.paths"}),
            _PATHS_TAKEN,
            partial(_path_fitness, config),
            rules=RenewalRules(grows=WHOLE),
        ),
    ]


_BY_PERSON = {"renewed by": "user_number of keyed_events, session_days"}
_BY_OPENING = {"renewed by": "attempt_number of opening_events, attempt_segments"}
_GOAL_EVENTS_BY = "event_number of staging.events, keyed_events, session_stage_events, event_money"
_PATHS_TAKEN = (
    "select t.journey_number, t.persona, t.path_number, p.stage_numbers "
    "from (select distinct journey_number, persona, path_number from intermediate.attempts) as t "
    "inner join intermediate.paths as p "
    "on t.journey_number = p.journey_number and t.path_number = p.path_number"
)


def _identity_clusters(links: pd.DataFrame) -> pa.Table:
    schema = pa.schema(
        [
            ("id_number", pa.int64()),
            ("is_device", pa.bool_()),
            ("person_number", pa.int64()),
            ("has_user", pa.bool_()),
            ("members", pa.int64()),
            ("is_too_large", pa.bool_()),
        ]
    )
    clusters = cluster_ids(links, IDS_PER_PERSON_LIMIT)
    return pa.Table.from_pandas(clusters[schema.names], schema=schema, preserve_index=False)


def _path_fitness(config: WorldConfig, paths: pd.DataFrame) -> pa.Table:
    """Fitness per distinct path and persona."""
    journeys = dict(config.numbered())
    frames = []
    for key, group in paths.groupby(["journey_number", "persona"]):
        number, persona = cast(tuple[int, str], key)
        journey = journeys[int(number)]
        stages = journey.stages_of(persona)
        fitness = path_fitness(
            [list(each) for each in group["stage_numbers"]],
            [stage.number for stage in stages if not stage.optional],
            [stage.number for stage in stages if stage.optional],
            journey.goal.number,
        )
        frames.append(group.drop(columns="stage_numbers").assign(fitness=fitness))
    schema = pa.schema(
        [
            ("journey_number", pa.int64()),
            ("persona", pa.string()),
            ("path_number", pa.int64()),
            ("fitness", pa.float64()),
        ]
    )
    rows = [
        {str(name): value for name, value in row.items()}
        for row in (pd.concat(frames).to_dict("records") if frames else [])
    ]
    return pa.Table.from_pylist(rows, schema=schema)
