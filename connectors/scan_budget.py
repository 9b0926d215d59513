"""What a pull from BigQuery scans and has scanned, days that fail included, held against its cap."""

from __future__ import annotations

import math
from datetime import date

from connectors.errors import PullTooCostly


class ScanBudget:
    """Counts bytes by day: those to read, and those that attempts which failed have read already."""

    def __init__(self, most_bytes: int, origin: str) -> None:
        self.most_bytes, self._origin = most_bytes, origin
        self._planned: dict[date, int] = {}
        self._lost: dict[date, int] = {}

    @property
    def days(self) -> int:
        return len(self._planned)

    @property
    def bytes(self) -> int:
        """Bytes that the pull scans in all, as far as it is planned."""
        return sum(self._planned.values()) + sum(self._lost.values())

    def plan(self, day: date, size: int) -> None:
        """Reading ``day`` will scan ``size`` bytes; a plan made anew takes the place of the one before."""
        self._planned[day] = size

    def lose(self, day: date, share: float) -> None:
        """An attempt at ``day`` has failed after ``share`` (in [0,1]) of its rows: that much was scanned."""
        self._lost[day] = self._lost.get(day, 0) + math.ceil(self._planned[day] * min(share, 1.0))

    def scanned(self, day: date) -> int:
        """Bytes that a day has cost once it is read."""
        return self._planned[day] + self._lost.get(day, 0)

    def check(self) -> None:
        """Raises PullTooCostly."""
        if self.bytes <= self.most_bytes:
            return
        lost = sum(self._lost.values())
        of_it = f" ({gigabytes(lost)} of it in attempts that failed)" if lost else ""
        raise PullTooCostly(
            f"reading {self.days:,} days would scan {gigabytes(self.bytes)}{of_it}, more than the "
            f"{gigabytes(self.most_bytes)} that max_gigabytes allows",
            where=self._origin,
            remedy="Raise max_gigabytes of the source, or pull fewer days at a time with --from and --to",
        )


def gigabytes(size: int) -> str:
    """Bytes in GB (10^9), with three digits that count: a small cap must not read as 0."""
    return f"{size / 1e9:,.3g} GB" if size < 1e11 else f"{size / 1e9:,.0f} GB"
