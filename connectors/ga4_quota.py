"""What is left of the Data API's tokens, and who is to be told.

An answer says how many tokens it took and how many are left, never how many there are in all
(https://developers.google.com/analytics/devguides/reporting/data/v1/rest/v1beta/PropertyQuota), and
that differs by property and has changed. So the most ever seen counts as all, and is remembered.
"""

from __future__ import annotations

import json
from pathlib import Path

from google.analytics import data_v1alpha, data_v1beta

from connectors.durable_files import replace_json

NEARLY_USED_UP = 0.1

_GROUPS = {
    "tokens_per_day": "today",
    "tokens_per_hour": "this hour",
    "tokens_per_project_per_hour": "this hour to the key's project",
}


class Quota:
    """The tokens left by kind of report ("report", "funnel": each has tokens of its own)."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._left: dict[tuple[str, str], int] = {}
        self._most = self._read()

    def note(self, kind: str, said: data_v1alpha.PropertyQuota | data_v1beta.PropertyQuota) -> None:
        """Remember what an answer said."""
        for group in _GROUPS:
            if group in said:
                status = getattr(said, group)
                self._left[kind, group] = status.remaining
                key = f"{kind} {group}"
                self._most[key] = max(self._most.get(key, 0), status.remaining + status.consumed)

    def is_used_up_today(self, kind: str) -> bool:
        return self._left.get((kind, "tokens_per_day"), 1) <= 0

    def sentences(self) -> tuple[str, ...]:
        """What is left for today, one sentence a kind of report."""
        return tuple(
            f"{left:,} {kind} tokens left today"
            for (kind, group), left in self._left.items()
            if group == "tokens_per_day"
        )

    def warnings(self) -> tuple[str, ...]:
        """A sentence for each quota of which less than a tenth is left."""
        return tuple(
            f"only {left:,} of {most:,} {kind} tokens left {_GROUPS[group]}; everything that asks for this "
            "property shares them"
            for (kind, group), left in self._left.items()
            if left < NEARLY_USED_UP * (most := self._most[f"{kind} {group}"])
        )

    def save(self) -> None:
        """Keep the most ever seen."""
        if self._path is not None and self._left:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_json(self._path, self._most)

    def _read(self) -> dict[str, int]:
        try:
            said = json.loads(self._path.read_text("utf-8")) if self._path else {}
            return {str(key): int(value) for key, value in said.items()}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}  # it is learnt anew
