"""A funnel on the terminal, readable at 80 columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.funnel_compare import Comparison
from pipelines.funnel_result import FunnelResult

BAR = 24


def result(found: FunnelResult, more: dict[str, Any]) -> None:
    """The steps of a funnel, or of each group, and the trend and histogram that were asked for."""
    console = Console(highlight=False)
    for value, group in (found.groups or {"": found}).items():
        if value:
            console.print(f"[bold]{escape(value)}[/]")
        console.print(_steps(group))
        if group.open:
            console.print(f"{group.open:,} may still go on: their window is not over")
    if more.get("trend"):
        console.print()
        console.print(_trend([step.step for step in found.steps], more["trend"]))
    rows = more.get("histogram", ())
    if rows:
        console.print("\nTime from the first step to the last")
    most = max((row["count"] for row in rows), default=0)
    for row in rows:
        bar = "#" * round(BAR * row["count"] / most)
        console.print(f"up to {_duration(row['to_seconds']):>8} {row['count']:>8,.0f} {bar}")


def comparison(found: Comparison) -> None:
    """Both counts side by side, which rule makes the difference, and some users."""
    console = Console(highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("step", *found.names, "difference"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for left, right in zip(found.left.steps, found.right.steps, strict=True):
        numbers = (left.reached, right.reached, right.reached - left.reached)
        table.add_row(escape(left.step), *(f"{number:,}" for number in numbers))
    console.print(table)
    console.print(f"\nWhat {found.names[0]} would count with one rule of {found.names[1]}:")
    before = tuple(step.reached for step in found.left.steps)
    for each in found.differences:
        if each.reached != before:
            counts = ", ".join(f"{count:,}" for count in each.reached)
            console.print(f"  {each.option} {each.theirs} instead of {each.ours}: {counts}")
    without = [each.option for each in found.differences if each.reached == before]
    if without:
        console.print(f"  no difference by {', '.join(without)}")
    if found.examples:
        console.print("\nFor example (times of the steps, UTC):")
    for example in found.examples:
        console.print(f"  {example['user']}")
        for name in found.names:
            console.print(f"    {name}: {', '.join(example[name]) or 'not counted'}")


def _trend(names: Sequence[str], rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("first step on", no_wrap=True)
    for name in names:
        table.add_column(escape(name), justify="right", overflow="fold")
    for row in rows:
        table.add_row(str(row["day"]), *(f"{count:,}" for count in row["reached"]))
    return table


def _steps(found: FunnelResult) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("step", "reached", "of previous", "of first", "median", "p90"):
        table.add_column(name, justify="left" if name == "step" else "right", overflow="fold")
    for step in found.steps:
        table.add_row(
            escape(step.step),
            f"{step.reached:,}",
            _percent(step.rate_from_previous),
            _percent(step.rate_from_first),
            _duration(step.median_seconds),
            _duration(step.p90_seconds),
        )
    return table


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{100 * rate:.1f} %"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
