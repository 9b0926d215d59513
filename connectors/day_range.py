"""A range of days, open at either end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class DayRange:
    """The days from ``first`` to ``last``, both included; None leaves an end open."""

    first: date | None = None
    last: date | None = None

    def __contains__(self, day: date) -> bool:
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)


EVERY_DAY = DayRange()
