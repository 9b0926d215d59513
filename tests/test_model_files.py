"""What is read from the files of ``sql/`` before any of them runs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta

import sqlglot
from sqlglot import exp

from models.journey_file import parse_journey
from pipelines.config_tables import WorldConfig
from pipelines.engine_functions import FUNCTIONS, STAGING_FUNCTIONS
from pipelines.engine_settings import EngineSettings
from pipelines.journey_tables import models_of
from pipelines.renewal_rules import NO_RULES, changed_name
from pipelines.sql_models import SQL_FOLDER, read_models, replace_model
from pipelines.warehouse import SCHEMAS, open_warehouse


def test_a_model_reads_the_tables_that_a_parser_finds_in_it() -> None:
    models = read_models(*SCHEMAS)
    assert len(models) > 80
    for model in models:
        tree = sqlglot.parse_one(model.sql, read="duckdb")
        named = {f"{table.db}.{table.name}" for table in tree.find_all(exp.Table) if table.db}
        assert model.reads == named, model.path


def test_every_model_can_be_said_in_the_sql_of_spark() -> None:
    for model in read_models("intermediate", "marts"):
        spark = sqlglot.transpile(
            model.sql, read="duckdb", write="spark", unsupported_level=sqlglot.ErrorLevel.RAISE
        )
        assert len(spark) == 1, model.path


def test_a_table_of_another_version_makes_room_for_a_view_and_back() -> None:
    with open_warehouse(None, EngineSettings()) as connection:
        for number, is_view in enumerate((False, True, True, False, False)):
            replace_model(connection, "marts.sessions", f"select {number} as n", is_view=is_view)
            assert connection.execute("select n from marts.sessions").fetchall() == [(number,)]
            views = connection.execute("select view_name from duckdb_views() where not internal").fetchall()
            assert views == ([("sessions",)] if is_view else [])


def test_staging_calls_only_the_functions_that_decide_whether_a_day_is_staged_anew() -> None:
    def names(functions: Sequence[str]) -> set[str]:
        return {function.split("macro ")[1].split("(")[0] for function in functions}

    of_models = names(FUNCTIONS) - names(STAGING_FUNCTIONS)
    assert "moment_of" in of_models
    for model in read_models("staging"):
        called = set(re.findall(r"(\w+)\(", model.sql))
        assert not called & of_models, model.path


def test_what_renews_a_table_names_tables_that_it_stands_on() -> None:
    models = {model.name: model for model in models_of(_config())}

    def below(name: str) -> set[str]:
        reads = models[name].reads & models.keys() if name in models else set()
        return {name}.union(*(below(table) for table in reads))

    changed = {changed_name(name): name for name in models}
    files = {path.stem: path.read_text("utf-8") for path in (SQL_FOLDER / "renewals").glob("*.sql")}
    assert len(files) > 8
    for stem, query in files.items():
        asked = {changed[found] for found in re.findall(r"changed\.\w+", query)}
        assert asked <= below(f"intermediate.{stem}"), stem
    ruled = [model for model in models.values() if model.rules != NO_RULES]
    assert len(ruled) > 35
    for model in ruled:
        for rule in (model.rules.renewal, model.rules.sums):
            assert rule is None or {*rule.of} <= below(model.name), model.name


def _config() -> WorldConfig:
    journey = parse_journey(
        "journey: buy\nstages: [{name: a, match: [{event: a}]}, {name: b, match: [{event: b}]}]"
    )
    sources = [("shop", "table", True)]
    return WorldConfig("UTC", "EUR", timedelta(minutes=30), {}, sources, [journey], {"buy": ["shop"]})
