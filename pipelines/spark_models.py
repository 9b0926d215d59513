"""Run the models on a Spark session: a table becomes Parquet in the store, a view one of the session."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
from sqlglot import exp
from sqlglot.errors import SqlglotError

from pipelines.errors import SqlFailed
from pipelines.spark_dialect import parse_model, to_spark, view_name
from pipelines.spark_recursion import Recursion, renamed, split_recursion
from pipelines.spark_session import INTACT, first_line
from pipelines.spark_store import SparkStore
from pipelines.sql_models import (
    ROWS_ASKED,
    AnyModel,
    ComputedModel,
    GeneratedModel,
    Model,
    Progress,
    refuse_failed_checks,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

# The one table with a row per event lies by day and by hashed user: who reads some days or some people
# reads no other files.
EVENTS = "intermediate.keyed_events"
_DAY, _PART = "event_day", "user_part"
# few enough for the driver's planning, enough to keep the cores busy while it plans
_SIDE_BY_SIDE = 6


class SparkModels:
    """Makes models on ``session`` into ``store``; ``user_parts`` is into how many parts users are hashed."""

    def __init__(self, session: SparkSession, store: SparkStore, user_parts: int) -> None:
        self._session, self._store, self._user_parts = session, store, user_parts
        # tables that hold moments as structs, which only these models read
        self._unshown: set[str] = set()

    @property
    def unshown(self) -> frozenset[str]:
        """The tables that DuckDB does not read: their columns have other types than its own."""
        return frozenset(self._unshown)

    def make_all(self, models: Iterable[AnyModel], progress: Progress) -> None:
        """Make every model, each after all it reads. Raises SqlFailed naming the model's file."""
        by_name = {model.name: model for model in models}
        order = TopologicalSorter(
            {name: sorted(model.reads & by_name.keys()) for name, model in sorted(by_name.items())}
        )
        order.prepare()
        making: dict[Future[None], str] = {}
        done = 0
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            while order.is_active():
                for name in order.get_ready():
                    making[pool.submit(self._make, by_name[name])] = name
                for future in wait(making, return_when=FIRST_COMPLETED).done:
                    name = making.pop(future)
                    try:
                        future.result()
                    except BaseException:
                        pool.shutdown(wait=False, cancel_futures=True)
                        self._session.sparkContext.cancelAllJobs()
                        raise
                    order.done(name)
                    done += 1
                    progress(f"Spark: {done} of {len(by_name)} tables, {name.partition('.')[2]}")

    def run_checks(self) -> None:
        """Run sql/checks. Raises CheckFailed with the first offending rows of every check that finds any."""

        def first_rows(model: Model) -> tuple[list[str], list[tuple[Any, ...]]]:
            found = self._query(model, model.sql)
            return found.columns, [tuple(row) for row in found.limit(ROWS_ASKED).collect()]

        refuse_failed_checks(first_rows, "The rows are those of the tables that Spark made")

    def _make(self, model: AnyModel) -> None:
        try:
            if isinstance(model, ComputedModel):
                rows = self._query(model, model.query).toArrow().to_pandas()
                folder = self._store.table(model.name)
                folder.mkdir()
                pq.write_table(model.compute(rows), folder / "computed.parquet")
                self._show(model.name, self._session.read.parquet(self._store.far(folder)))
                return
            query = model.query if isinstance(model, GeneratedModel) else model.sql
            found = self._query(model, query)
            # a mart goes out as it is; what hides structs behind a view has to be a table for DuckDB
            if model.is_view and not model.name.startswith("marts.") and not model.reads & self._unshown:
                self._show(model.name, found)
            else:
                self._write(model.name, found)
        except SqlFailed:
            raise
        except Exception as error:  # Spark's, Java's through py4j, and the disk's
            raise SqlFailed(f"{_where(model)}: Spark: {first_line(error)}. {INTACT}") from error

    def _query(self, model: AnyModel, query: str | exp.Expr) -> DataFrame:
        try:
            tree = parse_model(query)
            recursion = split_recursion(tree)
            if recursion is not None:
                tree = self._in_rounds(model.name, recursion)
            return self._session.sql(to_spark(tree))
        except SqlglotError as error:
            raise SqlFailed(f"{_where(model)}: cannot be written for Spark: {error}. {INTACT}") from error

    def _in_rounds(self, model: str, recursion: Recursion) -> exp.Expr:
        """Do a recursion; returns the rest of the query, over what it made."""
        made: dict[str, str] = {}
        for name, helper in recursion.helpers:
            self._write(f"{model}.{name}", self._session.sql(to_spark(renamed(helper, made.get))))
            made[name] = view_name(f"{model}.{name}")
        query, rounds, columns = recursion.anchor, list[str](), list[str]()
        while True:
            table = f"{model}.{recursion.name}.{len(rounds)}"
            found = self._session.sql(to_spark(renamed(query, made.get)))
            columns = columns or found.columns
            self._write(table, found.toDF(*columns))
            rounds.append(self._store.far(self._store.table(table)))
            made[recursion.name] = view_name(table)
            if self._session.table(view_name(table)).isEmpty():
                break
            query = recursion.step
        made[recursion.name] = view_name(f"{model}.{recursion.name}")
        schema = self._session.table(view_name(table)).schema
        self._show(f"{model}.{recursion.name}", self._session.read.schema(schema).parquet(*rounds))
        return renamed(recursion.rest, made.get)

    def _write(self, name: str, found: DataFrame) -> None:
        far = self._store.far(self._store.table(name))
        if name == EVENTS:
            placed = found.selectExpr(
                "*",
                f"event_us div 86400000000 as {_DAY}",
                f"pmod(hash(user_number), {self._user_parts}) as {_PART}",
            )
            placed.repartition(self._user_parts, _PART).write.partitionBy(_PART, _DAY).parquet(far)
        else:
            found.write.parquet(far)
        if "struct<" in found.schema.simpleString().removeprefix("struct<"):
            self._unshown.add(name)
        self._show(name, self._session.read.schema(found.schema).parquet(far).select(found.columns))

    def _show(self, name: str, found: DataFrame) -> None:
        found.createOrReplaceTempView(view_name(name))


def _where(model: AnyModel) -> str:
    return str(model.path) if isinstance(model, Model) else model.name
