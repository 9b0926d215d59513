"""What a source remembers from pull to pull: a back-fill under way, and since when nights keep the days."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.day_range import EVERY_DAY, DayRange
from connectors.durable_files import replace_json
from connectors.landing import SourceLake

# A back-fill begun longer ago is over: who asks for its range again wants it anew.
BACK_FILL_LASTS = timedelta(hours=24)


class BackFill:
    """Remembers when a range began to be pulled anew, so that a second start of it does not begin anew."""

    def __init__(self, lake: SourceLake, dataset: str, asked: DayRange) -> None:
        self._path = lake.root / f"back-fill-{dataset}.json"
        self._range = {
            "first": asked.first.isoformat() if asked.first else None,
            "last": asked.last.isoformat() if asked.last else None,
        }
        self._is_one = asked != EVERY_DAY

    def begin(self, now: datetime) -> datetime | None:
        """Since when a day counts as pulled; None for a pull without dates."""
        if not self._is_one:
            return None
        before = _read(self._path)
        try:
            started_at = datetime.fromisoformat(before["started_at"])
            if before["range"] == self._range and timedelta() <= now - started_at < BACK_FILL_LASTS:
                return started_at
        except (ValueError, KeyError, TypeError):
            pass  # none was under way
        self._path.parent.mkdir(parents=True, exist_ok=True)
        replace_json(self._path, {"range": self._range, "started_at": now.isoformat()})
        return now

    def end(self) -> None:
        if self._is_one:
            self._path.unlink(missing_ok=True)


class NightlyReach:
    """Remembers the first day that nightly pulls keep: since then no day may be missing.

    What has landed does not tell, as a back-fill lands days of which the nights know nothing.
    """

    def __init__(self, lake: SourceLake, dataset: str) -> None:
        self._path = lake.root / f"nights-{dataset}.json"

    def first(self) -> date | None:
        """None before the first nightly pull."""
        try:
            return date.fromisoformat(_read(self._path)["first"])
        except (ValueError, KeyError, TypeError):
            return None

    def remember(self, first: date) -> None:
        if self.first() != first:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_json(self._path, {"first": first.isoformat()})


def _read(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
