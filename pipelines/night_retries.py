"""Which errors of a night are worth another try."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb

from connectors.errors import QuotaExhausted, SourceError
from pipelines.errors import PainpointsError

WORTH_WAITING_SECONDS = 600.0


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
