"""The command ``painpoints vacuum``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipelines import show
from pipelines.show_lines import text_line
from pipelines.workspace import open_workspace


def vacuum(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    workspace: Annotated[Path, typer.Option("--workspace", help="The workspace folder.")] = Path(),
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Apply retention and free the disk of what nothing needs; says what goes and how many bytes."""
    from pipelines.vacuum import vacuum as free_disk

    opened = open_workspace(workspace)
    with opened.locked(), show.progress() as progress:
        report = free_disk(opened, dry_run=dry_run, progress=progress)
    if json_output:
        print(json.dumps(asdict(report), indent=2, ensure_ascii=False))
        return
    console = Console(highlight=False)
    gone = "would go" if dry_run else "went"
    for words in report.retention:
        text_line(console, f"retention: {words} {gone}" if " before " in words else words)
    for each in report.waste:
        text_line(console, f"{each.path}: {each.what}, {each.bytes:,} bytes", 2, first="  ")
    up_to = "up to " if dry_run else ""
    text_line(console, f"{up_to}{report.freed_bytes:,} bytes {'would be' if dry_run else 'were'} freed.")
