"""The comparison of two builds sees through the numbers of dictionaries, and tells every other difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from night_config import make_config
from night_world import make_world
from same_builds import DICTIONARIES, differences

from pipelines.config_tables import write_config
from pipelines.engine_settings import EngineSettings
from pipelines.journey_tables import models_of
from pipelines.sql_models import AnyModel, Model, build_models
from pipelines.warehouse import open_warehouse

CONFIG = make_config()
TABLES = [each.name for each in models_of(CONFIG) if not each.name.startswith("staging.")]
Connections = tuple[duckdb.DuckDBPyConnection, duckdb.DuckDBPyConnection]


def numbered_otherwise(model: AnyModel) -> AnyModel:
    """The same with other numbers, and a row that nothing uses."""
    if model.name not in DICTIONARIES or not isinstance(model, Model):
        return model
    sql = model.sql.replace("(row_number() over", "(900 - 7 * row_number() over")
    number = DICTIONARIES[model.name]
    column = {"page_number": "page", "name_number": "event_name", "origin_number": "campaign"}.get(
        number, "os"
    )
    return replace(model, sql=f"from ({sql}) union all by name select 7777 as {number}, 'unused' as {column}")


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connections]:
    """Two builds of the same files whose dictionaries number otherwise."""
    folder: Path = tmp_path_factory.mktemp("staged")
    world, engine = make_world(seed=3), EngineSettings(threads=1, memory_limit="500MB")
    with open_warehouse(None, engine) as one, open_warehouse(None, engine) as other:
        for connection, models in (
            (one, [numbered_otherwise(each) for each in models_of(CONFIG)]),
            (other, models_of(CONFIG)),
        ):
            world.gather(connection, folder)
            write_config(connection, CONFIG)
            build_models(connection, models)
        yield one, other


def test_other_numbers_say_the_same(builds: Connections) -> None:
    one, other = builds
    query = "select sum(origin_number), sum(page_number) from intermediate.keyed_events"
    assert one.execute(query).fetchall() != other.execute(query).fetchall()
    assert differences(one, other, TABLES) == []


@pytest.mark.parametrize(
    "change",
    [
        "delete from intermediate.attempts where attempt_number % 5 = 0",
        "update intermediate.attempts set value = value * (1 + 1e-7)",
        "update intermediate.keyed_events set page_number = page_number - 7 where event_number % 9 = 0",
        "update intermediate.session_edges set told_origin_number = null",
        "update intermediate.session_moments set stage_moments = stage_moments[:1]",
        "update intermediate.session_spans set told_us = 0 where told_us is null",
        "insert into intermediate.openings from intermediate.openings limit 2",
        "delete from intermediate.pages where page = '/cart'",
        "insert into intermediate.pages select 5, page from intermediate.pages limit 1",
        "alter table intermediate.horizons add column more integer",
        "create or replace view intermediate.stage_events as from intermediate.session_stage_events",
    ],
)
def test_differences_are_told(builds: Connections, change: str) -> None:
    one, other = builds
    one.begin()
    try:
        one.execute(change)
        found = differences(one, other, TABLES)
    finally:
        one.rollback()
    assert found
    assert all(len(each.splitlines()) <= 5 for each in found)


def test_last_digits_do_not_count(builds: Connections) -> None:
    one, other = builds
    one.begin()
    one.execute("update intermediate.attempts set value = value * (1 + 1e-13)")
    found = differences(one, other, ["intermediate.attempts"])
    one.rollback()
    assert found == []
