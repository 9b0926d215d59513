"""Keeps requests under a vendor's quota: no more than so many starts in any hour and in any second."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from connectors.durable_files import replace_json
from connectors.patience import Progress

HOUR_SECONDS = 3600.0
WORTH_SAYING_SECONDS = 5.0


class Pace:
    """A sliding window over the starts of requests; what other programs use up of a quota it cannot see.

    With a ``memory`` (a file, whose folder is there) the starts of the last hour are kept in it, and shared
    with every other Pace of that file, also of a later run; ``clock`` then has to be the same for all of
    them: seconds since 1970.
    """

    def __init__(
        self,
        per_hour: int,
        per_second: int,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.time,
        memory: Path | None = None,
    ) -> None:
        self._windows = ((per_hour, HOUR_SECONDS), (per_second, 1.0))
        self._starts: list[float] = []
        self._sleep, self._clock, self._memory = sleep, clock, memory

    def wait(self, what: str, progress: Progress) -> None:
        """Return when ``what`` may start, and count it as started. A long wait is told."""
        now = self._clock()
        starts = self._known(now)
        start = max([now, *(starts[-n] + span for n, span in self._windows if len(starts) >= n)])
        if start > now:
            if start - now >= WORTH_SAYING_SECONDS:
                per_hour = self._windows[0][0]
                progress(f"{what}: waiting {start - now:,.0f} s, for {per_hour} requests an hour are allowed")
            self._sleep(start - now)
        # a sleep that took longer than asked must not let the next ones come too early
        self._keep([*starts, max(start, self._clock())])

    def count(self) -> None:
        """Count a request that starts now and does not wait for its turn."""
        now = self._clock()
        self._keep(sorted([*self._known(now), now]))

    def frees_in(self) -> float | None:
        """Seconds until the oldest start of the last hour no longer counts.

        None where less than half of what an hour allows has started: then the hour is not what is used up.
        """
        now = self._clock()
        starts = self._known(now)
        if 2 * len(starts) < self._windows[0][0]:
            return None
        return max(starts[0] + HOUR_SECONDS - now, 0.0)

    def _known(self, now: float) -> list[float]:
        """The starts that still count, in order."""
        starts = self._starts if self._memory is None else self._remembered(self._memory, now)
        return sorted(start for start in starts if now - start < HOUR_SECONDS)

    @staticmethod
    def _remembered(memory: Path, now: float) -> list[float]:
        try:
            starts = [float(start) for start in json.loads(memory.read_text("utf-8"))["starts"]]
        except (OSError, ValueError, KeyError, TypeError):
            return []
        # what lies far ahead was written before the machine's clock was set back
        return [start for start in starts if start - now < 2 * HOUR_SECONDS]

    def _keep(self, starts: list[float]) -> None:
        self._starts = starts
        if self._memory is not None and self._memory.parent.is_dir():
            replace_json(self._memory, {"starts": starts})
