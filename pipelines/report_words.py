"""How the report writes numbers, days and people: the filters of its templates."""

from __future__ import annotations

import json
from datetime import date, datetime

from models.durations import spoken
from models.headline import percent
from models.journey import DEFAULT_PERSONA
from pipelines.report_views import Deed, FindingView, JourneyMap, PersonaView, Rate, StageColumn, WhatIfView

_SEGMENTS = {"is_new_user": "new and returning"}
_VALUES = {("is_new_user", "true"): "new visitors", ("is_new_user", "false"): "returning visitors"}


def told(seconds: float) -> str:
    """A length of time, round ones without decimals: ``7 days``, kept on one line."""
    return spoken(seconds).replace(".0 ", " ").replace(" ", "\u00a0")


def day(value: date | datetime) -> str:
    """``5 January 2021``."""
    return f"{value:%-d %B %Y}"


def amount(value: float) -> str:
    """A number of conversions or of money: ``1,234``; ``3.4`` below ten."""
    return f"{value:,.0f}" if abs(value) >= 9.5 or value == 0 else f"{value:.1f}"


def share(rate: float) -> str:
    """As ``percent`` writes it, but a plain ``0 %``, and never broken at the end of a line."""
    return unbroken(percent(rate) if rate else "0 %")


def interval(rate: Rate) -> str:
    """The 90 % interval of a rate: ``27 % to 32 %``."""
    low, high = rate.interval()
    return f"{share(low)} to {share(high)}"


def certainty(q_value: float) -> str:
    """A q-value in words: the share of false alarms among findings as strong as this one."""
    for bound, words in ((0.001, "1 in 1,000"), (0.01, "1 in 100"), (0.05, "1 in 20"), (0.1, "1 in 10")):
        if q_value <= bound:
            return f"of findings as strong as this, fewer than {words} are false alarms"
    return f"of findings as strong as this, about {percent(q_value)} are false alarms"


def segment_name(field: str) -> str:
    return _SEGMENTS.get(field, field.removeprefix("properties.").replace("_", " "))


def value_name(field: str, value: str | None) -> str:
    return "(unknown)" if value is None else _VALUES.get((field, value), value or "(empty)")


def whom(finding: FindingView) -> str:
    """Who a finding is about: ``everyone``, ``new visitors & device=mobile``, with its persona."""
    point = finding.point
    words = " & ".join(
        _VALUES.get((field, value or ""), f"{field}={value}" if value else f"no {field}")
        for field, value in point.conditions
    )
    spoken_of = words or "everyone"
    return spoken_of if point.persona == "default" else f"{spoken_of}, persona {point.persona}"


def short(finding: FindingView) -> str:
    """Who a finding is about, by the values alone: ``Paid Search, mobile``."""
    point = finding.point
    return ", ".join(value_name(*each) for each in point.conditions) or "everyone"


def unbroken(text: str) -> str:
    """The text with numbers kept on a line with their per cent sign."""
    return text.replace(" %", "\u00a0%")


def persona(view: PersonaView) -> str:
    """``everyone``, a persona's name, or ``everyone else`` for those that are none of the personas."""
    if view.persona is None:
        return "everyone"
    return "everyone else" if view.persona == DEFAULT_PERSONA else view.persona


def deed(done: Deed, column: StageColumn, journey: JourneyMap) -> str:
    """What somebody did instead, in words."""
    if done.to is None:
        return "left, and did not come back"
    if done.to == column.stage.name:
        return "came to it again later"
    places = {stage.name: stage.number for stage in journey.journey.stages}
    if places.get(done.to, 0) < column.stage.number:
        return f"went back to {done.to}"
    return f"went on to {done.to}"


def payload(given: WhatIfView, goal: str, currency: str) -> str:
    """What the page's script needs of a what-if, as JSON: gains by subset, and each lever's two rates."""
    gains = [
        [
            round(value or 0.0, 3)
            for value in (each.conversions, each.low, each.high, each.money, each.money_low, each.money_high)
        ]
        for each in given.subsets
    ]
    return json.dumps(
        {
            "goal": goal,
            "currency": currency,
            "priced": given.subsets[-1].money is not None,
            "gains": gains,
            "rates": [[round(each.observed, 5), round(each.target, 5)] for each in given.movable],
        }
    )
