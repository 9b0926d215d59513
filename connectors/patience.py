"""How a source waits for a vendor that is busy or broken: as told, else longer each time, never for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from connectors.errors import QuotaExhausted, SourceError

Result = TypeVar("Result")
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Patience:
    """``attempts`` in all; who asks to wait for more than ``longest_wait_seconds`` is left alone."""

    attempts: int = 5
    first_wait_seconds: float = 2.0
    longest_wait_seconds: float = 900.0
    sleep: Callable[[float], None] = time.sleep

    def call(self, what: str, do: Callable[[], Result], progress: Progress) -> Result:
        """The result of ``do``, tried again after errors that waiting may help. Raises the last SourceError.

        ``what`` names the work in the progress line that says why and how long it waits.
        """
        backoff = wait_random_exponential(multiplier=self.first_wait_seconds, max=self.longest_wait_seconds)

        def wait(state: RetryCallState) -> float:
            told = _told_wait(_error_of(state))
            return backoff(state) if told is None else told

        def say(state: RetryCallState) -> None:
            error = _error_of(state)
            seconds = state.next_action.sleep if state.next_action else 0.0
            reason = error.what if isinstance(error, SourceError) else repr(error)
            progress(f"{what}: {reason}; trying again in {seconds:,.0f} s")

        retrying = Retrying(
            retry=retry_if_exception(self._is_worth_waiting_for),
            stop=stop_after_attempt(self.attempts),
            wait=wait,
            sleep=self.sleep,
            before_sleep=say,
            reraise=True,
        )
        return retrying(do)

    def _is_worth_waiting_for(self, error: BaseException) -> bool:
        if not isinstance(error, SourceError) or not error.waiting_may_help:
            return False
        return (_told_wait(error) or 0.0) <= self.longest_wait_seconds


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _told_wait(error: BaseException | None) -> float | None:
    return error.retry_after_seconds if isinstance(error, QuotaExhausted) else None
