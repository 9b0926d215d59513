"""What the commands print: readable at 80 columns, colour on a terminal only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.syntax import Syntax

from connectors.pull_report import PullReport
from models.headline import percent
from pipelines.explaining import Explanation
from pipelines.rule_review import Remark

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


def pain_points(rows: Sequence[dict[str, Any]]) -> None:
    """The ranked list."""
    console = _console()
    if not rows:
        console.print("No pain points: a calm night. `marts.notes` says how small a drop would have shown.")
    for rank, row in enumerate(rows, 1):
        style = _STATUS_STYLE.get(row["status"], "")
        console.print(f"{rank:>2}. [{style}]{row['status']}[/] {escape(row['pain_point_id'])}")
        console.print(Padding(escape(row["headline"]), (0, 0, 0, 4)))
        console.print(Padding(escape(_loss(row)), (0, 0, 0, 4)), style="dim")


def _loss(row: dict[str, Any]) -> str:
    text = (
        f"lost {row['lost_conversions']:,.0f} conversions "
        f"(90 %: {row['lost_low']:,.0f} to {row['lost_high']:,.0f})"
    )
    if row["lost_value"] is not None:
        text += (
            f", {row['lost_value']:,.0f} {row['currency']} "
            f"({row['lost_value_low']:,.0f} to {row['lost_value_high']:,.0f})"
        )
    return text


def explanation(each: Explanation) -> None:
    """One pain point in full."""
    console = _console()
    row, evidence = each.pain_point, json.loads(each.pain_point["evidence"])
    console.print(escape(row["headline"]), style="bold")
    since = row["started_on"] or f"standing, judged from {evidence['first_day']}"
    facts = {
        "id": f"{row['pain_point_id']}, {row['kind']}, {row['status']}",
        "where": f"{row['journey']}: {row['stage']} to {row['next_stage']}",
        "for whom": row["segment"] + (f", persona {row['persona']}" if row["persona"] != "default" else ""),
        "since": f"{since}; first seen {row['first_seen']}, in the list on {each.nights} nights",
        "counts": f"{each.successes:,} of {each.attempts:,} advanced ({percent(row['observed'])}); "
        f"expected {percent(row['expected'])}"
        + (f", ideal {percent(row['ideal'])}" if row["ideal"] is not None else ""),
        "how sure": f"q = {row['q_value']:.1e}"
        + (", provisional: little history" if row["provisional"] else ""),
        "cost": _loss(row) + "; assumes that who advances then completes as others of this segment do",
        "owner": row["owner"] or "nobody is named in the journey file",
        "tasks": "; ".join(each.tasks) or "none in the journey file",
        "users": ", ".join(each.users) or "none",
    }
    for name, text in facts.items():
        console.print(f"[cyan]{name:<9}[/] {escape(str(text))}")
    console.print("[cyan]SQL[/] on painpoints.duckdb:")
    console.print(Syntax(row["sql"], "sql", background_color="default", word_wrap=True))


def remarks(found: Sequence[Remark]) -> None:
    """The doctor's lines."""
    console = _console()
    for each in found:
        style = _LEVEL_STYLE[each.level]
        console.print(f"[{style}]{each.level:<8}[/] {escape(each.where)}: {escape(each.what)}")


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


def run(result: RunReport, rows: Sequence[dict[str, Any]]) -> None:
    pulls(result.pulls)
    built(result.build)
    print()
    pain_points(rows)
    print(f"\nJourney map: {result.report}\nTook {result.seconds:.1f} s")


def demo(result: DemoResult) -> None:
    """Findings beside the truth."""
    console = _console()
    pain_points(result.pain_points)
    console.print("\n[bold]Planted, and what was found[/]")
    for outcome in result.planted:
        plant = outcome.plant
        mark = "[green]found[/]  " if outcome.found_id else "[red]missed[/] "
        since = f" since {plant.started_on}" if plant.started_on else " all the time"
        console.print(
            f"{mark} {escape(plant.journey)}: {escape(plant.stage)} to {escape(plant.next_stage)}, "
            f"{escape(plant.segment)}, {plant.relative_change:+.0%}{since} (power {plant.power:.2f})"
        )
        if outcome.found_id:
            console.print(
                f"         as {outcome.found_id}, {escape(outcome.found_segment or '')}", style="dim"
            )
    extra = ", ".join(result.unplanted) or "none"
    console.print(f"Found but not planted: {escape(extra)}")
    console.print(f"\nWorkspace: {result.workspace}\nJourney map: {result.report}")
    console.print(f"Took {result.seconds:.0f} s")
