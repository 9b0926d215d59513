"""The honesty gauge under the list."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from pipelines.explore import connect
from pipelines.placebo_nights import placebo_sentence
from pipelines.show_lines import text_line


def honesty(workspace: Path) -> None:
    """Print how often random groups were blamed; nothing before a night was gauged. Raises NothingLanded."""
    with connect(workspace) as connection:
        text = placebo_sentence(connection)
    if text is not None:
        text_line(Console(highlight=False), text, style="dim")
