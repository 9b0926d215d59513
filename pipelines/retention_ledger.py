"""How far retention has come, in ``lake/_retention.json``: writing it is what commits each step."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from connectors.durable_files import replace_json
from connectors.errors import LakeDamaged

LEDGER = "_retention.json"


@dataclass(frozen=True)
class RetentionLedger:
    """``raw_from`` and ``events_from``: landed files and event rows of earlier days are gone.

    ``frozen_before``: counts of earlier days are those of ``frozen`` (table -> Parquet file in
    ``lake/_frozen``) and are never made again. None: nothing has gone yet.
    """

    raw_from: date | None = None
    events_from: date | None = None
    frozen_before: date | None = None
    frozen: tuple[tuple[str, str], ...] = ()

    @property
    def lands_from(self) -> date | None:
        """The first day that may land; earlier ones were dropped."""
        return max((each for each in (self.raw_from, self.events_from) if each), default=None)


def read_retention(lake: Path) -> RetentionLedger:
    """The ledger of a lake, an empty one where nothing has gone yet. Raises LakeDamaged."""
    path = lake / LEDGER
    try:
        body = json.loads(path.read_text("utf-8"))
        return RetentionLedger(
            _day(body["raw_from"]),
            _day(body["events_from"]),
            _day(body["frozen_before"]),
            tuple((str(table), str(file)) for table, file in body["frozen"].items()),
        )
    except FileNotFoundError:
        return RetentionLedger()
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LakeDamaged(
            f"what retention has done cannot be read ({error})",
            where=path,
            remedy="Bring it back from a backup: it says which counts are frozen",
        ) from error


def write_retention(lake: Path, ledger: RetentionLedger) -> None:
    """Put the ledger in its place, whole or not at all."""

    def text(day: date | None) -> str | None:
        return day.isoformat() if day else None

    body: dict[str, Any] = {
        "raw_from": text(ledger.raw_from),
        "events_from": text(ledger.events_from),
        "frozen_before": text(ledger.frozen_before),
        "frozen": dict(ledger.frozen),
    }
    replace_json(lake / LEDGER, body)


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
