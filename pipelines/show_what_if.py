"""What would be gained, on the terminal, readable at 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from models.headline import percent
from pipelines.show_lines import text_line

if TYPE_CHECKING:
    from models.what_if import Gain
    from pipelines.what_if import JourneyGain


def what_if(gain: JourneyGain) -> None:
    """The gain of one journey, stage by stage, the largest first."""
    console = Console(highlight=False)
    total = Text.assemble((gain.journey, "bold"), f": {_words(gain.total, gain.currency)} a week")
    text_line(console, total)
    text_line(
        console,
        f"by {gain.attempts:,} attempts of {gain.first} to {gain.last}, of which "
        f"{gain.conversions:,} converted",
        2,
        style="dim",
    )
    for each in sorted(gain.stages, key=lambda stage: -stage.share.conversions):
        if each.observed >= each.target:
            text = f"{each.previous} to {each.stage} meets it: {percent(each.observed)}, {each.reference} "
            text_line(console, text + percent(each.target), 2, style="dim")
            continue
        text_line(
            console,
            f"{each.previous} to {each.stage}: {percent(each.observed)} now, {percent(each.target)} "
            f"{each.reference}: {_words(each.share, gain.currency)}",
            2,
        )
        if sum(one.observed < one.target for one in gain.stages) > 1:
            text_line(console, f"alone {_words(each.alone, gain.currency)}", 4, style="dim")
    text_line(console, f"Assumes that {gain.assumption}.", 2, style="dim")


def _words(gain: Gain, currency: str) -> str:
    text = f"+{_number(gain.conversions)} conversions ({_number(gain.low)} to {_number(gain.high)})"
    if gain.money is not None and gain.money_low is not None and gain.money_high is not None:
        text += f", +{gain.money:,.0f} {currency} ({gain.money_low:,.0f} to {gain.money_high:,.0f})"
    return text


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 9.5 else f"{value:.1f}"
