"""The commands ``painpoints mark`` and ``painpoints unmark``: what people say of findings."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from pipelines.listing import find_row
from pipelines.show_marks import mark_lines
from pipelines.workspace import open_workspace

_Day = ["%Y-%m-%d"]
Id = Annotated[str, typer.Argument(metavar="ID", help="The id, or its beginning.")]
Root = Annotated[Path, typer.Option("--workspace", help="The workspace folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def mark(
    pain_point_id: Id,
    kind: Annotated[str, typer.Argument(metavar="MARK", help="acknowledged, snoozed or fixed.")],
    until: Annotated[
        datetime | None,
        typer.Option("--until", formats=_Day, help="The day a snoozed one comes back; else in 14 days."),
    ] = None,
    fixed_on: Annotated[
        datetime | None, typer.Option("--on", formats=_Day, help="The day the fix went live; else today.")
    ] = None,
    note: Annotated[str | None, typer.Option("--note", help="What is to be remembered with it.")] = None,
    workspace: Root = Path(),
    json_output: Json = False,
) -> None:
    """Say that a pain point is known, put aside for a while, or fixed; a fix is held against the data."""
    from pipelines import marks
    from pipelines.explore import connect

    if kind not in marks.MARKS:
        raise typer.BadParameter(f"{kind!r} is none of {', '.join(marks.MARKS)}", param_hint="MARK")
    opened = open_workspace(workspace)
    with opened.locked():
        made = marks.mark(
            opened,
            pain_point_id,
            kind,
            until=until.date() if until else None,
            fixed_on=fixed_on.date() if fixed_on else None,
            note=note,
        )
    with connect(opened.root) as connection:
        row = find_row(connection, made.pain_point_id)
    if json_output:
        names = ("pain_point_id", *marks.SHOWN)
        print(json.dumps({name: row[name] for name in names}, indent=2, ensure_ascii=False, default=str))
        return
    print(made.pain_point_id)
    for line in mark_lines(row):
        print(textwrap.fill(line, 79, initial_indent="  ", subsequent_indent="  "))


def unmark(pain_point_id: Id, workspace: Root = Path(), json_output: Json = False) -> None:
    """Take the mark of a pain point back."""
    from pipelines import marks

    opened = open_workspace(workspace)
    with opened.locked():
        taken = marks.unmark(opened, pain_point_id)
    if json_output:
        print(json.dumps({"taken_back": asdict(taken)}, indent=2, ensure_ascii=False, default=str))
    else:
        print(f"{taken.pain_point_id} is no longer marked as {taken.mark}")
