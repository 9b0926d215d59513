"""The landing zone: what a vendor sent, one folder a day, each with a manifest.

``lake/<source>/date=YYYY-MM-DD/`` holds *parts* and ``manifest.json``. A part belongs to the day only
once the manifest lists it, and the manifest is replaced in one rename: a day is there whole or not at
all, whenever the program is killed. Part names come from their content, so landing the same bytes
again leaves the day's version as it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

from connectors.day_range import EVERY_DAY, DayRange
from connectors.manifest import DROPPED, MANIFEST, Manifest, Part, put_part, read_manifest, write_manifest


@dataclass(frozen=True)
class Incoming:
    """A file written aside, to become a part of ``day``."""

    day: date
    dataset: str
    path: Path
    rows: int


class Gate(Protocol):
    """What keeps days and rows from landing: retention, and people who were forgotten."""

    def lets_in(self, day: date) -> bool:
        """Whether a day may land at all."""

    def screen(self, path: Path) -> int:
        """Take rows out of a file that is about to land; returns how many."""


class SourceLake:
    """The landed days of one source; without a ``gate`` everything lands."""

    def __init__(self, lake: Path, source: str, gate: Gate | None = None) -> None:
        self.source = source
        self.root = lake / source
        self.gate = gate

    def lets_in(self, day: date) -> bool:
        """Whether a day may land: retention may have dropped it for good."""
        return self.gate is None or self.gate.lets_in(day)

    def days(self) -> dict[date, Manifest]:
        """The landed days in order. Raises LakeDamaged when a part is missing or has another size."""
        found = (read_manifest(path) for path in self.root.glob(f"date=*/{MANIFEST}"))
        return {manifest.day: manifest for manifest in sorted(found, key=lambda each: each.day)}

    def part_paths(self, manifest: Manifest, dataset: str) -> list[Path]:
        """The files of a dataset that are still there: retention may have let them go."""
        folder = self.folder(manifest.day)
        return [
            folder / part.file
            for part in manifest.parts
            if part.dataset == dataset and DROPPED not in part.flags
        ]

    def drop_parts(self, manifest: Manifest, datasets: Collection[str]) -> int:
        """Let the files of some datasets of a landed day go; returns their bytes.

        The day stays landed, with its version: what was made of it is still what it says.
        """
        parts = tuple(
            replace(part, flags={**part.flags, DROPPED: "by retention"}) if part.dataset in datasets else part
            for part in manifest.parts
        )
        gone = [new for old, new in zip(manifest.parts, parts, strict=True) if new.flags != old.flags]
        if gone:
            write_manifest(self.folder(manifest.day), replace(manifest, parts=parts))
        return sum(part.bytes for part in gone)

    def incoming_folder(self) -> Path:
        """An empty folder to write parts into before they are landed; left-overs of a crash go."""
        folder = self.root / "incoming.part"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def land(self, origin: str, incoming: Iterable[Incoming], days: DayRange = EVERY_DAY) -> list[date]:
        """Replace what ``origin`` brought of ``days`` with ``incoming``; returns the days that changed.

        A dataset of a day is a vendor's or comes in files: what a pull day by day landed of it goes.
        """
        by_day: dict[date, list[Incoming]] = {}
        for each in incoming:
            if each.day in days and self.lets_in(each.day):
                by_day.setdefault(each.day, []).append(each)
        landed = self.days()
        had_it = {
            day
            for day, manifest in landed.items()
            if day in days
            and self.lets_in(day)  # what retention dropped stays as it is
            and any(part.origin == origin for part in manifest.parts)
        }
        changed = []
        for day in sorted(had_it | by_day.keys()):
            before = landed.get(day)
            brought = {each.dataset for each in by_day.get(day, ())}
            kept = tuple(
                part
                for part in (before.parts if before else ())
                if part.origin != origin and not (part.seen_at and part.dataset in brought)
            )
            new = tuple(self._adopt(origin, each) for each in by_day.get(day, ()))
            after = Manifest(self.source, day, kept + new, datetime.now(UTC))
            if before is None or before.version != after.version:
                changed.append(day)
            if after.parts:
                write_manifest(self.folder(after.day), after)
            else:  # nothing is left of the day: it has not landed any more
                (self.folder(day) / MANIFEST).unlink()
                shutil.rmtree(self.folder(day))
        return changed

    def land_day(
        self,
        day: date,
        dataset: str,
        incoming: Sequence[Incoming],
        *,
        origin: str,
        seen_at: datetime,
        flags: Mapping[str, str] | None = None,
    ) -> bool:
        """Replace all that had landed of ``dataset`` and ``day``; returns whether the content changed.

        A day without events lands too, as a part without rows: the vendor has said so. One that retention
        has dropped does not land again.
        """
        if not self.lets_in(day):
            return False
        before = self.day(day)
        kept = tuple(part for part in before.parts if part.dataset != dataset) if before else ()
        new = tuple(
            replace(self._adopt(origin, each), seen_at=seen_at.isoformat(), flags=dict(flags or {}))
            for each in incoming
        )
        after = Manifest(self.source, day, kept + new, datetime.now(UTC))
        write_manifest(self.folder(after.day), after)
        return before is None or before.version != after.version

    def confirm_day(self, day: date, dataset: str, *, seen_at: datetime, flags: Mapping[str, str]) -> None:
        """Remember that the vendor's ``dataset`` of a landed ``day`` is still as it landed."""
        manifest = read_manifest(self.folder(day) / MANIFEST)
        parts = tuple(
            replace(part, seen_at=seen_at.isoformat(), flags=dict(flags)) if part.dataset == dataset else part
            for part in manifest.parts
        )
        write_manifest(self.folder(manifest.day), replace(manifest, parts=parts))

    def day(self, day: date) -> Manifest | None:
        """What has landed of one day. Raises LakeDamaged."""
        path = self.folder(day) / MANIFEST
        return read_manifest(path) if path.exists() else None

    def _adopt(self, origin: str, incoming: Incoming) -> Part:
        if self.gate is not None:
            incoming = replace(incoming, rows=incoming.rows - self.gate.screen(incoming.path))
        folder = self.folder(incoming.day)
        folder.mkdir(parents=True, exist_ok=True)
        part = Part(incoming.path.name, incoming.dataset, incoming.rows, 0, "", origin)
        return put_part(incoming.path, folder, part)

    def folder(self, day: date) -> Path:
        """The folder of a landed day."""
        return self.root / f"date={day.isoformat()}"
