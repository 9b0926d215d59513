"""`painpoints discover`: the options of the command line, and the file it writes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

import typer

from models.journey_file import JourneyError, parse_journey
from pipelines import show
from pipelines.errors import PainpointsError
from pipelines.workspace import Workspace, open_workspace


def discover(
    workspace: Annotated[Path, typer.Option("--workspace", help="The workspace folder.")] = Path(),
    goal: Annotated[
        str | None, typer.Option(metavar="EVENT", help="The event that counts as a conversion.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write it here, such as journeys/purchase.yaml.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Propose a first journey from the data: the milestones of those who convert, and today's rates."""
    # pandas is loaded by it
    from pipelines.discovered_file import journey_text
    from pipelines.discovering import discover as find_journey

    opened = open_workspace(workspace)
    with show.progress() as progress:
        found = find_journey(opened, goal, progress)
    text = journey_text(found, _free_name(opened, found.goal, out))
    if out is not None:
        _write(out, text)
    if json_output:
        print(json.dumps({"goal": found.goal, "file": str(out) if out else None, "journey": text}, indent=2))
    else:
        print(out if out is not None else text, end="\n" if out is not None else "")


def _free_name(workspace: Workspace, goal: str, out: Path | None) -> str:
    """The goal as a name that no other journey of the workspace has."""
    base = re.sub(r"[^\w]+", "_", goal.lower()).strip("_")[:60] or "journey"
    taken = set()
    for path in sorted(workspace.journeys_folder.glob("*.y*ml")):
        if out is not None and path.resolve() == out.resolve():
            continue
        try:
            taken.add(parse_journey(path.read_text("utf-8"), path).name)
        except (JourneyError, UnicodeDecodeError):
            continue  # a build will tell; it takes no name
    name, number = base, 2
    while name in taken:
        name, number = f"{base}_{number}", number + 1
    return name


def _write(out: Path, text: str) -> None:
    """Write the file, also over an earlier discovery; one that somebody edited is somebody's work."""
    from pipelines.discovered_file import is_unedited

    if out.exists() and not is_unedited(out.read_text("utf-8", "replace")):
        raise PainpointsError(
            f"{out}: this file is there already, and no discovery that nobody edited; nothing was written. "
            "Name another with --out, or move it away first"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, "utf-8")
