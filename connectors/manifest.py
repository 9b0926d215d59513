"""What one landed day consists of, as its ``manifest.json`` says, and whether its files still are that."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

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


def put_part(content: Path, folder: Path, part: Part) -> Part:
    """Move ``content`` into the folder of its day, under the name its bytes give it; returns the part it is.

    ``part`` says its dataset, rows and origin; the suffixes of the new name are those of ``part.file``.
    """
    digest, size = sha256_of(content), content.stat().st_size
    name = f"{part.dataset}-{digest[:16]}{''.join(Path(part.file).suffixes[-2:])}"
    sync_file(content)
    os.replace(content, folder / name)
    return replace(part, file=name, bytes=size, sha256=digest)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make ``manifest`` what ``folder`` consists of; files it does not list go."""
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


def read_manifest(path: Path) -> Manifest:
    """The manifest of a landed day. Raises LakeDamaged when a part is missing or has another size."""
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
