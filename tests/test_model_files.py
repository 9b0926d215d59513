"""What is read from the files of ``sql/`` before any of them runs."""

from __future__ import annotations

import sqlglot
from sqlglot import exp

from pipelines.sql_models import read_models
from pipelines.warehouse import SCHEMAS


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
