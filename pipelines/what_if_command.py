"""The command ``painpoints what-if``."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from models.headline import percent
from pipelines.explore import connect
from pipelines.workspace import open_workspace

if TYPE_CHECKING:
    from models.what_if import Gain
    from pipelines.what_if import JourneyGain


def what_if(
    stage: Annotated[
        list[str] | None,
        typer.Option(
            "--stage",
            metavar="NAME[=RATE]",
            help="A stage, and the rate from the stage before; without one its ideal, else its baseline.",
        ),
    ] = None,
    workspace: Annotated[Path, typer.Option("--workspace", help="The workspace folder.")] = Path(),
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """What would be gained a week if stages met their ideal: conversions, money, and each one's share."""
    from pipelines.what_if import journey_gains

    asked = dict(_asked(text) for text in stage or ())
    opened = open_workspace(workspace)
    with connect(opened.root) as connection:
        gains = journey_gains(connection, opened.journeys, opened.settings.currency, asked)
    if json_output:
        rows = [each.as_json() for each in gains]
        print(json.dumps(rows, indent=2, ensure_ascii=False, default=_plain))
    else:
        for each in gains:
            _show(each)


def _asked(text: str) -> tuple[str, float | None]:
    name, equals, rate = text.rpartition("=")
    if not equals:
        return text, None
    try:
        return name, float(rate)
    except ValueError:
        raise typer.BadParameter(f"{text!r}: write NAME or NAME=RATE, such as pay=0.7") from None


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def _show(gain: JourneyGain) -> None:
    console = Console(highlight=False)
    console.print(f"[bold]{escape(gain.journey)}[/]: {_words(gain.total, gain.currency)} a week")
    console.print(
        Padding(
            f"by {gain.attempts:,} attempts of {gain.first} to {gain.last}, of which "
            f"{gain.conversions:,} converted",
            (0, 0, 0, 2),
        ),
        style="dim",
    )
    for each in sorted(gain.stages, key=lambda stage: -stage.share.conversions):
        if each.observed >= each.target:
            text = f"{each.previous} to {each.stage} meets it: {percent(each.observed)}, {each.reference} "
            console.print(Padding(escape(text + percent(each.target)), (0, 0, 0, 2)), style="dim")
            continue
        text = (
            f"{each.previous} to {each.stage}: {percent(each.observed)} now, {percent(each.target)} "
            f"{each.reference}: {_words(each.share, gain.currency)}"
        )
        console.print(Padding(escape(text), (0, 0, 0, 2)))
        if sum(one.observed < one.target for one in gain.stages) > 1:
            console.print(
                Padding(escape(f"alone {_words(each.alone, gain.currency)}"), (0, 0, 0, 4)), style="dim"
            )
    console.print(Padding(escape(f"Assumes that {gain.assumption}."), (0, 0, 0, 2)), style="dim")


def _words(gain: Gain, currency: str) -> str:
    text = f"+{_number(gain.conversions)} conversions ({_number(gain.low)} to {_number(gain.high)})"
    if gain.money is not None and gain.money_low is not None and gain.money_high is not None:
        text += f", +{gain.money:,.0f} {currency} ({gain.money_low:,.0f} to {gain.money_high:,.0f})"
    return text


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 9.5 else f"{value:.1f}"
