"""Write ``reports/journey-map.html``: one self-contained page for people who never saw the tool."""

from __future__ import annotations

import base64
import hashlib
import os
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipelines.explore import connect
from pipelines.pictures import write_pictures
from pipelines.report_charts import funnel_svg, trend_svg
from pipelines.report_data import read_report
from pipelines.report_sankey import sankey_svg
from pipelines.report_views import FindingView, Flow, PersonaView, Report
from pipelines.report_words import (
    amount,
    certainty,
    day,
    deed,
    interval,
    payload,
    persona,
    segment_name,
    share,
    short,
    told,
    unbroken,
    value_name,
    whom,
)
from pipelines.version import VERSION
from pipelines.workspace import Workspace

TEMPLATES = Path(__file__).parent / "templates" / "report"
MOST_CHARTS = 25  # trends drawn, of the findings that cost the most; each takes about 50 ms


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
