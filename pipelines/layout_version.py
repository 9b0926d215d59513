"""Which layout a workspace has: how the lake, the working file's state and the published file are kept.

A program opens workspaces of its own layout and, after a migration, of older ones. One that was written by
a newer program is refused before anything is changed: what this program does not know it would spoil.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from connectors.durable_files import replace_json
from pipelines.errors import PainpointsError
from pipelines.version import VERSION

# 1: as first used, without a marker. 2: with a marker, a ledger of forgotten people and retention.
LAYOUT = 2
MARKER = "_layout.json"


class LayoutTooNew(PainpointsError):
    """The workspace was written by a newer program."""


class LayoutUnknown(PainpointsError):
    """The marker of the layout cannot be read."""


def layout_of(root: Path) -> int:
    """The layout of the workspace at ``root``. Raises LayoutUnknown.

    A lake without a marker is of the first layout; a workspace without a lake has the present one.
    """
    path = root / "lake" / MARKER
    try:
        return int(_marker(path)["layout"])
    except FileNotFoundError:
        return 1 if path.parent.exists() else LAYOUT
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LayoutUnknown(
            f"{path}: the layout of this workspace cannot be read ({error}). Bring the file back from a "
            "backup; nothing was changed"
        ) from error


def refuse_newer(root: Path) -> int:
    """The layout of a workspace that this program may work on. Raises LayoutTooNew or LayoutUnknown."""
    layout = layout_of(root)
    if layout > LAYOUT:
        program = _marker(root / "lake" / MARKER).get("program", "unknown")
        raise LayoutTooNew(
            f"{root}: this workspace has layout {layout}, written by painpoints {program}; painpoints "
            f"{VERSION} knows layouts up to {LAYOUT}. Bring the program up to date (README, Upgrading), or "
            "name another workspace; nothing was changed"
        )
    return layout


def mark_layout(root: Path, layout: int = LAYOUT) -> None:
    """Write the marker. It is the last step of a migration, and what commits it."""
    path = root / "lake" / MARKER
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_json(path, {"layout": layout, "program": VERSION})


def _marker(path: Path) -> dict[str, Any]:
    body = json.loads(path.read_text("utf-8"))
    if not isinstance(body, dict):
        raise ValueError("it is no JSON object")
    return body
