"""A build on Spark before there is any: the SQL it would be given, and what is said where it cannot be."""

from __future__ import annotations

import os
import re
import socket
import sys
import types
from pathlib import Path

import duckdb
import pytest
from conftest import Painpoints, make_workspace
from sqlglot import exp, parse_one
from sqlglot.errors import UnsupportedError

from pipelines.engine_functions import FUNCTIONS
from pipelines.journey_tables import models_of
from pipelines.spark_dialect import parse_model, to_spark
from pipelines.spark_functions import SPARK_FUNCTIONS
from pipelines.spark_recursion import renamed, split_recursion
from pipelines.spark_session import first_line
from pipelines.sql_models import ComputedModel, GeneratedModel, read_models, replace_model
from pipelines.steps import world_config
from pipelines.workspace import open_workspace


def test_each_function_of_the_models_has_a_form_for_spark_with_the_same_arguments() -> None:
    ours = {match[1]: match[2] for each in FUNCTIONS if (match := re.search(r"macro (\w+)\(([^)]*)\)", each))}
    assert {name: parameters for name, (parameters, _) in SPARK_FUNCTIONS.items()} == ours


def test_every_model_and_check_is_carried_and_asks_no_function_of_duckdbs(tmp_path: Path) -> None:
    workspace = open_workspace(make_workspace(tmp_path / "shop"))
    queries: dict[str, str | exp.Expr] = {each.name: each.sql for each in read_models("checks")}
    for model in models_of(world_config(workspace)):
        asked = isinstance(model, GeneratedModel | ComputedModel)
        queries[model.name] = model.query if asked else model.sql  # type: ignore[union-attr]
    assert len(queries) > 90
    foreign = {name.lower() for name in SPARK_FUNCTIONS} | {
        "len",
        "epoch_us",
        "list_filter",
        "unnest",
        "arg_min",
    }
    for name, query in queries.items():
        tree = parse_one(to_spark(query), dialect="spark")
        called = {each.name.lower() for each in tree.find_all(exp.Anonymous)}
        assert not called & foreign, f"{name}: {called & foreign}"
        assert not [each for each in tree.find_all(exp.Table) if each.db], name


RULES = [
    ("select x[1], x[-1], x[n] from t", "SELECT TRY_ELEMENT_AT(x, 1), TRY_ELEMENT_AT(x, -1), "
     "TRY_ELEMENT_AT(x, CAST(NULLIF(n, 0) AS INT)) FROM t"),
    ("select x[a : b]", "SELECT SLICE(x, CAST(a AS INT), CAST(b AS INT) - CAST(a AS INT) + 1)"),
    ("select len(x), length(y)", "SELECT SIZE(x), LENGTH(y)"),
    ("select a / b, c // d", "SELECT CAST((a) AS DOUBLE) / CAST((b) AS DOUBLE), c DIV d"),
    ("select arg_min(a, b)", "SELECT MIN_BY(a, CASE WHEN NOT a IS NULL THEN b END)"),
    ("select arg_max(a, (b, c))", "SELECT MAX_BY(a, CASE WHEN NOT a IS NULL THEN STRUCT(b, c) END)"),
    ("select count(*) filter (where a) over (partition by b)",
     "SELECT COUNT(CASE WHEN a THEN 1 END) OVER (PARTITION BY b)"),
    ("select count(*) filter (where a)", "SELECT COUNT(*) FILTER(WHERE a)"),
    ("select median(a) over (order by b)", "SELECT PERCENTILE(a, 0.5) OVER (ORDER BY b NULLS LAST)"),
    ("select a, unnest(b) as c, unnest(d) as e from t",
     "SELECT a, INLINE(ARRAYS_ZIP(b, d)) AS (c, e) FROM t"),
    ("select list_sort(list(a)), list_distinct(b)",
     "SELECT SORT_ARRAY(COLLECT_LIST(a)), ARRAY_DISTINCT(ARRAY_COMPACT(b))"),
    ("select a::json, epoch_us(b)", "SELECT a, UNIX_MICROS(CAST(b AS TIMESTAMP_LTZ))"),
    ("select array_to_string(a, ',')", "SELECT ARRAY_JOIN(CAST(a AS ARRAY<STRING>), ',')"),
    ("select e.a from staging.events as e", "SELECT e.a FROM staging__events AS e"),
    ("select moment_us(m) from t", "SELECT (((m)).us) FROM t"),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs"), RULES)
def test_a_rule_puts_sparks_words_in_the_place_of_ours(ours: str, theirs: str) -> None:
    assert to_spark(ours) == theirs


def test_what_spark_cannot_say_is_refused_rather_than_guessed() -> None:
    with pytest.raises(UnsupportedError, match="ASOF"):
        to_spark("select * from a asof join b on a.t >= b.t")
    with pytest.raises(UnsupportedError, match="EXCLUDE"):
        to_spark("select * replace (a + 1 as a) from t")


def test_a_recursion_done_in_rounds_gives_the_rows_of_the_recursive_query() -> None:
    query = (
        "with recursive doubled as (select n, 2 * n as m from numbers), roots as (select 1 as n), "
        "reached as (select n, 0 as depth from roots union all "
        "select d.m, min(r.depth) + 1 from reached as r inner join doubled as d on r.n = d.n group by d.m), "
        "counted as (select depth, count(*) as many, sum(n) as total from reached group by depth) "
        "select c.*, d.m from counted as c left join doubled as d on c.total = d.n"
    )
    recursion = split_recursion(parse_model(query))
    assert recursion is not None
    with duckdb.connect() as connection:
        connection.execute("create table numbers as select * from range(1, 50) as t (n)")
        wanted = connection.execute(query + " order by all").fetchall()
        made: dict[str, str] = {}
        for name, helper in recursion.helpers:
            connection.execute(f"create table made_{name} as {renamed(helper, made.get).sql('duckdb')}")
            made[name] = f"made_{name}"
        connection.execute(f"create table rounds as {renamed(recursion.anchor, made.get).sql('duckdb')}")
        connection.execute("create table round as from rounds")
        made[recursion.name] = "round"
        while connection.execute("select count(*) from round").fetchall()[0][0]:
            step = renamed(recursion.step, made.get).sql("duckdb")
            connection.execute(f"create or replace table round as select * from ({step}) as s (n, depth)")
            connection.execute("insert into rounds from round")
        made[recursion.name] = "rounds"
        rest = renamed(recursion.rest, made.get).sql("duckdb")
        assert connection.execute(rest + " order by all").fetchall() == wanted
    assert len(wanted) == 7
    assert [name for name, _ in recursion.helpers] == ["doubled"]


def test_a_query_that_does_not_recur_has_no_rounds() -> None:
    assert split_recursion(parse_model("with a as (select 1 as b) select * from a")) is None


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, painpoints: Painpoints) -> Path:
    root = make_workspace(tmp_path_factory.mktemp("spark") / "shop")
    with (root / "painpoints.toml").open("a") as file:
        file.write("\n[engine.spark]\nwait_seconds = 1\n")
    assert painpoints("pull", "--workspace", root).code == 0
    assert painpoints("build", "--workspace", root).code == 0
    return root


def refused(painpoints: Painpoints, root: Path, engine: str) -> str:
    """What a build on ``engine`` says; nothing may have changed by it."""
    before = (root / "painpoints.duckdb").read_bytes()
    ended = painpoints("build", "--engine", engine, "--workspace", root)
    assert ended.code == 1
    assert f"error: --engine {engine}: " in ended.err
    assert "Traceback" not in ended.err
    assert (root / "painpoints.duckdb").read_bytes() == before
    assert not (root / "lake" / "_spark").exists()
    # the tables of the last build are still whole
    assert painpoints("detect", "--workspace", root).code == 0
    return ended.err


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """pyspark and a Java that are found, and never reached."""
    monkeypatch.setitem(sys.modules, "pyspark", types.ModuleType("pyspark"))
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)


def test_without_pyspark_it_is_said_how_to_get_it(
    painpoints: Painpoints, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    assert "pip install 'painpoints[spark]'" in refused(painpoints, built, "spark://127.0.0.1:7077")


@pytest.mark.usefixtures("pretended")
def test_without_java_it_is_said_what_is_missing(
    painpoints: Painpoints, built: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nothing"))
    said = refused(painpoints, built, "spark://127.0.0.1:7077")
    assert "Java is not installed" in said
    assert str(tmp_path / "nothing") in said


@pytest.mark.usefixtures("pretended")
def test_a_master_that_does_not_answer_is_told_after_the_time_of_the_config(
    painpoints: Painpoints, built: Path
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # taken, and nobody listens
        said = refused(painpoints, built, f"spark://127.0.0.1:{unused.getsockname()[1]}")
    assert "no Spark master answers there within 1 s" in said
    assert "wait_seconds" in said


@pytest.mark.usefixtures("pretended")
def test_a_master_without_a_port_is_no_master(painpoints: Painpoints, built: Path) -> None:
    assert "spark://HOST:PORT" in refused(painpoints, built, "spark://somewhere")


def test_an_engine_nobody_knows_is_a_wrong_option(painpoints: Painpoints, built: Path) -> None:
    ended = painpoints("build", "--engine", "flink://there", "--workspace", built)
    assert ended.code == 2
    assert "duckdb" in ended.err


def test_of_a_failure_in_java_the_first_line_and_the_cause_are_told() -> None:
    trace = "Job aborted.\n\tat a.b(C.scala:1)\nCaused by: java.io.IOException: disk\n\tat d.e(F.java:2)"
    assert first_line(RuntimeError(trace)) == "Job aborted. Caused by: java.io.IOException: disk"


def test_a_view_takes_the_place_of_a_table_and_keeps_what_its_transaction_did() -> None:
    with duckdb.connect() as connection:
        connection.execute("create schema marts; create table marts.a as select 1 as n")
        connection.begin()
        connection.execute("create table marts.before as select 7 as n")
        replace_model(connection, "marts.a", "select 2 as n", is_view=True)
        connection.commit()
        assert connection.execute("select a.n, b.n from marts.a as a, marts.before as b").fetchall() == [
            (2, 7)
        ]
        replace_model(connection, "marts.a", "select 3 as n", is_view=False)
        replace_model(connection, "marts.a", "select 4 as n", is_view=False)
        assert connection.execute("from marts.a").fetchall() == [(4,)]
