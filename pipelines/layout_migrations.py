"""From an older layout to the present one, step by step. Each step may be killed and begun again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pipelines.layout_version import LAYOUT, MARKER, mark_layout, refuse_newer
from pipelines.warehouse_state import keep_state_only

Migration = Callable[[Path], None]


def name_the_layout(root: Path) -> None:
    """Layout 1 to 2: the working file keeps its state alone; the next build makes its tables anew.

    A table of the old program may be a view of the new one, which cannot take its place.
    """
    keep_state_only(root / "warehouse.duckdb")


MIGRATIONS: Mapping[int, Migration] = {1: name_the_layout}
"""By the layout that a step starts from."""


def bring_up_to_date(root: Path) -> int:
    """Migrate the workspace at ``root`` to the present layout; returns the one it had.

    Call it while the workspace is locked. Every step writes files aside and renames them, and is
    committed by the marker. Raises LayoutTooNew or LayoutUnknown, and then changes nothing.
    """
    before = refuse_newer(root)
    for layout in range(before, LAYOUT):
        MIGRATIONS[layout](root)
        mark_layout(root, layout + 1)
    if not (root / "lake" / MARKER).exists():
        mark_layout(root)
    return before
