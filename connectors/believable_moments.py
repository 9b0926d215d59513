"""When an event may have happened: what is dated before all tools, or at the end of time, is no date."""

from __future__ import annotations

from datetime import UTC, datetime

EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
# databases write 9999-12-31 for "never", and the day after it does not exist
LATEST_YEAR = 9998


class MomentUnbelievable(ValueError):
    """A moment at which no event happens: an empty date, or another unit than was thought."""


def believable(moment: datetime) -> datetime:
    """``moment`` itself. Raises MomentUnbelievable, a ValueError, for one before 1990 or after 9998."""
    if moment < EARLIEST:
        raise MomentUnbelievable(f"{moment:%Y-%m-%d} is before 1990")
    if moment.year > LATEST_YEAR:
        raise MomentUnbelievable(f"{moment:%Y-%m-%d} means never")
    return moment
