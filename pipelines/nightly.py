"""The night as a Prefect flow: a thin skin over the steps, with retries, limits, logs and artifacts.

Nothing is reported home when `DO_NOT_TRACK=1` (the client)
and `PREFECT_SERVER_ANALYTICS_ENABLED=false` (the server) are set; see prefect.yaml.
"""

from __future__ import annotations

import base64
import hashlib
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import httpx
from prefect import flow, get_run_logger, task
from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.assets import Asset, materialize
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, TaskRun
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists
from prefect.states import Failed
from prefect.tasks import MaterializingTask

from connectors.landing import EVERY_DAY, DayRange
from connectors.pull_report import PullReport
from pipelines import night_assets, steps
from pipelines.alerts import send_alerts
from pipelines.errors import PainpointsError
from pipelines.failed_sources import NOTHING_BUILT, FailedSource, SourcesFailed, remember_failed
from pipelines.night_retries import can_pull_again, is_storage_trouble
from pipelines.night_summary import findings_table, read_night, sentence, small_picture, summary
from pipelines.pulling import pull_source
from pipelines.sql_models import Progress
from pipelines.workspace import Workspace, open_workspace

WRITER_LIMIT = "painpoints-writer"
FINDINGS_KEY = "painpoints-findings"
SUMMARY_KEY = "painpoints-summary"
PICTURE_KEY = "painpoints-map"

# Time limits in seconds. What a pull landed before its limit stays, so the next night continues there.
# DuckDB does not hear Prefect's alarm: a limit takes effect when the statement at work has ended.
PULL_LIMIT = 3 * 3600
BUILD_LIMIT = 2 * 3600
DETECT_LIMIT = 3600
REPORT_LIMIT = 1800
ALERT_LIMIT = 600
WRITER_WAIT = 6 * 3600


# Prefect calls only real functions here: any other callable is taken as "do not retry".
def _retry_pull(_task: Any, _run: TaskRun, state: State[Any]) -> bool:
    return can_pull_again(_error_of(state))


def _retry_write(_task: Any, _run: TaskRun, state: State[Any]) -> bool:
    return is_storage_trouble(_error_of(state))


def _error_of(state: State[Any]) -> BaseException | None:
    error = state.result(raise_on_failure=False)
    return error if isinstance(error, BaseException) else None


# --- the tasks: nothing is cached, as the steps know themselves what changed ---------------------------


# Each is bound to the assets of a workspace when the flow runs, as the workspace names them.


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


def _pull_task(workspace: Workspace, source: str) -> MaterializingTask[..., PullReport]:
    return materialize(
        night_assets.lake_asset(workspace, source),
        by="painpoints",
        asset_deps=_assets(night_assets.vendor_assets(workspace.settings.sources[source])),
        name="pull",
        task_run_name=f"pull {source}",
        retries=2,
        retry_delay_seconds=[60, 240],
        retry_jitter_factor=0.5,
        retry_condition_fn=_retry_pull,
        timeout_seconds=PULL_LIMIT,
        cache_policy=NO_CACHE,
    )(_pull)


def _build_task(workspace: Workspace) -> MaterializingTask[..., steps.BuildReport]:
    return materialize(
        *night_assets.built_assets(workspace),
        by="painpoints",
        asset_deps=_assets(night_assets.lake_assets(workspace)),
        name="build",
        task_run_name="build",
        retries=1,
        retry_delay_seconds=60,
        retry_jitter_factor=0.5,
        retry_condition_fn=_retry_write,
        timeout_seconds=BUILD_LIMIT,
        cache_policy=NO_CACHE,
    )(_build)


def _detect_task(workspace: Workspace) -> MaterializingTask[..., tuple[date, ...]]:
    return materialize(
        *night_assets.judged_assets(workspace),
        by="painpoints",
        asset_deps=_assets(night_assets.built_assets(workspace)),
        name="detect",
        task_run_name="detect",
        retries=1,
        retry_delay_seconds=60,
        retry_jitter_factor=0.5,
        retry_condition_fn=_retry_write,
        timeout_seconds=DETECT_LIMIT,
        cache_policy=NO_CACHE,
    )(_detect)


def _report_task(workspace: Workspace) -> MaterializingTask[..., Path]:
    return materialize(
        night_assets.report_asset(workspace),
        by="painpoints",
        asset_deps=_assets(night_assets.judged_assets(workspace)),
        name="report",
        task_run_name="report",
        timeout_seconds=REPORT_LIMIT,
        cache_policy=NO_CACHE,
    )(_report)


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


# --- the flow ------------------------------------------------------------------------------------------


@flow(name="painpoints-nightly")
def nightly(
    workspace: str = ".", from_day: date | None = None, to_day: date | None = None
) -> State[None] | None:
    """Pull every source, build, detect, publish, report, alert, and show the night as artifacts.

    `workspace` is a folder with a painpoints.toml; a relative one counts from the current folder, which
    for a deployed run is the project's root. With `from_day` or `to_day` it is a back-fill: these days
    are pulled anew, and one that was killed goes on where it stopped.
    When a source fails the night is built from what landed and published, and the run ends as failed, under
    the name "Partial", naming the source; where all fail nothing is built, and what was published stays.
    """
    if from_day is not None and to_day is not None and from_day > to_day:
        raise PainpointsError(
            f"from_day {from_day} is after to_day {to_day}. Swap them; nothing was pulled or changed"
        )
    opened = open_workspace(Path(workspace))
    with _one_night_at_a_time(opened), opened.locked():
        started = datetime.now(UTC)
        opened.journeys  # noqa: B018 - a wrong journey is told before anything is pulled
        failed = _pull_all(opened, DayRange(from_day, to_day))
        _make_limit(WRITER_LIMIT)
        # One lease for both steps, so that no other workspace writes in between. A run that dies loses
        # its lease after five minutes; strict: one that lost it stops rather than write beside another.
        with concurrency(WRITER_LIMIT, occupy=1, timeout_seconds=WRITER_WAIT, strict=True):
            _build_task(opened)(opened)
            _detect_task(opened)(opened, started)
        written = _report_task(opened)(opened)
        _show(opened, written)
        alert(opened, return_state=True)  # what was published stands, whoever could not be told
    if failed:
        return Failed(name="Partial", message="\n".join(each.sentence() for each in failed))
    return None


def _pull_all(workspace: Workspace, days: DayRange) -> tuple[FailedSource, ...]:
    """Pull the sources one after the other; returns those that failed. Raises SourcesFailed if all did."""
    # not submitted to threads: only in the main thread does Prefect interrupt what is over its time limit
    pulled, failed = [], []
    for source, settings in workspace.settings.sources.items():
        with ExitStack() as turns:
            if account := settings.vendor_account():
                # a quota is the account's: workspaces that share one take turns on this server
                _make_limit(f"painpoints-{account}")
                turns.enter_context(
                    concurrency(f"painpoints-{account}", occupy=1, timeout_seconds=WRITER_WAIT)
                )
            state: State[Any] = cast(
                "State[Any]", _pull_task(workspace, source)(workspace, source, days, return_state=True)
            )
        if state.is_completed():
            pulled.append(source)
            continue
        reason = str(_error_of(state) or state.message)
        failed.append(FailedSource(source, workspace.today(), reason))
        get_run_logger().error("%s", failed[-1].sentence())
    remember_failed(workspace, pulled, failed)
    if not pulled:
        raise SourcesFailed(failed, NOTHING_BUILT)
    return tuple(failed)


@contextmanager
def _one_night_at_a_time(workspace: Workspace) -> Iterator[None]:
    """Wait for another run on this workspace, such as a back-fill, rather than fail at its lock."""
    digest = hashlib.sha256(str(workspace.root).encode()).hexdigest()[:10]
    name = f"painpoints-workspace-{digest}"
    _make_limit(name)
    with concurrency(name, occupy=1, timeout_seconds=WRITER_WAIT):
        yield


# --- what the night shows --------------------------------------------------------------------------------


def _show(workspace: Workspace, written: Path) -> None:
    night = read_night(workspace.published)
    create_table_artifact(
        key=FINDINGS_KEY, table=findings_table(night), description="Open pain points, the costliest first."
    )
    links = {"all findings": f"/artifacts/key/{FINDINGS_KEY}"}
    if workspace.settings.alerts.link:
        links["journey map"] = workspace.settings.alerts.link
    picture = small_picture(workspace.reports / "pictures")
    if picture is not None:
        links["picture"] = f"/artifacts/key/{PICTURE_KEY}"
        data = base64.b64encode(picture.read_bytes()).decode()
        create_image_artifact(
            f"data:image/png;base64,{data}", key=PICTURE_KEY, description=picture.stem.replace("-", " ")
        )
    create_markdown_artifact(
        key=SUMMARY_KEY, markdown=summary(night, written, links), description="The night in short."
    )
    get_run_logger().info("%s", sentence(night))


@contextmanager
def _gauge(key: str, what: str, stations: tuple[str, ...] = ()) -> Iterator[Progress]:
    """The progress of a task as an artifact; ``stations`` are how the lines begin that mark its way.

    A night does not fail because its server could not be told how far it is.
    """
    log = _progress()
    artifact: UUID | None = None
    with suppress(httpx.HTTPError):
        key = f"painpoints-{key.replace('_', '-')}"
        artifact = cast(UUID, create_progress_artifact(0.0, key=key, description=f"{what}: begun"))

    def tell(line: str) -> None:
        log(line)
        place = next((n for n, word in enumerate(stations, 1) if line.startswith(word)), None)
        if artifact is not None and place is not None:
            with suppress(httpx.HTTPError):
                update_progress_artifact(artifact, 100.0 * place / (len(stations) + 1), description=line)

    yield tell
    if artifact is not None:
        with suppress(httpx.HTTPError):
            update_progress_artifact(artifact, 100.0, description=f"{what}: done")


def _assets(keys: list[str]) -> list[str | Asset]:
    return [*keys]


def _make_limit(name: str) -> None:
    # the upsert is not atomic: the flow of another workspace may make the limit at the same moment
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.upsert_global_concurrency_limit_by_name(name, 1)


def _progress() -> Progress:
    logger: logging.Logger | logging.LoggerAdapter[Any] = get_run_logger()
    return lambda line: logger.info("%s", line)
