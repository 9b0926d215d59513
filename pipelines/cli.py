"""The command line. Each command is a thin skin over the steps; errors end it with exit code 1.

Modules that load numpy, scipy and altair are imported by the commands that need them: a second counts
when somebody types `painpoints list`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import duckdb
import typer
from rich.console import Console

from connectors.day_range import DayRange
from connectors.errors import SourceError
from models.journey_file import JourneyError
from pipelines import show, show_failed
from pipelines.discover_command import discover
from pipelines.doctor import examine
from pipelines.errors import PainpointsError
from pipelines.explain_command import explain
from pipelines.explore import connect
from pipelines.export_command import export
from pipelines.failed_sources import published_failures
from pipelines.forget_command import forget
from pipelines.funnel_command import funnel
from pipelines.listing import awake, list_pain_points
from pipelines.mark_command import mark, unmark
from pipelines.scaffold import scaffold
from pipelines.show_as_of import as_of
from pipelines.show_marks import snoozed_line
from pipelines.show_placebo import honesty
from pipelines.vacuum_command import vacuum
from pipelines.what_if_command import what_if
from pipelines.workspace import Workspace, open_workspace

app = typer.Typer(
    name="painpoints",
    help="Shows where a customer journey breaks, for whom, since when, what it costs and who should fix it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
WorkspaceOption = Annotated[Path, typer.Option("--workspace", help="The workspace folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
FromOption = Annotated[
    datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First day to land.")
]
ToOption = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last day to land.")]
HERE = Path()


def main() -> None:
    """Run the command line; every known error is one message on stderr and exit code 1."""
    try:
        app()
    except (PainpointsError, SourceError, JourneyError) as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"error: {error}", markup=False)
        sys.exit(1)
    except duckdb.Error as error:
        print(f"error: DuckDB: {error}. What was published before is intact", file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(
            f"error: {place}{error.strerror or error}. What was published before is intact", file=sys.stderr
        )
        sys.exit(1)


@contextmanager
def _working(workspace: Path) -> Iterator[tuple[Workspace, Callable[[str], None]]]:
    """The workspace, held for this run, and where its progress goes."""
    opened = open_workspace(workspace)
    with opened.locked(), show.progress() as progress:
        yield opened, progress


def _days(first: datetime | None, last: datetime | None) -> DayRange:
    days = DayRange(first.date() if first else None, last.date() if last else None)
    if days.first and days.last and days.first > days.last:
        raise typer.BadParameter(f"--from {days.first} is after --to {days.last}")
    return days


def _pain_points(workspace: Workspace) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The published pain points, those that are not snoozed apart from those that are."""
    with connect(workspace.root) as connection:
        rows = list_pain_points(connection)
    shown = awake(rows, workspace.today())
    return shown, [row for row in rows if row not in shown]


def _tell_snoozed(snoozed: list[dict[str, Any]]) -> None:
    line = snoozed_line(snoozed)
    if line is not None:
        print(line, file=sys.stderr)


def _print_json(data: Any) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


@app.command()
def demo(
    directory: Annotated[Path, typer.Argument(help="Where to make it.")] = Path("demo"),
    seed: Annotated[int, typer.Option(help="Which shop to generate.")] = 7,
    json_output: JsonOption = False,
) -> None:
    """Make a workspace with a generated shop, run everything, and compare the findings with the truth."""
    from pipelines.demo import make_demo

    with show.progress() as progress:
        result = make_demo(directory, seed, progress)
    if json_output:
        _print_json(result.as_json())
    else:
        show.demo(result)


@app.command()
def init(directory: Annotated[Path, typer.Argument(help="The folder of the new workspace.")]) -> None:
    """Scaffold a workspace: a commented config and journey templates."""
    for path in scaffold(directory):
        print(path)
    print(f"\nPut your GA4 export files into {directory / 'exports' / 'ga4'}, then run")
    print(f"  painpoints run --workspace {directory}")


@app.command()
def doctor(
    workspace: WorkspaceOption = HERE,
    offline: Annotated[bool, typer.Option("--offline", help="Do not try the credentials.")] = False,
    json_output: JsonOption = False,
) -> None:
    """Check config, credentials, files and journey rules; every line says what to do."""
    remarks = list(examine(open_workspace(workspace), calls_vendors=not offline))
    if json_output:
        _print_json([vars(each) for each in remarks])
    else:
        show.remarks(remarks)
    if any(each.level == "problem" for each in remarks):
        raise typer.Exit(1)


@app.command()
def run(
    workspace: WorkspaceOption = HERE,
    first: FromOption = None,
    last: ToOption = None,
    json_output: JsonOption = False,
) -> None:
    """Pull, build, detect, report: what the nightly flow does, without a Prefect server."""
    from pipelines import steps

    with _working(workspace) as (opened, progress):
        result = steps.run(opened, progress, _days(first, last))
    rows, snoozed = _pain_points(opened)
    failed = [each.sentence() for each in result.failed]
    show_failed.failed(failed, aside=True)
    if json_output:
        told = {"report": str(result.report), "seconds": result.seconds, "failed_sources": failed}
        _print_json(told | {"pain_points": rows})
    else:
        show.run(result, rows, snoozed)
    for remark in result.alerts.remarks if result.alerts else ():
        print(remark, file=sys.stderr)
    if failed:
        raise typer.Exit(1)  # the night is published, and somebody has to look at a source


@app.command()
def pull(
    workspace: WorkspaceOption = HERE,
    first: FromOption = None,
    last: ToOption = None,
    json_output: JsonOption = False,
) -> None:
    """Land what is new of every source in the raw lake."""
    from pipelines import steps

    with _working(workspace) as (opened, progress):
        reports = steps.pull(opened, progress, _days(first, last))
    if json_output:
        _print_json([vars(each) for each in reports])
    else:
        show.pulls(reports)


@app.command()
def build(
    workspace: WorkspaceOption = HERE,
    engine: Annotated[
        str, typer.Option(help="Where: duckdb, or a Spark master such as spark://host:7077.")
    ] = "duckdb",
    whole: Annotated[
        bool, typer.Option("--whole", help="Make every table anew, not only what changed days touch.")
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Rebuild sessions, stage paths and funnels from the lake, check them, and publish."""
    from pipelines import steps

    if engine not in (steps.DUCKDB, steps.OWN_SPARK) and not engine.startswith(steps.SPARK_MASTERS):
        known = f"{steps.DUCKDB}, {steps.OWN_SPARK}, or a master that begins with one of"
        raise typer.BadParameter(
            f"--engine {engine}: not known; name {known} {', '.join(steps.SPARK_MASTERS)}"
        )
    with _working(workspace) as (opened, progress):
        built = steps.build(opened, progress, engine=engine, whole=whole)
    if json_output:
        _print_json(vars(built))
    else:
        show.built(built)


@app.command()
def detect(workspace: WorkspaceOption = HERE, json_output: JsonOption = False) -> None:
    """Judge the nights not judged yet, and publish the findings."""
    from pipelines import steps

    with _working(workspace) as (opened, progress):
        nights = steps.detect(opened, progress)
    rows, snoozed = _pain_points(opened)
    if json_output:
        _print_json({"nights": [night.isoformat() for night in nights], "pain_points": rows})
    else:
        show.pain_points(rows, snoozed)


@app.command()
def report(workspace: WorkspaceOption = HERE, json_output: JsonOption = False) -> None:
    """Write the journey map of the published file."""
    from pipelines import steps

    with _working(workspace) as (opened, _):
        path = steps.report(opened)
    if json_output:
        _print_json({"report": str(path)})
    else:
        print(path)


@app.command(name="list")
def list_command(
    workspace: WorkspaceOption = HERE,
    every: Annotated[bool, typer.Option("--all", help="Show snoozed ones as well.")] = False,
    json_output: JsonOption = False,
) -> None:
    """List today's pain points, the costliest first; snoozed ones are left out until their day."""
    opened = open_workspace(workspace)
    rows, snoozed = _pain_points(opened)
    if every:
        with connect(opened.root) as connection:
            rows, snoozed = list_pain_points(connection), []
    show_failed.failed(published_failures(opened.published), aside=json_output)
    if json_output:
        _print_json(rows)
        _tell_snoozed(snoozed)
    else:
        show.pain_points(rows, snoozed)
        honesty(opened.root)
        as_of(opened.root)


app.command()(explain)
app.command()(mark)
app.command()(unmark)
app.command(name="what-if")(what_if)
app.command()(funnel)
app.command()(discover)
app.command()(export)
app.command()(forget)
app.command()(vacuum)


if __name__ == "__main__":
    main()
