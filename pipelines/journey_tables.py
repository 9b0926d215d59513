"""Build every table of the journeys from staged events: the one path of `build`, tests and benchmarks."""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

import duckdb
import pandas as pd
import pyarrow as pa

from models.clusters import cluster_ids
from models.fitness import path_fitness
from pipelines.config_tables import IDS_PER_PERSON_LIMIT, WorldConfig, write_config
from pipelines.exclusion import make_excluded_events
from pipelines.match_sql import attempt_segments_query
from pipelines.sql_models import (
    GeneratedModel,
    Model,
    Progress,
    build_models,
    needed_for,
    read_models,
    replace_model,
    run_checks,
)
from pipelines.stage_classes import (
    classified_events_query,
    goal_events_query,
    session_stage_events_query,
)
from pipelines.warehouse import replace_table

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
    staged = [model for model in read_models("staging") if model.name in GATHERED]
    # the marts of findings stand on state that `detect` writes; they are made there
    made = [model for model in read_models("intermediate", "marts") if not model.stands_on_state]
    models: list[Model | GeneratedModel] = [*staged, *made, *_generated(config)]
    if targets:
        models = needed_for(targets, models)
    progress(f"building {len(models)} tables")
    build_models(connection, models)
    if targets:
        return
    progress("checking them")
    run_checks(connection)


def _generated(config: WorldConfig) -> list[GeneratedModel]:
    journeys = config.numbered()

    with_sources = [(n, journey, config.sources_of[journey.name]) for n, journey in journeys]

    def classified_events(connection: duckdb.DuckDBPyConnection) -> None:
        query = classified_events_query(with_sources).sql("duckdb")
        replace_model(connection, "intermediate.classified_events", query, is_view=True)

    def session_stage_events(connection: duckdb.DuckDBPyConnection) -> None:
        query = session_stage_events_query(with_sources).sql("duckdb")
        replace_model(connection, "intermediate.session_stage_events", query, is_view=False)

    def goal_events(connection: duckdb.DuckDBPyConnection) -> None:
        query = goal_events_query(journeys).sql("duckdb")
        replace_model(connection, "intermediate.goal_events", query, is_view=False)

    def attempt_segments(connection: duckdb.DuckDBPyConnection) -> None:
        query = attempt_segments_query(journeys).sql("duckdb")
        replace_model(connection, "intermediate.attempt_segments", query, is_view=True)

    def fitness(connection: duckdb.DuckDBPyConnection) -> None:
        _write_path_fitness(connection, config)

    def identity_clusters(connection: duckdb.DuckDBPyConnection) -> None:
        _write_identity_clusters(connection)

    def excluded_by_rule(connection: duckdb.DuckDBPyConnection) -> None:
        make_excluded_events(connection, config.excludes.rules)

    events = frozenset({"intermediate.events", "intermediate.valued_events", "staging.events"})
    return [
        GeneratedModel(
            "intermediate.identity_clusters", frozenset({"intermediate.identity_links"}), identity_clusters
        ),
        GeneratedModel(
            "intermediate.excluded_by_rule",
            frozenset({"staging.events", "intermediate.profiles"}),
            excluded_by_rule,
        ),
        GeneratedModel(
            "intermediate.classified_events",
            frozenset({"intermediate.identified_events"}),
            classified_events,
        ),
        GeneratedModel("intermediate.session_stage_events", events, session_stage_events),
        GeneratedModel(
            "intermediate.goal_events",
            frozenset({"staging.events", "intermediate.stage_events", "intermediate.event_money"}),
            goal_events,
        ),
        GeneratedModel(
            "intermediate.attempt_segments",
            events
            | {
                "intermediate.attempt_openings",
                "intermediate.opening_events",
                "intermediate.opening_visitors",
            },
            attempt_segments,
        ),
        GeneratedModel(
            "intermediate.path_fitness", frozenset({"intermediate.attempts", "intermediate.paths"}), fitness
        ),
    ]


def _write_identity_clusters(connection: duckdb.DuckDBPyConnection) -> None:
    links = connection.execute("select * from intermediate.identity_links").df()
    connection.register("clusters", cluster_ids(links, IDS_PER_PERSON_LIMIT))
    connection.execute(
        "create or replace table intermediate.identity_clusters as select id_number::bigint as id_number, "
        "is_device::boolean as is_device, person_number::bigint as person_number, "
        "has_user::boolean as has_user, members::bigint as members, "
        "is_too_large::boolean as is_too_large from clusters"
    )
    connection.unregister("clusters")


def _write_path_fitness(connection: duckdb.DuckDBPyConnection, config: WorldConfig) -> None:
    """Fitness per distinct path: there are far fewer paths than attempts."""
    paths = connection.execute(
        "select t.journey_number, t.persona, t.path_number, p.stage_numbers "
        "from (select distinct journey_number, persona, path_number from intermediate.attempts) as t "
        "inner join intermediate.paths as p "
        "on t.journey_number = p.journey_number and t.path_number = p.path_number"
    ).df()
    journeys = dict(config.numbered())
    frames = []
    for key, group in paths.groupby(["journey_number", "persona"]):
        number, persona = cast(tuple[int, str], key)
        journey = journeys[int(number)]
        stages = journey.stages_of(persona)
        fitness = path_fitness(
            [each.tolist() for each in group["stage_numbers"]],
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
    replace_table(connection, "intermediate.path_fitness", schema, rows)
