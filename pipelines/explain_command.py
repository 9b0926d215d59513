"""The command ``painpoints explain``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pipelines.explore import connect
from pipelines.show_as_of import as_of
from pipelines.workspace import open_workspace


def explain(
    pain_point_id: Annotated[str, typer.Argument(metavar="ID", help="The id, or its beginning.")],
    workspace: Annotated[Path, typer.Option("--workspace", help="The workspace folder.")] = Path(),
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """One pain point in full: counts, cost, siblings, what people did, said and felt, users, SQL."""
    from pipelines.explaining import explain as explain_finding
    from pipelines.show_explanation import explanation

    opened = open_workspace(workspace)
    with connect(opened.root) as connection:
        made = explain_finding(
            connection,
            pain_point_id,
            opened.journeys,
            zone=opened.settings.timezone,
            counted_sources={each.name: opened.sources_of(each) for each in opened.journeys},
        )
    if json_output:
        print(json.dumps(made.as_json(), indent=2, ensure_ascii=False, default=_plain))
    else:
        explanation(made)
        as_of(opened.root)


def _plain(value: object) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
