"""The command ``painpoints forget``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from pipelines import show
from pipelines.show_lines import text_line
from pipelines.workspace import open_workspace

if TYPE_CHECKING:
    from pipelines.forgetting import ForgetReport

MOST_SHOWN = 12


def forget(
    user: Annotated[str, typer.Argument(metavar="USER", help="A user id, device id or user key.")],
    source: Annotated[
        str | None, typer.Option("--source", help="The source that a device id is from.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    workspace: Annotated[Path, typer.Option("--workspace", help="The workspace folder.")] = Path(),
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Take one person out of everything the workspace keeps, prove it, and keep them out."""
    from pipelines.forgetting import forget as forget_person

    opened = open_workspace(workspace)
    if source is not None and source not in opened.settings.sources:
        raise typer.BadParameter(
            f"{source!r} is no source of the config; it has {', '.join(opened.settings.sources)}"
        )
    with opened.locked(), show.progress() as progress:
        report = forget_person(opened, user, source=source, dry_run=dry_run, progress=progress)
    if json_output:
        print(json.dumps(as_json(report), indent=2, ensure_ascii=False))
    else:
        _show(report)
    if report.search.left:
        raise typer.Exit(1)  # somebody has to look at what is left


def as_json(report: ForgetReport) -> dict[str, Any]:
    """What the command prints with ``--json``."""
    person = report.person
    return {
        "user": report.user,
        "dry_run": report.dry_run,
        "was_forgotten": report.was_forgotten,
        "user_ids": list(person.user_ids),
        "devices": [{"source": source, "device_id": device} for source, device in person.devices],
        "user_keys": list(person.user_keys),
        "kept_devices": [{"source": source, "device_id": device} for source, device in person.shared_devices],
        "events": person.events,
        "kept_events": person.undecided_events,
        "removed_rows": report.removed_rows,
        "changed_files": list(report.changed_files),
        "own_files": list(report.own_files),
        "searched": {"files": report.search.files, "bytes": report.search.bytes},
        "not_searched_as_text": list(report.too_short),
        "still_named_in": list(report.search.left),
    }


def _show(report: ForgetReport) -> None:
    console = Console(highlight=False)

    def line(text: str, indent: int = 0) -> None:
        text_line(console, text, indent, first=" " * indent)

    def listed(title: str, texts: list[str]) -> None:
        if texts:
            line(title)
            for text in texts[:MOST_SHOWN]:
                line(text, 2)
            if len(texts) > MOST_SHOWN:
                line(f"and {len(texts) - MOST_SHOWN} more (--json lists all)", 2)

    person = report.person
    if report.was_forgotten:
        line(f"{report.user} was forgotten before; what is said below is of this id alone.")
    gone = "Would be removed" if report.dry_run else "Removed"
    listed(f"{gone}: user ids", list(person.user_ids))
    listed(f"{gone}: devices", [f"{device} of {source}" for source, device in person.devices])
    listed(f"{gone}: user keys", list(person.user_keys))
    listed(
        "Kept, as others use them too: devices, without the person's own events and sessions",
        [f"{device} of {source}" for source, device in person.shared_devices],
    )
    if person.undecided_events:
        line(
            f"{person.undecided_events:,} events on these devices name nobody and are in nobody's session: "
            "they may be anybody's, and stay."
        )
    if report.dry_run:
        line(f"{person.events:,} events are theirs. Nothing was changed.")
    else:
        line(
            f"{report.removed_rows:,} landed rows removed, {len(report.changed_files)} files written anew. "
            "They stay out when days are pulled again. Tables of counts and findings are made without "
            "them by the next `painpoints run`."
        )
        line(
            f"Searched: {report.search.files:,} files, {report.search.bytes:,} bytes, unpacked where they "
            "are packed."
        )
    listed(
        "Your own files still name them. They are not touched; delete or export them anew:",
        list(report.own_files),
    )
    if report.too_short:
        line(
            f"Too short to be searched as text, only in columns of ids: {', '.join(report.too_short)}",
        )
    listed(
        "STILL NAMED in files of the workspace (rows of others, or files the program cannot rewrite); "
        "correct or delete them:",
        list(report.search.left),
    )
