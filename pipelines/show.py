"""What the commands print: readable at 80 columns, colour on a terminal only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from connectors.pull_report import PullReport
from pipelines.rule_review import Remark
from pipelines.show_lines import text_line
from pipelines.show_marks import loss_text, mark_lines, snoozed_line

if TYPE_CHECKING:
    from pipelines.demo import DemoResult
    from pipelines.steps import BuildReport, RunReport

_STATUS_STYLE = {
    "new": "bold red",
    "reopened": "bold red",
    "worsening": "bold red",
    "ongoing": "yellow",
    "recovering": "cyan",
    "resolved": "green",
}
_LEVEL_STYLE = {"ok": "green", "note": "yellow", "problem": "bold red"}


def _console() -> Console:
    return Console(highlight=False)


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """A line that changes on a terminal, plain lines on stderr elsewhere."""
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        with console.status("working") as status:
            yield lambda text: status.update(escape(text))
    else:
        yield lambda text: console.print(text, markup=False, soft_wrap=True)


def pain_points(rows: Sequence[dict[str, Any]], snoozed: Sequence[dict[str, Any]] = ()) -> None:
    """The ranked list; of those that are ``snoozed`` only how many."""
    console = _console()
    if not rows and not snoozed:
        console.print("No pain points: a calm night. `marts.notes` says how small a drop would have shown.")
    for rank, row in enumerate(rows, 1):
        style = _STATUS_STYLE.get(row["status"], "")
        console.print(f"{rank:>2}. [{style}]{row['status']}[/] {escape(row['pain_point_id'])}")
        text_line(console, row["headline"], 4)
        text_line(console, loss_text(row), 4, style="dim")
        for text in mark_lines(row):
            text_line(console, text, 4, style="cyan")
    line = snoozed_line(snoozed)
    if line is not None:
        console.print(escape(line), style="dim")


def remarks(found: Sequence[Remark]) -> None:
    """The doctor's lines."""
    console = _console()
    for each in found:
        level = Text(each.level, _LEVEL_STYLE[each.level])
        text_line(console, f"{each.where}: {each.what}", 9, first=level)


def pulls(reports: Sequence[PullReport]) -> None:
    for each in reports:
        print(each.sentence())
        for remark in each.remarks:
            print(f"  {remark}")


def built(report: BuildReport) -> None:
    print(
        f"{report.events:,} events, {report.sessions:,} sessions, {report.attempts:,} attempts; "
        f"{report.staged_days} days staged anew"
    )


def run(result: RunReport, rows: Sequence[dict[str, Any]], snoozed: Sequence[dict[str, Any]] = ()) -> None:
    pulls(result.pulls)
    built(result.build)
    print()
    pain_points(rows, snoozed)
    print(f"\nJourney map: {result.report}\nTook {result.seconds:.1f} s")


def demo(result: DemoResult) -> None:
    """Findings beside the truth."""
    console = _console()
    pain_points(result.pain_points)
    console.print("\n[bold]Planted, and what was found[/]")
    for outcome in result.planted:
        plant = outcome.plant
        mark = Text("found", "green") if outcome.found_id else Text("missed", "red")
        since = f" since {plant.started_on}" if plant.started_on else " all the time"
        text_line(
            console,
            f"{plant.journey}: {plant.stage} to {plant.next_stage}, {plant.segment}, "
            f"{plant.relative_change:+.0%}{since} (power {plant.power:.2f})",
            8,
            first=mark,
        )
        if outcome.found_id:
            text_line(console, f"as {outcome.found_id}, {outcome.found_segment or ''}", 8, style="dim")
    extra = ", ".join(result.unplanted) or "none"
    console.print(f"Found but not planted: {escape(extra)}")
    console.print(f"\nWorkspace: {result.workspace}\nJourney map: {result.report}")
    console.print(f"Took {result.seconds:.0f} s")
