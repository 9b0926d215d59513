"""The tasks of a night, each bound to the assets of its workspace when the flow runs.

Nothing is cached: the steps know themselves what changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
from prefect import get_run_logger, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.assets import materialize
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import MaterializingTask

from connectors.day_range import EVERY_DAY, DayRange
from connectors.pull_report import PullReport
from pipelines import night_assets, steps
from pipelines.alerts import send_alerts
from pipelines.night_retries import can_pull_again, is_storage_trouble
from pipelines.pulling import pull_source
from pipelines.sql_models import Progress
from pipelines.workspace import Workspace

# Time limits in seconds. What a pull landed before its limit stays, so the next night continues there.
# DuckDB does not hear Prefect's alarm: a limit takes effect when the statement at work has ended.
PULL_LIMIT = 3 * 3600
BUILD_LIMIT = 2 * 3600
DETECT_LIMIT = 3600
REPORT_LIMIT = 1800
ALERT_LIMIT = 600


# Prefect calls only real functions here: any other callable is taken as "do not retry".
def _retry_pull(_task: Any, _run: TaskRun, state: State[Any]) -> bool:
    return can_pull_again(error_of(state))


def _retry_write(_task: Any, _run: TaskRun, state: State[Any]) -> bool:
    return is_storage_trouble(error_of(state))


def error_of(state: State[Any]) -> BaseException | None:
    """What a task failed with, None where Prefect itself ended it."""
    error = state.result(raise_on_failure=False)
    return error if isinstance(error, BaseException) else None


_WRITES: dict[str, Any] = {
    "retries": 1,
    "retry_delay_seconds": 60,
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _retry_write,
}


def _pull(workspace: Workspace, source: str, days: DayRange = EVERY_DAY) -> PullReport:
    """Land what is new of one source and falls into ``days``."""
    with _gauge(f"pull-{source}", f"pull {source}") as tell:
        report = pull_source(workspace, source, tell, days)
    logger = get_run_logger()
    logger.info("%s", report.sentence())
    for remark in report.remarks:
        logger.warning("%s: %s", source, remark)
    return report


def _build(workspace: Workspace) -> steps.BuildReport:
    """Rebuild the tables of the working file. Publishing waits for detect: nobody sees half a night."""
    with _gauge("build", "build", ("staging", "building", "checking")) as tell:
        return steps.build(workspace, tell, publishes=False)


def _detect(workspace: Workspace, started: datetime) -> tuple[date, ...]:
    """Judge the nights, remember the run, publish: the second half of `steps.run`."""
    with _gauge("detect", "detect", ("judged", "published")) as tell:
        return steps.detect(workspace, tell, started=started)


def _report(workspace: Workspace) -> Path:
    """Write the journey map of the published file."""
    with _gauge("report", "report"):
        return steps.report(workspace)


def pull_task(workspace: Workspace, source: str) -> MaterializingTask[..., PullReport]:
    """The pull of one source, tried again where waiting may help."""
    options = _options("pull", f"pull {source}", PULL_LIMIT) | {
        "retries": 2,
        "retry_delay_seconds": [60, 240],
        "retry_jitter_factor": 0.5,
        "retry_condition_fn": _retry_pull,
    }
    made = night_assets.lake_asset(workspace, source)
    read = night_assets.vendor_assets(workspace.settings.sources[source])
    return materialize(made, asset_deps=[*read], **options)(_pull)


def build_task(workspace: Workspace) -> MaterializingTask[..., steps.BuildReport]:
    """The build, tried again where the disk or a lock was in the way."""
    made, read = night_assets.built_assets(workspace), night_assets.lake_assets(workspace)
    return materialize(*made, asset_deps=[*read], **_options("build", "build", BUILD_LIMIT), **_WRITES)(
        _build
    )


def detect_task(workspace: Workspace) -> MaterializingTask[..., tuple[date, ...]]:
    """Detect and publish, tried again as the build is."""
    made, read = night_assets.judged_assets(workspace), night_assets.built_assets(workspace)
    return materialize(*made, asset_deps=[*read], **_options("detect", "detect", DETECT_LIMIT), **_WRITES)(
        _detect
    )


def report_task(workspace: Workspace) -> MaterializingTask[..., Path]:
    """The journey map of what was published."""
    made, read = night_assets.report_asset(workspace), night_assets.judged_assets(workspace)
    return materialize(made, asset_deps=[*read], **_options("report", "report", REPORT_LIMIT))(_report)


def _options(name: str, run_name: str, limit_seconds: int) -> dict[str, Any]:
    return {
        "by": "painpoints",
        "name": name,
        "task_run_name": run_name,
        "timeout_seconds": limit_seconds,
        "cache_policy": NO_CACHE,
    }


@task(name="alert", task_run_name="alert", timeout_seconds=ALERT_LIMIT, cache_policy=NO_CACHE)
def alert(workspace: Workspace) -> None:
    """Tell people what is new. A receiver that cannot be reached is a warning, no failed night."""
    told = send_alerts(workspace)
    logger = get_run_logger()
    if told is None:
        logger.info("no night was judged yet, so there is nothing to tell")
        return
    for receiver, count in told.sent.items():
        logger.info("told %s: %s", receiver, f"{count} news" if count else "nothing new")
    for remark in told.remarks:
        logger.warning("%s", remark)


@contextmanager
def _gauge(key: str, what: str, stations: tuple[str, ...] = ()) -> Iterator[Progress]:
    """The progress of a task as an artifact; ``stations`` are how the lines begin that mark its way.

    A night does not fail because its server could not be told how far it is.
    """
    logger = get_run_logger()
    artifact: UUID | None = None
    with suppress(httpx.HTTPError):
        key = f"painpoints-{key.replace('_', '-')}"
        artifact = cast(UUID, create_progress_artifact(0.0, key=key, description=f"{what}: begun"))

    def tell(line: str) -> None:
        logger.info("%s", line)
        place = next((n for n, word in enumerate(stations, 1) if line.startswith(word)), None)
        if artifact is not None and place is not None:
            with suppress(httpx.HTTPError):
                update_progress_artifact(artifact, 100.0 * place / (len(stations) + 1), description=line)

    yield tell
    if artifact is not None:
        with suppress(httpx.HTTPError):
            update_progress_artifact(artifact, 100.0, description=f"{what}: done")
