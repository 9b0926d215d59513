"""The last line of what commands print: up to which day the data is whole."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from rich.console import Console

from pipelines.explore import connect


def as_of(workspace: Path) -> None:
    """Print the day; numbers without it are read as today's. Raises NothingLanded."""
    day = last_whole_day(workspace)
    text = "no day of data is whole yet" if day is None else f"data as of {day}"
    Console(highlight=False).print(text, style="dim")


def last_whole_day(workspace: Path) -> date | None:
    """The last day whose data is whole in every source that counts; None before there is one."""
    with connect(workspace) as connection:
        rows = connection.execute("select max(data_as_of) from marts.runs").fetchall()
    day: date | None = rows[0][0]
    return day
