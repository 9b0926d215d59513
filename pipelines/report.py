"""Write ``reports/journey-map.html``: one self-contained page for people who never saw the tool."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from models.durations import spoken
from models.headline import percent
from pipelines.errors import NothingLanded
from pipelines.report_charts import funnel_svg, trend_svg
from pipelines.report_data import read_report
from pipelines.report_views import FindingView, JourneyMap, Rate
from pipelines.version import VERSION
from pipelines.workspace import Workspace

TEMPLATE = "journey_map.html.j2"
MOST_CHARTS = 25  # trends drawn, of the findings that cost the most; each takes about 50 ms

_SEGMENTS = {"is_new_user": "new and returning"}
_VALUES = {("is_new_user", "true"): "new visitors", ("is_new_user", "false"): "returning visitors"}


def write_report(workspace: Workspace) -> Path:
    """Write the report of the published file and return its path. Raises NothingLanded."""
    if not workspace.published.exists():
        raise NothingLanded(f"{workspace.root}: nothing is published yet. Run `painpoints run` first")
    with duckdb.connect(str(workspace.published), read_only=True) as connection:
        report = read_report(connection, workspace.journeys, workspace.settings.currency)
    charted = {each.point.pain_point_id: n for n, each in enumerate(report.findings[:MOST_CHARTS])}

    def trend(finding: FindingView) -> Markup:
        number = charted.get(finding.point.pain_point_id)
        # Vega escapes every text it writes, and the page's policy runs no script
        return Markup("" if number is None else trend_svg(finding, f"trend{number}"))

    def funnel(journey: JourneyMap, name: str, narrow: bool) -> Markup:
        return Markup(funnel_svg(journey, name, narrow=narrow))

    page = (
        _environment()
        .get_template(TEMPLATE)
        .render(report=report, trend=trend, funnel=funnel, written_at=datetime.now(UTC), version=VERSION)
    )
    target = workspace.reports / "journey-map.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    # a name may hold half a surrogate pair, which UTF-8 cannot write
    part.write_text(page, "utf-8", errors="replace")
    os.replace(part, target)
    return target


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": share,
        "spoken": spoken,
        "day": day,
        "amount": amount,
        "interval": interval,
        "certainty": certainty,
        "segment_name": segment_name,
        "whom": whom,
    }
    environment.globals |= {"value_name": value_name}
    return environment


def day(value: date | datetime) -> str:
    """``5 January 2021``."""
    return f"{value:%-d %B %Y}"


def amount(value: float) -> str:
    """A number of conversions or of money: ``1,234``; ``3.4`` below ten."""
    return f"{value:,.0f}" if abs(value) >= 9.5 or value == 0 else f"{value:.1f}"


def share(rate: float) -> str:
    """As ``percent`` writes it, but a plain ``0 %``."""
    return percent(rate) if rate else "0 %"


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
