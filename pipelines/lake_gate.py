"""What keeps days and rows out of the lake: retention's first day, and the ledger of forgotten people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from connectors.forgotten_ledger import Ledger
from connectors.forgotten_rows import without_forgotten
from connectors.row_people import PeopleOf
from pipelines.placeholders import PLACEHOLDER_IDS
from pipelines.source_settings import HotjarSource, Source, TableSource


@dataclass(frozen=True)
class LakeGate:
    """The gate of one source (connectors.landing.Gate); days before ``first_day`` do not land."""

    people: PeopleOf
    ledger: Ledger
    first_day: date | None = None

    def lets_in(self, day: date) -> bool:
        return self.first_day is None or day >= self.first_day

    def screen(self, path: Path) -> int:
        return without_forgotten(path, self.people, self.ledger)


def people_of(name: str, source: Source | None) -> PeopleOf:
    """Where the rows of a source say whose they are; None for a source that the config has no more."""
    columns: Mapping[str, str] = {}
    constants: Mapping[str, str] = {}
    if isinstance(source, TableSource):
        columns, constants = source.layout().landed_as(), source.constants
    elif isinstance(source, HotjarSource) and source.user_id is not None:
        columns = {"user_id": source.user_id}
    kind = source.kind if source is not None else None
    return PeopleOf(name, kind, columns, constants, frozenset(PLACEHOLDER_IDS))
