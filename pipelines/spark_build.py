"""Build every table of the journeys on a Spark cluster: the way of `build --engine spark://host:port`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from pipelines.config_tables import WorldConfig, write_config
from pipelines.errors import SparkFailed
from pipelines.journey_tables import models_of
from pipelines.spark_exchange import (
    send_small_tables,
    show_staged_files,
    staged_files,
    table_types,
    take_back,
)
from pipelines.spark_models import SparkModels
from pipelines.spark_session import INTACT, first_line, spark_session, within
from pipelines.spark_store import SparkStore, keep_only, new_store
from pipelines.sql_models import Progress
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# of compressed Parquet: what one part of the users holds
_PART_BYTES = 256 * 2**20


class SparkBuild:
    """A cluster that reads and writes the workspace's files; made by ``spark_build``."""

    def __init__(self, session: SparkSession, workspace: Workspace, store: SparkStore) -> None:
        self._session, self._workspace, self._store = session, workspace, store
        self.is_taken_back = False

    def build_tables(
        self, connection: duckdb.DuckDBPyConnection, config: WorldConfig, progress: Progress
    ) -> None:
        """As ``journey_tables.build_tables``, on Spark. Raises SqlFailed, CheckFailed or SparkFailed."""
        write_config(connection, config)
        models = models_of(config)
        types = table_types(config)
        send_small_tables(connection, self._session, self._store)
        files = staged_files(self._workspace)
        show_staged_files(self._session, self._store, files)
        size = sum(path.stat().st_size for paths in files.values() for path in paths)
        making = SparkModels(self._session, self._store, 1 + size // _PART_BYTES)
        progress(f"building {len(models)} tables on Spark")
        making.make_all(models, progress)
        progress("checking them")
        making.run_checks()
        progress("reading the marts back")
        take_back(connection, models, self._store, types, making.unshown)
        self.is_taken_back = True
        keep_only(self._workspace, self._store)


@contextmanager
def spark_build(workspace: Workspace, engine: str, progress: Progress) -> Iterator[SparkBuild]:
    """A session on ``engine`` that is known to reach the workspace's files. Raises SparkFailed."""
    settings = workspace.settings.engine.spark
    progress(f"connecting to {engine}")
    with spark_session(engine, settings) as session:
        store = new_store(workspace, settings)
        build = SparkBuild(session, workspace, store)
        try:
            _refuse_no_worker(session, engine, settings.wait_seconds)
            _refuse_apart(session, store)
            yield build
        finally:
            # once DuckDB has views over the tables, they stay, whatever goes wrong later
            if not build.is_taken_back:
                shutil.rmtree(store.build, ignore_errors=True)


def _refuse_no_worker(session: SparkSession, engine: str, seconds: int) -> None:
    complaint = (
        f"--engine {engine}: the master answers, but no worker did a task within {seconds} s. "
        "Start workers, or ask for less than they have (spark.executor.memory and spark.executor.cores in "
        "conf of [engine.spark])"
    )
    within(seconds, session, lambda: session.range(1).count(), complaint)


def _refuse_apart(session: SparkSession, store: SparkStore) -> None:
    """The workers have to read what is written here, and this machine what they write."""
    sent, made = store.build / "sent.txt", store.build / "made"
    sent.write_text("sent\n", "utf-8")
    try:
        session.read.text(store.far(sent)).write.text(store.far(made))
        reason = "" if list(made.glob("part-*")) else "what they wrote is not there"
    except Exception as error:
        reason = first_line(error)
    if reason:
        raise SparkFailed(
            f"{store.build}: the workers of Spark do not share this folder; they look for it at "
            f"{store.far(store.build)} ({reason}). Put the workspace on a file system that all of them "
            f'mount, or name it as they see it: workspace = "gs://bucket/folder" in [engine.spark]. {INTACT}'
        )
    shutil.rmtree(made)
    sent.unlink()
