"""The night as a Prefect flow: a thin skin over the steps, with retries, limits, logs and artifacts.

The only module that imports prefect. Nothing is reported home when `DO_NOT_TRACK=1` (the client)
and `PREFECT_SERVER_ANALYTICS_ENABLED=false` (the server) are set; see prefect.yaml.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, TaskRun
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists

from connectors.errors import QuotaExhausted, SourceError
from connectors.landing import EVERY_DAY, DayRange
from connectors.pull_report import PullReport
from pipelines import steps
from pipelines.errors import PainpointsError
from pipelines.night_summary import findings_table, read_night, sentence, summary
from pipelines.pulling import pull_source
from pipelines.sql_models import Progress
from pipelines.workspace import Workspace, open_workspace

WRITER_LIMIT = "painpoints-writer"
FINDINGS_KEY = "painpoints-findings"
SUMMARY_KEY = "painpoints-summary"

# Time limits in seconds. What a pull landed before its limit stays, so the next night continues there.
# DuckDB does not hear Prefect's alarm: a limit takes effect when the statement at work has ended.
PULL_LIMIT = 3 * 3600
BUILD_LIMIT = 2 * 3600
DETECT_LIMIT = 3600
REPORT_LIMIT = 1800
WRITER_WAIT = 6 * 3600
WORTH_WAITING_SECONDS = 600.0


# --- which errors are worth another try -------------------------------------------------------------


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from, outermost first."""
    while error is not None:
        yield error
        error = error.__cause__


def can_pull_again(error: BaseException | None) -> bool:
    """Whether waiting may help: a wrong config or a foreign file is as wrong in five minutes.

    A vendor that asks to wait for longer than the delays of a task is asked on the next night.
    """
    if isinstance(error, QuotaExhausted) and (error.retry_after_seconds or 0.0) > WORTH_WAITING_SECONDS:
        return False
    if isinstance(error, SourceError):
        return error.waiting_may_help
    return not isinstance(error, PainpointsError)


def is_storage_trouble(error: BaseException | None) -> bool:
    """Whether a disk or a lock on a file is behind the error, as when an analyst has the file open."""
    return any(isinstance(each, OSError | duckdb.IOException) for each in causes(error))


# Prefect calls only real functions here: any other callable is taken as "do not retry".
def _retry_pull(_task: Any, _run: TaskRun, state: State[Any]) -> bool:
    return can_pull_again(_error_of(state))


def _retry_write(_task: Any, _run: TaskRun, state: State[Any]) -> bool:
    return is_storage_trouble(_error_of(state))


def _error_of(state: State[Any]) -> BaseException | None:
    error = state.result(raise_on_failure=False)
    return error if isinstance(error, BaseException) else None


# --- the tasks: nothing is cached, as the steps know themselves what changed ---------------------------


@task(
    name="pull",
    task_run_name="pull {source}",
    retries=2,
    retry_delay_seconds=[60, 240],
    retry_jitter_factor=0.5,
    retry_condition_fn=_retry_pull,
    timeout_seconds=PULL_LIMIT,
    cache_policy=NO_CACHE,
)
def pull_one(workspace: Workspace, source: str, days: DayRange = EVERY_DAY) -> PullReport:
    """Land what is new of one source and falls into ``days``."""
    report = pull_source(workspace, source, _progress(), days)
    logger = get_run_logger()
    logger.info("%s", report.sentence())
    for remark in report.remarks:
        logger.warning("%s: %s", source, remark)
    return report


@task(
    name="build",
    task_run_name="build",
    retries=1,
    retry_delay_seconds=60,
    retry_jitter_factor=0.5,
    retry_condition_fn=_retry_write,
    timeout_seconds=BUILD_LIMIT,
    cache_policy=NO_CACHE,
)
def build(workspace: Workspace) -> steps.BuildReport:
    """Rebuild the tables of the working file. Publishing waits for detect: nobody sees half a night."""
    return steps.build(workspace, _progress(), publishes=False)


@task(
    name="detect",
    task_run_name="detect",
    retries=1,
    retry_delay_seconds=60,
    retry_jitter_factor=0.5,
    retry_condition_fn=_retry_write,
    timeout_seconds=DETECT_LIMIT,
    cache_policy=NO_CACHE,
)
def detect(workspace: Workspace, started: datetime) -> tuple[date, ...]:
    """Judge the nights, remember the run, publish: the second half of `steps.run`."""
    return steps.detect(workspace, _progress(), started=started)


@task(name="report", task_run_name="report", timeout_seconds=REPORT_LIMIT, cache_policy=NO_CACHE)
def report(workspace: Workspace) -> Path:
    """Write the journey map of the published file."""
    return steps.report(workspace)


# --- the flow ------------------------------------------------------------------------------------------


@flow(name="painpoints-nightly")
def nightly(workspace: str = ".", from_day: date | None = None, to_day: date | None = None) -> None:
    """Pull every source, build, detect, publish, report, and show the night as two artifacts.

    `workspace` is a folder with a painpoints.toml; a relative one counts from the current folder, which
    for a deployed run is the project's root. With `from_day` or `to_day` it is a back-fill: these days
    are pulled anew, and one that was killed goes on where it stopped.
    When a source fails the others still land, nothing is built, and what was published stays.
    """
    if from_day is not None and to_day is not None and from_day > to_day:
        raise PainpointsError(
            f"from_day {from_day} is after to_day {to_day}. Swap them; nothing was pulled or changed"
        )
    opened = open_workspace(Path(workspace))
    with opened.locked():
        started = datetime.now(UTC)
        opened.journeys  # noqa: B018 - a wrong journey is told before anything is pulled
        _pull_all(opened, DayRange(from_day, to_day))
        _make_limit(WRITER_LIMIT)
        # One lease for both steps, so that no other workspace writes in between. A run that dies loses
        # its lease after five minutes; strict: one that lost it stops rather than write beside another.
        with concurrency(WRITER_LIMIT, occupy=1, timeout_seconds=WRITER_WAIT, strict=True):
            build(opened)
            detect(opened, started)
        written = report(opened)
    night = read_night(opened.published)
    create_table_artifact(
        key=FINDINGS_KEY, table=findings_table(night), description="Open pain points, the costliest first."
    )
    create_markdown_artifact(
        key=SUMMARY_KEY, markdown=summary(night, written), description="The night in short."
    )
    get_run_logger().info("%s", sentence(night))


def _pull_all(workspace: Workspace, days: DayRange) -> None:
    """Pull the sources one after the other. Raises PainpointsError that starts with those that failed."""
    # not submitted to threads: only in the main thread does Prefect interrupt what is over its time limit
    failures = []
    for source, settings in workspace.settings.sources.items():
        with ExitStack() as turns:
            if account := settings.vendor_account():
                # a quota is the account's: workspaces that share one take turns on this server
                _make_limit(f"painpoints-{account}")
                turns.enter_context(
                    concurrency(f"painpoints-{account}", occupy=1, timeout_seconds=WRITER_WAIT)
                )
            state = pull_one(workspace, source, days, return_state=True)
        if not state.is_completed():
            failures.append(f"source {source}: {_error_of(state) or state.message}")
            get_run_logger().error("%s", failures[-1])
    if failures:
        failures.append("Nothing was built; what was published before is as it was")
        raise PainpointsError("\n".join(failures))


def _make_limit(name: str) -> None:
    # the upsert is not atomic: the flow of another workspace may make the limit at the same moment
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.upsert_global_concurrency_limit_by_name(name, 1)


def _progress() -> Progress:
    logger: logging.Logger | logging.LoggerAdapter[Any] = get_run_logger()
    return lambda line: logger.info("%s", line)
