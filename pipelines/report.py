"""Write ``reports/journey-map.html``: one self-contained page for people who never saw the tool."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from datetime import UTC, date, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from models.durations import spoken
from models.headline import percent
from models.journey import DEFAULT_PERSONA
from pipelines.explore import connect
from pipelines.pictures import write_pictures
from pipelines.report_charts import funnel_svg, trend_svg
from pipelines.report_data import read_report
from pipelines.report_sankey import sankey_svg
from pipelines.report_views import (
    Deed,
    FindingView,
    Flow,
    JourneyMap,
    PersonaView,
    Rate,
    Report,
    StageColumn,
    WhatIfView,
)
from pipelines.version import VERSION
from pipelines.workspace import Workspace

TEMPLATES = Path(__file__).parent / "templates" / "report"
MOST_CHARTS = 25  # trends drawn, of the findings that cost the most; each takes about 50 ms

_SEGMENTS = {"is_new_user": "new and returning"}
_VALUES = {("is_new_user", "true"): "new visitors", ("is_new_user", "false"): "returning visitors"}


def write_report(workspace: Workspace) -> Path:
    """Write the report of the published file, and its pictures, and return its path. Raises NothingLanded."""
    with connect(workspace.root) as connection:
        settings = workspace.settings
        report = read_report(connection, workspace.journeys, settings.currency, settings.timezone)
    charts = _Charts(report)
    script = (TEMPLATES / "script.js").read_text("utf-8")
    page = (
        _environment(charts)
        .get_template("page.html.j2")
        .render(
            report=report,
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            style=Markup((TEMPLATES / "style.css").read_text("utf-8")),
            written_at=datetime.now(UTC),
            version=VERSION,
        )
    )
    target = workspace.reports / "journey-map.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    # a name may hold half a surrogate pair, which UTF-8 cannot write
    part.write_text(page, "utf-8", errors="replace")
    os.replace(part, target)
    write_pictures(report, workspace.reports / "pictures", charts.drawn)
    return target


class _Charts:
    """Draws each chart once. Vega escapes every text it writes, and so does the drawing of the ways."""

    def __init__(self, report: Report) -> None:
        self.drawn: dict[str, str] = {}
        self._trends = {each.point.pain_point_id: n for n, each in enumerate(report.findings[:MOST_CHARTS])}

    def trend(self, finding: FindingView) -> Markup:
        number = self._trends.get(finding.point.pain_point_id)
        return (
            Markup("")
            if number is None
            else self._keep(f"trend{number}", trend_svg(finding, f"trend{number}"))
        )

    def funnel(self, view: PersonaView, name: str, narrow: bool) -> Markup:
        return self._keep(name, funnel_svg(view, name, narrow=narrow))

    def sankey(self, flow: Flow, name: str) -> Markup:
        return self._keep(name, sankey_svg(flow, name))

    def _keep(self, name: str, svg: str) -> Markup:
        self.drawn[name] = svg
        return Markup(svg)


def _environment(charts: _Charts) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": share,
        "share": share,
        "spoken": told,
        "day": day,
        "amount": amount,
        "interval": interval,
        "certainty": certainty,
        "segment_name": segment_name,
        "whom": whom,
        "short": short,
        "unbroken": unbroken,
        "persona": persona,
        "deed": deed,
        "payload": payload,
    }
    environment.globals |= {
        "value_name": value_name,
        "trend": charts.trend,
        "funnel": charts.funnel,
        "sankey": charts.sankey,
    }
    return environment


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
