"""The steps of a night, each usable alone: pull -> build -> detect -> report."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from connectors.day_range import EVERY_DAY, DayRange
from connectors.errors import SourceError
from connectors.pull_report import PullReport
from pipelines.alerts import AlertReport, send_alerts
from pipelines.build_base import forget_base
from pipelines.config_tables import WorldConfig
from pipelines.detecting import detect_nights
from pipelines.errors import NothingLanded
from pipelines.failed_sources import (
    NOTHING_BUILT,
    FailedSource,
    SourcesFailed,
    failed_sources,
    refuse_unknown_journeys,
    remember_failed,
    run_status,
    tell_failed,
)
from pipelines.finding_store import RUNS, built_recipe, make_state, make_state_marts, mark_built
from pipelines.fix_review import review_fixes
from pipelines.frozen_marts import use_frozen
from pipelines.lake_sweep import finish_sweep
from pipelines.mark_store import bring_back_marks
from pipelines.publishing import publish
from pipelines.pulling import pull_source
from pipelines.renewed_tables import renew_tables
from pipelines.report import write_report
from pipelines.retention import apply_retention, note_plan, refuse_too_short
from pipelines.rule_review import refuse_empty_stages
from pipelines.spark_build import spark_build
from pipelines.spark_store import keep_only
from pipelines.sql_models import Progress
from pipelines.staging import drop_outdated, stage_days
from pipelines.unpublished_rows import end_notes
from pipelines.version import VERSION
from pipelines.warehouse import count_rows, open_warehouse
from pipelines.workspace import Workspace

DUCKDB = "duckdb"
# the session that a platform such as Databricks has already made
OWN_SPARK = "spark"
SPARK_MASTERS = ("spark://", "yarn", "k8s://", "local[")


@dataclass(frozen=True)
class BuildReport:
    """What a build made: days staged anew, events, sessions and attempts in the marts."""

    staged_days: int
    events: int
    sessions: int
    attempts: int


@dataclass(frozen=True)
class RunReport:
    """What a whole run did; ``failed`` are the sources that could not be pulled, ``alerts`` who was told."""

    pulls: tuple[PullReport, ...]
    build: BuildReport
    nights: tuple[date, ...]
    report: Path
    seconds: float
    failed: tuple[FailedSource, ...] = ()
    alerts: AlertReport | None = None


def quiet(_: str) -> None:
    """Show no progress."""


def pull(
    workspace: Workspace, progress: Progress = quiet, days: DayRange = EVERY_DAY
) -> tuple[PullReport, ...]:
    """Land what is new of every source. One that fails does not keep the others from landing.

    Raises SourcesFailed, which names every source that failed.
    """
    reports, failed = pull_each(workspace, progress, days)
    if failed:
        raise SourcesFailed(failed)
    return reports


def pull_each(
    workspace: Workspace, progress: Progress = quiet, days: DayRange = EVERY_DAY
) -> tuple[tuple[PullReport, ...], tuple[FailedSource, ...]]:
    """Land what is new of every source; returns what landed and which sources failed, and remembers them."""
    reports, failed = [], []
    for name in workspace.settings.sources:
        try:
            reports.append(pull_source(workspace, name, progress, days))
        except SourceError as error:
            failed.append(FailedSource(name, workspace.today(), str(error)))
        except OSError as error:
            reason = f"{error}. Correct the disk or its permissions, pull again"
            failed.append(FailedSource(name, workspace.today(), reason))
    remember_failed(workspace, (each.source for each in reports), failed)
    return tuple(reports), tuple(failed)


def build(
    workspace: Workspace,
    progress: Progress = quiet,
    *,
    publishes: bool = True,
    engine: str = DUCKDB,
    whole: bool = False,
) -> BuildReport:
    """Stage what landed, bring all tables up to date, check them, and publish.

    Of many events only what the changed days touch is made again, unless ``whole``. ``engine`` is DuckDB or
    a Spark master, which then makes all tables; staging and all else is done here.
    What could not be pulled is told in marts.tracking_health. Raises SourcesFailed where a journey
    names a source that failed before anything of it landed.
    """
    started = datetime.now(UTC)
    refuse_too_short(workspace)
    finish_sweep(workspace, progress)
    failed = failed_sources(workspace)
    refuse_unknown_journeys(workspace, failed)
    config = world_config(workspace)
    # a cluster that cannot be reached is told before anything changes
    with _engine(workspace, engine, progress) as build_on_engine, _warehouse(workspace) as connection:
        mark_built(connection, None)
        if whole or engine != DUCKDB:  # Spark makes all tables, of all staged files there are
            forget_base(connection)
            end_notes(connection)
        staged = stage_days(connection, workspace, progress)
        build_on_engine(connection, config, progress)
        drop_outdated(connection)
        use_frozen(connection, workspace)
        note_plan(connection, workspace)
        refuse_empty_stages(connection, workspace.journeys)
        tell_failed(connection, failed)
        mark_built(connection, config_hash(workspace))
        make_state(connection)
        bring_back_marks(connection, workspace.published)
        make_state_marts(connection)
        report = BuildReport(
            staged,
            # what the marts of rows have a row of; they themselves are views, and joins of all these
            count_rows(connection, "intermediate.keyed_events"),
            count_rows(connection, "intermediate.session_spans"),
            count_rows(connection, "intermediate.attempts"),
        )
        if publishes:
            _remember_run(connection, workspace, started)
            publish(connection, workspace.published)
    return report


def detect(
    workspace: Workspace, progress: Progress = quiet, *, started: datetime | None = None
) -> tuple[date, ...]:
    """Judge the nights not judged yet on the tables of the last build, and publish.

    Raises NothingLanded where no build of this config was completed.
    ``started`` is when the run began of which this is the last writing step; it is then remembered.
    """
    with _warehouse(workspace) as connection:
        if built_recipe(connection) != config_hash(workspace):
            raise NothingLanded(
                f"{workspace.root}: the tables are not built, or not of this config and these journeys. "
                "Run `painpoints build` first; what was published stays"
            )
        nights = detect_nights(connection, workspace, progress)
        review_fixes(connection)
        make_state_marts(connection)
        if started is not None:
            _remember_run(connection, workspace, started)
        publish(connection, workspace.published)
        progress("published")
        apply_retention(connection, workspace, progress)
    return tuple(nights)


def report(workspace: Workspace) -> Path:
    """Write the journey map of the published file; returns its path."""
    if not workspace.published.exists():
        raise NothingLanded(f"{workspace.root}: nothing is published yet. Run `painpoints run` first")
    return write_report(workspace)


def run(workspace: Workspace, progress: Progress = quiet, days: DayRange = EVERY_DAY) -> RunReport:
    """A whole night: pull, build, detect, report, alert. What is published changes at the end or not at all.

    A source that fails does not stop the night: it is built from what landed, and the report names it.
    Raises SourcesFailed where all of them fail.
    """
    started, clock = datetime.now(UTC), time.monotonic()
    workspace.journeys  # noqa: B018 - a wrong journey is told before anything is pulled
    pulls, failed = pull_each(workspace, progress, days)
    for each in failed:
        progress(each.sentence())
    if not pulls:
        raise SourcesFailed(failed, NOTHING_BUILT)
    built = build(workspace, progress, publishes=False)
    nights = detect(workspace, progress, started=started)
    written = report(workspace)
    alerts = send_alerts(workspace)
    return RunReport(pulls, built, nights, written, time.monotonic() - clock, failed, alerts)


def world_config(workspace: Workspace) -> WorldConfig:
    """What the models need to know of the config and the journeys."""
    settings = workspace.settings
    return WorldConfig(
        settings.timezone,
        settings.currency,
        settings.sessions.inactivity,
        settings.fx,
        [(name, each.kind, each.sets_horizon) for name, each in settings.sources.items()],
        workspace.journeys,
        {journey.name: workspace.sources_of(journey) for journey in workspace.journeys},
        {name: settings.day_zone_of(name).key for name in settings.sources},
        settings.exclude.build(),
    )


def config_hash(workspace: Workspace) -> str:
    """A digest of the config and the journey files."""
    paths = [workspace.config_path, *sorted(workspace.journeys_folder.glob("*.y*ml"))]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:16]


BuildOnEngine = Callable[[duckdb.DuckDBPyConnection, WorldConfig, Progress], None]


@contextmanager
def _engine(workspace: Workspace, engine: str, progress: Progress) -> Iterator[BuildOnEngine]:
    if engine != DUCKDB:
        with spark_build(workspace, engine, progress) as spark:
            yield spark.build_tables
        return

    def build_here(connection: duckdb.DuckDBPyConnection, config: WorldConfig, progress: Progress) -> None:
        renew_tables(connection, config, progress)
        keep_only(workspace, None)  # tables that nothing reads any more

    yield build_here


@contextmanager
def _warehouse(workspace: Workspace) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_warehouse(workspace.warehouse, workspace.settings.engine) as connection:
        yield connection


def _remember_run(connection: duckdb.DuckDBPyConnection, workspace: Workspace, started: datetime) -> None:
    finished = datetime.now(UTC)
    run_id = hashlib.sha256(f"{started.isoformat()} {workspace.root}".encode()).hexdigest()[:16]
    # a step that is tried again is the same run
    connection.execute("delete from state.runs where run_id = ?", [run_id])
    first, last = connection.execute("select min(day), max(day) from lake.days").fetchall()[0]
    as_of = connection.execute(
        # data that ends within a day of the workspace leaves that day unfinished
        "select max(local_day(h.horizon_us, s.timezone)) - 1 "
        "from intermediate.horizons as h cross join config.settings as s"
    ).fetchall()[0][0]
    connection.execute(
        f"insert into state.runs ({', '.join(RUNS)}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            run_id,
            started.replace(tzinfo=None),
            finished.replace(tzinfo=None),
            first,
            last,
            run_status(connection),
            count_rows(connection, "intermediate.keyed_events"),
            (finished - started).total_seconds(),
            VERSION,
            config_hash(workspace),
            as_of,
        ],
    )
    make_state_marts(connection)
