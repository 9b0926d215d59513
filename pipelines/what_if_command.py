"""The command ``painpoints what-if``."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from pipelines.explore import connect
from pipelines.show_as_of import as_of
from pipelines.workspace import open_workspace


def what_if(
    stage: Annotated[
        list[str] | None,
        typer.Option(
            "--stage",
            metavar="NAME[=RATE]",
            help="A stage, and the rate from the stage before; without one its ideal, else its baseline.",
        ),
    ] = None,
    workspace: Annotated[Path, typer.Option("--workspace", help="The workspace folder.")] = Path(),
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """What would be gained a week if stages met their ideal: conversions, money, and each one's share."""
    from pipelines.show_what_if import what_if as show_what_if
    from pipelines.what_if import journey_gains

    asked = dict(_asked(text) for text in stage or ())
    opened = open_workspace(workspace)
    with connect(opened.root) as connection:
        gains = journey_gains(connection, opened.journeys, opened.settings.currency, asked)
    if json_output:
        rows = [each.as_json() for each in gains]
        print(json.dumps(rows, indent=2, ensure_ascii=False, default=_plain))
    else:
        for each in gains:
            show_what_if(each)
        as_of(opened.root)


def _asked(text: str) -> tuple[str, float | None]:
    name, equals, rate = text.rpartition("=")
    if not equals:
        return text, None
    try:
        return name, float(rate)
    except ValueError:
        raise typer.BadParameter(f"{text!r}: write NAME or NAME=RATE, such as pay=0.7") from None


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)
