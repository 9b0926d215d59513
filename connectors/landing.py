"""The landing zone: what a vendor sent, one folder a day, each with a manifest.

``lake/<source>/date=YYYY-MM-DD/`` holds *parts* and ``manifest.json``. A part belongs to the day only
once the manifest lists it, and the manifest is replaced in one rename: a day is there whole or not at
all, whenever the program is killed. Part names come from their content, so landing the same bytes
again leaves the day's version as it was.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

from connectors.durable_files import replace_json, sha256_of, sync_file
from connectors.errors import LakeDamaged

MANIFEST = "manifest.json"
DAMAGE_REMEDY = "Delete its folder and the source's files.json, then pull again"
PARTIAL = "partial"
DROPPED = "dropped"
PEOPLE_DATASETS = ("events", "recordings", "surveys", "responses")


@dataclass(frozen=True)
class Part:
    """One file of a landed day: ``rows`` of ``dataset`` that came from ``origin``."""

    file: str
    dataset: str
    rows: int
    bytes: int
    sha256: str
    origin: str
    seen_at: str = ""
    flags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Manifest:
    """What one landed day consists of.

    ``seen_at`` of a part (ISO, UTC) is when the vendor last said that this is the day; its ``flags`` keep
    the vendor's own words (table, last change, sampling, thresholds). The flag ``partial`` says that more
    of the day is to come, ``dropped`` that retention let the part's file go.
    """

    source: str
    day: date
    parts: tuple[Part, ...]
    landed_at: datetime

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def version(self) -> str:
        """A digest of the day's content, the same whenever and from wherever it was landed."""
        return self.version_of({part.dataset for part in self.parts})

    def version_of(self, datasets: Collection[str]) -> str:
        """A digest of the content of some datasets of the day."""
        names = sorted(f"{part.dataset}/{part.sha256}" for part in self.parts if part.dataset in datasets)
        return hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]

    def parts_of(self, dataset: str) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if part.dataset == dataset)


@dataclass(frozen=True)
class Incoming:
    """A file written aside, to become a part of ``day``."""

    day: date
    dataset: str
    path: Path
    rows: int


@dataclass(frozen=True)
class DayRange:
    """The days from ``first`` to ``last``, both included; None leaves an end open."""

    first: date | None = None
    last: date | None = None

    def __contains__(self, day: date) -> bool:
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)


EVERY_DAY = DayRange()


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
        self._gate = gate

    def lets_in(self, day: date) -> bool:
        """Whether a day may land: retention may have dropped it for good."""
        return self._gate is None or self._gate.lets_in(day)

    def days(self) -> dict[date, Manifest]:
        """The landed days in order. Raises LakeDamaged when a part is missing or has another size."""
        found = (self._read_manifest(path) for path in self.root.glob(f"date=*/{MANIFEST}"))
        return {manifest.day: manifest for manifest in sorted(found, key=lambda each: each.day)}

    def part_paths(self, manifest: Manifest, dataset: str) -> list[Path]:
        """The files of a dataset that are still there: retention may have let them go."""
        folder = self._folder(manifest.day)
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
            self._write_manifest(replace(manifest, parts=parts))
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
                self._write_manifest(after)
            else:  # nothing is left of the day: it has not landed any more
                (self._folder(day) / MANIFEST).unlink()
                shutil.rmtree(self._folder(day))
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
        self._write_manifest(after)
        return before is None or before.version != after.version

    def confirm_day(self, day: date, dataset: str, *, seen_at: datetime, flags: Mapping[str, str]) -> None:
        """Remember that the vendor's ``dataset`` of a landed ``day`` is still as it landed."""
        manifest = self._read_manifest(self._folder(day) / MANIFEST)
        parts = tuple(
            replace(part, seen_at=seen_at.isoformat(), flags=dict(flags)) if part.dataset == dataset else part
            for part in manifest.parts
        )
        self._write_manifest(replace(manifest, parts=parts))

    def day(self, day: date) -> Manifest | None:
        """What has landed of one day. Raises LakeDamaged."""
        path = self._folder(day) / MANIFEST
        return self._read_manifest(path) if path.exists() else None

    def screen_day(self, manifest: Manifest) -> int:
        """Take out of a landed day the rows that may not land any more; returns how many.

        A crash leaves the old day or the new one. Files that no manifest lists go in any case: a crash may
        have left what had been taken out.
        """
        screened = self.root / "screened.part"
        folder, dropped, parts = self._folder(manifest.day), 0, []
        for part in manifest.parts:
            path = folder / part.file
            if self._gate is None or not path.exists():
                parts.append(part)
                continue
            screened.unlink(missing_ok=True)
            os.link(
                path, screened
            )  # screening swaps in a new file; this one stays until the manifest changes
            rows = self._gate.screen(screened)
            dropped += rows
            parts.append(self._renewed(part, screened, manifest.day, rows) if rows else part)
        screened.unlink(missing_ok=True)
        listed = {part.file for part in parts if DROPPED not in part.flags} | {MANIFEST}
        if dropped or any(path.name not in listed for path in folder.iterdir()):
            self._write_manifest(replace(manifest, parts=tuple(parts)))
        return dropped

    def rows_to_screen(self, manifest: Manifest) -> int:
        """How many rows of a landed day may not be there; nothing is changed."""
        screened, rows = self.root / "screened.part", 0
        for part in manifest.parts:
            path = self._folder(manifest.day) / part.file
            if self._gate is not None and path.exists():
                screened.unlink(missing_ok=True)
                os.link(path, screened)
                rows += self._gate.screen(screened)
        screened.unlink(missing_ok=True)
        return rows

    def _renewed(self, part: Part, content: Path, day: date, rows: int) -> Part:
        digest = sha256_of(content)
        name = f"{part.dataset}-{digest[:16]}{''.join(Path(part.file).suffixes[-2:])}"
        size = content.stat().st_size
        sync_file(content)
        os.replace(content, self._folder(day) / name)
        return replace(part, file=name, rows=part.rows - rows, bytes=size, sha256=digest)

    def _adopt(self, origin: str, incoming: Incoming) -> Part:
        if self._gate is not None:
            incoming = replace(incoming, rows=incoming.rows - self._gate.screen(incoming.path))
        digest = sha256_of(incoming.path)
        name = f"{incoming.dataset}-{digest[:16]}{''.join(incoming.path.suffixes[-2:])}"
        folder = self._folder(incoming.day)
        folder.mkdir(parents=True, exist_ok=True)
        size = incoming.path.stat().st_size
        sync_file(incoming.path)
        os.replace(incoming.path, folder / name)
        return Part(name, incoming.dataset, incoming.rows, size, digest, origin)

    def _write_manifest(self, manifest: Manifest) -> None:
        folder = self._folder(manifest.day)
        body = asdict(manifest) | {
            "day": manifest.day.isoformat(),
            "landed_at": manifest.landed_at.isoformat(),
            "rows": manifest.rows,
        }
        replace_json(folder / MANIFEST, body)
        listed = {part.file for part in manifest.parts if DROPPED not in part.flags} | {MANIFEST}
        for path in folder.iterdir():
            if path.name not in listed:
                path.unlink()

    def _read_manifest(self, path: Path) -> Manifest:
        try:
            body = json.loads(path.read_text("utf-8"))
            parts = tuple(Part(**part) for part in body["parts"])
            for part in parts:
                if DROPPED not in part.flags and (path.parent / part.file).stat().st_size != part.bytes:
                    raise OSError(f"{part.file} has another size than it was landed with")
            return Manifest(
                body["source"],
                date.fromisoformat(body["day"]),
                parts,
                datetime.fromisoformat(body["landed_at"]),
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LakeDamaged(
                f"this landed day cannot be read ({error})",
                where=path,
                remedy=DAMAGE_REMEDY,
            ) from error

    def _folder(self, day: date) -> Path:
        return self.root / f"date={day.isoformat()}"


def check_part(path: Path, sha256: str) -> None:
    """Raises LakeDamaged where a part no longer holds the bytes it was landed with."""
    try:
        holds_them = sha256_of(path) == sha256
    except OSError as error:
        raise LakeDamaged(
            f"this landed part cannot be read ({error})", where=path, remedy=DAMAGE_REMEDY
        ) from error
    if not holds_them:
        raise LakeDamaged("this part is not as it was landed", where=path, remedy=DAMAGE_REMEDY)
