"""`painpoints funnel`: the options of the command line, and what it prints."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines import show_funnel
from pipelines.errors import PainpointsError
from pipelines.explore import connect
from pipelines.funnel import Asked, Exclude, chosen_options, horizon_us, run_funnel, spell_out
from pipelines.funnel_compare import compare
from pipelines.funnel_dialects import DIALECTS, FunnelOptions
from pipelines.funnel_result import FunnelResult
from pipelines.show_as_of import as_of
from pipelines.workspace import open_workspace

Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])]


def funnel(
    steps: Annotated[
        str, typer.Option(help="Names of events, a,b,c, or rules: '[a, {event: b, page: /cart*}]'.")
    ],
    workspace: Annotated[Path, typer.Option("--workspace", help="The workspace folder.")] = Path(),
    semantics: Annotated[str, typer.Option(help=f"Count as {', '.join(DIALECTS)} do.")] = "ours",
    compare_two: Annotated[
        str | None, typer.Option("--compare", metavar="A,B", help="Say why two ways of counting differ.")
    ] = None,
    order: Annotated[str | None, typer.Option(help="loose, strict (nothing in between) or any.")] = None,
    window: Annotated[str | None, typer.Option(help="For the whole, such as 14d; none for no limit.")] = None,
    within: Annotated[
        str | None, typer.Option(help="Limit from the step before: 2=10m,3=1h, or one for each step: 10m,1h.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Nothing of this between the steps: EVENT, or EVENT:1-2.")
    ] = None,
    scope: Annotated[str | None, typer.Option(help="user or session.")] = None,
    reentry: Annotated[str | None, typer.Option(help="first, latest or furthest attempt counts.")] = None,
    entry: Annotated[str | None, typer.Option(help="closed, or open: a step counts whoever does it.")] = None,
    by: Annotated[str | None, typer.Option(help="Break down by a field, such as device.")] = None,
    touch: Annotated[str, typer.Option(help="The field's value at the first or the last step.")] = "first",
    hold: Annotated[
        str | None, typer.Option(help="A field whose value stays the same in an attempt.")
    ] = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"])] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"])] = None,
    source: Annotated[list[str] | None, typer.Option(help="Only events of this source.")] = None,
    users: Annotated[
        str | None, typer.Option(metavar="STEP", help="List who reached a step (its number or name).")
    ] = None,
    dropped: Annotated[bool, typer.Option("--dropped/--reached", help="... and went no further.")] = False,
    trend: Annotated[bool, typer.Option("--trend", help="By the day of the first step, too.")] = False,
    histogram: Annotated[bool, typer.Option("--histogram", help="Time to convert, too.")] = False,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Count an ad hoc funnel over the published events, by your rules or a vendor's."""
    opened = open_workspace(workspace)
    given = {
        name: value
        for name, value in {
            "order": order, "window": window, "scope": scope, "reentry": reentry, "entry": entry,
        }.items()
        if value is not None
    }  # fmt: skip

    def spell(options: FunnelOptions) -> Asked:
        return spell_out(
            opened,
            steps,
            options,
            _within(within),
            [_exclusion(each) for each in exclude or ()],
            by,
            touch,
            hold,
            first.date() if first else None,
            last.date() if last else None,
            source or (),
        )

    options = chosen_options(semantics, given)
    with connect(opened.root) as connection:
        horizon = horizon_us(connection, opened.settings.timezone)

        def count(asked: Asked) -> FunnelResult:
            return run_funnel(connection, asked, horizon)

        if compare_two is not None:
            one, comma, other = (part.strip() for part in compare_two.partition(","))
            if not comma or not other:
                raise PainpointsError("--compare takes two, such as ga4,mixpanel")
            compared = compare((one, other), given, spell, count)
            _out(json_output, compared.as_json, lambda: show_funnel.comparison(compared))
            if not json_output:
                as_of(opened.root)
            return
        result = count(spell(options))
    if users is not None:
        keys = result.users(_step_number(users, result), dropped=dropped)
        _out(json_output, lambda: keys, lambda: print("\n".join(keys)))
        return
    more: dict[str, Any] = {}
    if trend:
        more["trend"] = result.trend()
    if histogram:
        more["histogram"] = result.histogram()
    _out(json_output, lambda: result.as_json() | more, lambda: show_funnel.result(result, more))
    if not json_output:
        as_of(opened.root)


def _out(as_json: bool, data: Callable[[], Any], show: Callable[[], None]) -> None:
    if as_json:
        print(json.dumps(data(), indent=2, ensure_ascii=False, default=str))
    else:
        show()


def _within(text: str | None) -> Sequence[str | None] | dict[int, str | None]:
    if not text:
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all("=" in part for part in parts):
        return parts
    limits: dict[int, str | None] = {}
    for part in parts:
        number, _, limit = part.partition("=")
        if not number.strip().isdigit():
            raise PainpointsError(f"--within {text!r}: write 2=10m,3=1h, or one limit for each step")
        limits[int(number)] = limit.strip()
    return limits


def _exclusion(text: str) -> Exclude:
    name, colon, range_text = text.rpartition(":")
    first, dash, last = range_text.partition("-")
    if colon and dash and first.isdigit() and last.isdigit():
        return Exclude(name, int(first), int(last))
    return Exclude(text)


def _step_number(text: str, result: FunnelResult) -> int:
    if text.isdigit():
        return int(text)
    names = [step.step for step in result.steps]
    if text not in names:
        raise PainpointsError(f"--users {text!r}: there is no such step; there are {', '.join(names)}")
    return names.index(text) + 1
