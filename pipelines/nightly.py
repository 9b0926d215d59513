"""The night as a Prefect flow: a thin skin over the steps, with retries, limits, logs and artifacts.

Nothing is reported home when `DO_NOT_TRACK=1` (the client)
and `PREFECT_SERVER_ANALYTICS_ENABLED=false` (the server) are set; see prefect.yaml.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast

from prefect import flow, get_run_logger
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectAlreadyExists
from prefect.states import Failed

from connectors.day_range import DayRange
from pipelines.errors import PainpointsError
from pipelines.failed_sources import NOTHING_BUILT, FailedSource, SourcesFailed, remember_failed
from pipelines.night_artifacts import show_night
from pipelines.night_tasks import alert, build_task, detect_task, error_of, pull_task, report_task
from pipelines.workspace import Workspace, open_workspace

WRITER_LIMIT = "painpoints-writer"
WRITER_WAIT = 6 * 3600  # seconds


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
            build_task(opened)(opened)
            detect_task(opened)(opened, started)
        written = report_task(opened)(opened)
        show_night(opened, written)
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
                "State[Any]", pull_task(workspace, source)(workspace, source, days, return_state=True)
            )
        if state.is_completed():
            pulled.append(source)
            continue
        reason = str(error_of(state) or state.message)
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


def _make_limit(name: str) -> None:
    # the upsert is not atomic: the flow of another workspace may make the limit at the same moment
    with get_client(sync_client=True) as client, suppress(ObjectAlreadyExists):
        client.upsert_global_concurrency_limit_by_name(name, 1)
