"""Runs ``sql/``: one file is one table, the order is read from the SQL itself.

A model's header comment holds its grain (first lines) and one ``-- column: meaning`` a column; both
become COMMENTs of the published tables. ``-- materialized: view`` makes a view; how a table is renewed is
said in pipelines/renewal_rules.py. Checks are queries that must return no row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from pipelines.commits import in_batches
from pipelines.errors import CheckFailed, SqlFailed
from pipelines.exhausted import query_failed
from pipelines.renewal_rules import NO_RULES, RULES, RenewalRules, parse_rules
from pipelines.warehouse import SCHEMAS, column_names, literal, quoted

if TYPE_CHECKING:  # a command that only reads does not wait for these
    import pandas as pd
    import pyarrow as pa
    from sqlglot import exp

SQL_FOLDER = Path(__file__).resolve().parent.parent / "sql"
# Only tables are named with a schema; parsing a hundred files takes longer than building a small shop.
_TABLE = re.compile(rf"\b(?:{'|'.join(SCHEMAS)})\.[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Model:
    """One table: its SQL, what it reads, and what its header says."""

    name: str
    path: Path
    sql: str
    reads: frozenset[str]
    comment: str
    column_comments: Mapping[str, str]
    is_view: bool
    rules: RenewalRules = NO_RULES

    @property
    def stands_on_state(self) -> bool:
        """Whether it shows what detection or a run wrote, rather than what a build makes."""
        return any(name.startswith("state.") for name in self.reads)


@dataclass(frozen=True)
class GeneratedModel:
    """A table whose query Python makes, because its columns or rules come from the journeys."""

    name: str
    reads: frozenset[str]
    query: exp.Expr = field(compare=False)
    is_view: bool = False
    rules: RenewalRules = NO_RULES

    @property
    def sql(self) -> str:
        return self.query.sql("duckdb")


@dataclass(frozen=True)
class ComputedModel:
    """A table that Python computes of the rows of one query, which are few beside the events."""

    name: str
    reads: frozenset[str]
    query: str
    compute: Callable[[pd.DataFrame], pa.Table] = field(compare=False)
    rules: RenewalRules = NO_RULES
    is_view = False


AnyModel = Model | GeneratedModel | ComputedModel
Progress = Callable[[str], None]


@cache
def read_model(path: Path) -> Model:
    """A model file: its SQL, the tables it names, and what its header says."""
    sql = path.read_text("utf-8")
    name = f"{path.parent.name}.{path.stem}"
    comment: list[str] = []
    columns: dict[str, str] = {}
    rules: dict[str, str] = {}
    is_view = False
    for line in sql.splitlines():
        if not line.startswith("--"):
            break
        text = line.removeprefix("--").strip()
        match = re.fullmatch(rf"([a-z][a-z0-9_]*|{'|'.join(RULES)}): (.*)", text)
        if match and match[1] in RULES:
            rules[match[1]] = match[2]
        elif match and match[1] == "materialized":
            is_view = match[2] == "view"
        elif match:
            columns[match[1]] = match[2]
        else:
            comment.append(text)
    reads = tables_named_in(sql)
    return Model(name, path, sql, reads, " ".join(comment), columns, is_view, parse_rules(rules))


def tables_named_in(sql: str) -> frozenset[str]:
    """The tables that a query names."""
    return frozenset(_TABLE.findall(_without_comments(sql)))


def with_tables(sql: str, others: Mapping[str, str]) -> str:
    """The query with other tables, or queries in parentheses, in the place of some, by their names."""
    return _TABLE.sub(lambda found: others.get(found[0], found[0]), _without_comments(sql))


def _without_comments(sql: str) -> str:
    return "\n".join(line.partition("--")[0] for line in sql.splitlines())


def read_models(*schemas: str) -> list[Model]:
    return [read_model(path) for schema in schemas for path in sorted((SQL_FOLDER / schema).glob("*.sql"))]


def in_order(models: Iterable[AnyModel]) -> list[AnyModel]:
    """The models, each after all it reads. Raises SqlFailed for a cycle."""
    by_name = {model.name: model for model in models}
    graph = {name: sorted(model.reads & by_name.keys()) for name, model in sorted(by_name.items())}
    try:
        return [by_name[name] for name in TopologicalSorter(graph).static_order()]
    except CycleError as error:
        raise SqlFailed(f"sql/: models read each other in a circle: {error.args[1]}") from error


def needed_for(targets: Iterable[str], models: Iterable[AnyModel]) -> list[AnyModel]:
    """The models named in ``targets`` and all that these read, directly or not."""
    by_name = {model.name: model for model in models}
    found: dict[str, AnyModel] = {}
    asked = list(targets)
    while asked:
        name = asked.pop()
        if name in by_name and name not in found:
            found[name] = by_name[name]
            asked.extend(by_name[name].reads)
    return list(found.values())


def build_models(
    connection: duckdb.DuckDBPyConnection,
    models: Iterable[AnyModel],
) -> None:
    """Make every table, in order. Raises SqlFailed naming the file."""
    with in_batches(connection) as done:
        for model in in_order(models):
            make_model(connection, model)
            done()


def make_model(connection: duckdb.DuckDBPyConnection, model: AnyModel) -> None:
    """Make one table or view. What its header says of it is put on the published one."""
    if isinstance(model, GeneratedModel):
        replace_model(connection, model.name, model.sql, is_view=model.is_view)
        return
    if isinstance(model, ComputedModel):
        connection.register("computed_rows", model.compute(connection.execute(model.query).df()))
        replace_model(connection, model.name, "select * from computed_rows", is_view=False)
        connection.unregister("computed_rows")
        return
    try:
        replace_model(connection, model.name, model.sql, is_view=model.is_view)
    except duckdb.Error as error:
        raise query_failed(error, str(model.path)) from error


def replace_model(connection: duckdb.DuckDBPyConnection, name: str, query: str, *, is_view: bool) -> None:
    """Make a table or view ``schema.name`` of a query, also where there is one of the other kind."""
    schema, _, table = name.partition(".")
    target = f"{quoted(schema)}.{quoted(table)}"
    kind, other = ("view", "table") if is_view else ("table", "view")
    # of a file that another version of the program or a build on Spark made; the engine replaces only like by
    # like. It is asked before: an error would undo what the transaction did so far
    is_other = connection.execute(
        f"select 1 from duckdb_{other}s() where database_name = current_database() "
        f"and schema_name = ? and {other}_name = ?",
        [schema, table],
    ).fetchall()
    if is_other:
        connection.execute(f"drop {other} {target}")
    connection.execute(f"create or replace {kind} {target} as {query}")


def comment_on(connection: duckdb.DuckDBPyConnection, target: str, model: Model) -> None:
    """Put the header of a model on a published table as COMMENTs."""
    if model.comment:
        connection.execute(f"comment on table {target} is {literal(model.comment)}")
    present = set(column_names(connection, target))
    comments = {name: text for name, text in model.column_comments.items() if name in present}
    for name in present - comments.keys():
        if model.column_comments:  # a segment that a journey asks for
            comments[name] = "segment of the journeys: value at the attempt's first event"
    for name, text in comments.items():
        connection.execute(f"comment on column {target}.{quoted(name)} is {literal(text)}")


def run_checks(
    connection: duckdb.DuckDBPyConnection, limited_query: Callable[[Model], str | None] = lambda _: None
) -> None:
    """Run sql/checks. Raises CheckFailed with the first offending rows of every check that finds any.

    ``limited_query`` gives what to ask instead, of fewer rows; None where all have to be looked at.
    """

    def first_rows(model: Model) -> tuple[Sequence[str], Sequence[tuple[Any, ...]]]:
        found = connection.sql(limited_query(model) or model.sql)
        return found.columns, found.limit(ROWS_ASKED).fetchall()

    refuse_failed_checks(first_rows, "These rows are in warehouse.duckdb")


ROWS_ASKED = 6


def refuse_failed_checks(
    first_rows: Callable[[Model], tuple[Sequence[str], Sequence[tuple[Any, ...]]]], where: str
) -> None:
    """Raises CheckFailed where a check has rows, by its column names and up to ROWS_ASKED of them."""
    failures = []
    for model in read_models("checks"):
        columns, rows = first_rows(model)
        if rows:
            names = ", ".join(columns)
            shown = "\n".join(f"    {row}" for row in rows[:5])
            more = "\n    ..." if len(rows) > 5 else ""
            sentence = model.path.stem.replace("_", " ")
            failures.append(f"{model.path}: not true that {sentence}\n    ({names})\n{shown}{more}")
    if failures:
        raise CheckFailed(
            "\n".join(failures)
            + f"\nNothing was published; the file of the last good night is as it was. {where}"
        )
