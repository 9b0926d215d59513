"""Keeps requests under a vendor's quota: no more than so many starts in any hour and in any second."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from connectors.patience import Progress

WORTH_SAYING_SECONDS = 5.0


class Pace:
    """A sliding window over the starts of this process; quotas that other programs use up it cannot see."""

    def __init__(
        self,
        per_hour: int,
        per_second: int,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._windows = ((per_hour, 3600.0), (per_second, 1.0))
        self._starts: deque[float] = deque(maxlen=max(per_hour, per_second))
        self._sleep, self._clock = sleep, clock

    def wait(self, what: str, progress: Progress) -> None:
        """Return when ``what`` may start, and count it as started. A long wait is told."""
        now = self._clock()
        start = max([now, *(self._starts[-n] + span for n, span in self._windows if len(self._starts) >= n)])
        if start > now:
            if start - now >= WORTH_SAYING_SECONDS:
                per_hour = self._windows[0][0]
                progress(f"{what}: waiting {start - now:,.0f} s, for {per_hour} requests an hour are allowed")
            self._sleep(start - now)
        # a sleep that took longer than asked must not let the next ones come too early
        self._starts.append(max(start, self._clock()))
