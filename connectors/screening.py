"""Take out of landed days the rows that may not lie there any more."""

from __future__ import annotations

import os
from dataclasses import replace

from connectors.landing import SourceLake
from connectors.manifest import DROPPED, MANIFEST, Manifest, put_part, write_manifest


def screen_day(lake: SourceLake, manifest: Manifest) -> int:
    """Take out of a landed day the rows that may not land any more; returns how many.

    A crash leaves the old day or the new one. Files that no manifest lists go in any case: a crash may
    have left what had been taken out.
    """
    screened = lake.root / "screened.part"
    folder, dropped, parts = lake.folder(manifest.day), 0, []
    for part in manifest.parts:
        path = folder / part.file
        if lake.gate is None or not path.exists():
            parts.append(part)
            continue
        screened.unlink(missing_ok=True)
        os.link(path, screened)  # screening swaps in a new file; this one stays until the manifest changes
        rows = lake.gate.screen(screened)
        dropped += rows
        parts.append(put_part(screened, folder, replace(part, rows=part.rows - rows)) if rows else part)
    screened.unlink(missing_ok=True)
    listed = {part.file for part in parts if DROPPED not in part.flags} | {MANIFEST}
    if dropped or any(path.name not in listed for path in folder.iterdir()):
        write_manifest(folder, replace(manifest, parts=tuple(parts)))
    return dropped


def rows_to_screen(lake: SourceLake, manifest: Manifest) -> int:
    """How many rows of a landed day may not be there; nothing is changed."""
    screened, rows = lake.root / "screened.part", 0
    for part in manifest.parts:
        path = lake.folder(manifest.day) / part.file
        if lake.gate is not None and path.exists():
            screened.unlink(missing_ok=True)
            os.link(path, screened)
            rows += lake.gate.screen(screened)
    screened.unlink(missing_ok=True)
    return rows
