"""Says how a long pull is doing: rows, megabytes and their rate, every few seconds and at the end."""

from __future__ import annotations

import time
from collections.abc import Callable

Progress = Callable[[str], None]


class Meter:
    """Counts what has arrived of one piece of work and tells it through ``progress``."""

    def __init__(
        self,
        progress: Progress,
        label: str,
        *,
        every_seconds: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rows = 0
        self.bytes = 0
        self._progress, self._label = progress, label
        self._every_seconds, self._clock = every_seconds, clock
        self._started = self._told = clock()

    def add(self, rows: int, size: int) -> None:
        """Count ``rows`` and ``size`` bytes more."""
        self.rows += rows
        self.bytes += size
        if self._clock() - self._told >= self._every_seconds:
            self.tell()

    def tell(self) -> None:
        """Say where it stands."""
        self._told = self._clock()
        seconds = max(self._told - self._started, 1e-3)
        megabytes = self.bytes / 1e6
        self._progress(
            f"{self._label}, {self.rows:,} rows, {megabytes:,.1f} MB, {megabytes / seconds:,.1f} MB/s"
        )
