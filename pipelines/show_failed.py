"""Says first what a night was built without: sources that could not be pulled."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console


def failed(sentences: Sequence[str], *, aside: bool) -> None:
    """One line a failed source; ``aside``: on stderr, where stdout carries JSON."""
    if not sentences:
        return
    console = Console(stderr=aside, highlight=False, soft_wrap=True)
    console.print("[bold red]Built without a source that failed:[/]")
    for each in sentences:
        console.print(f"  {each}", markup=False)
    console.print()
