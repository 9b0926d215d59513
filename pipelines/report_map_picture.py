"""The journey map in short as one picture, for slides and for where a page cannot be shown."""

from __future__ import annotations

import re
from html import escape

from models.durations import spoken
from pipelines.report_views import FindingView, JourneyMap, StageColumn
from pipelines.report_words import amount, share, short

HEAD, COLUMN = 120.0, 170.0  # pixels
ROWS = (("", 44), ("In charge", 34), ("Attempts", 34), ("Conversion", 66), ("Time to get here", 34))
PAIN = 58.0
MOST_PAINS = 2
MOST_COLUMNS = 12
_CONTROL = re.compile(r"[\x00-\x1f\x7f]|[\ud800-\udfff]")
_PAINS = {3: "var(--bad)", 2: "var(--ideal)", 1: "var(--muted)"}


def map_svg(journey: JourneyMap) -> str:
    """Stages across; in charge, attempts, conversion beside its ideal, time, the worst pain points.

    Stages beyond the twelfth are left out, the page has them all.
    """
    columns = journey.columns[:MOST_COLUMNS]
    pains = max(min(max(len(column.findings) for column in columns), MOST_PAINS), 1)
    width = HEAD + COLUMN * len(columns)
    height = sum(tall for _, tall in ROWS) + pains * PAIN + 10
    drawn, y = [], 0.0
    for label, tall in (*ROWS, ("Pain points", int(pains * PAIN + 10))):
        drawn.append(
            f'<line x1="0" x2="{width:.0f}" y1="{y:.0f}" y2="{y:.0f}" stroke="var(--line)"/>'
            + _text(0, y + 22, label, "var(--muted)", size=12)
        )
        y += tall
    for number, column in enumerate(columns):
        drawn.append(_column(journey, column, HEAD + number * COLUMN))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}">'
        f"{''.join(drawn)}</svg>"
    )


def _column(journey: JourneyMap, column: StageColumn, x: float) -> str:
    drawn = [_text(x, 28, column.stage.name, weight=600, size=15)]
    y = float(ROWS[0][1])
    drawn.append(_text(x, y + 22, column.stage.owner or "–"))
    y += ROWS[1][1]
    drawn.append(_text(x, y + 22, f"{column.reached:,}", weight=600))
    y += ROWS[2][1]
    drawn.append(_conversion(column, x, y))
    y += ROWS[3][1]
    drawn.append(_text(x, y + 22, "–" if column.median_seconds is None else spoken(column.median_seconds)))
    y += ROWS[4][1] + 8
    drawn += [_pain(each, x, y + place * PAIN) for place, each in enumerate(column.findings[:MOST_PAINS])]
    if not column.findings:
        drawn.append(_text(x, y + 14, "none" if journey.attempts else "–", "var(--muted)"))
    return "".join(drawn)


def _conversion(column: StageColumn, x: float, y: float) -> str:
    if column.rate is None:
        return _text(x, y + 22, "–", "var(--muted)")
    wide, target = COLUMN - 30, column.target
    misses = target is not None and column.rate.value < target
    ideal = "" if target is None else f", ideal {share(target)}"
    drawn = [
        _text(
            x, y + 22, share(column.rate.value) + ideal, "var(--bad)" if misses else "var(--ink)", weight=600
        ),
        f'<rect x="{x:.1f}" y="{y + 36:.1f}" width="{wide:.1f}" height="10" rx="2" fill="var(--line)"/>',
        f'<rect x="{x:.1f}" y="{y + 36:.1f}" width="{wide * column.rate.value:.1f}" height="10" rx="2" '
        'fill="var(--accent)"/>',
    ]
    if target is not None:
        drawn.append(
            f'<rect x="{x + wide * target - 1.5:.1f}" y="{y + 32:.1f}" width="3" height="18" '
            'fill="var(--ideal)"/>'
        )
    return "".join(drawn)


def _pain(finding: FindingView, x: float, y: float) -> str:
    point = finding.point
    cost = (
        point.kind.replace("_", " ")
        if point.lost_per_week is None
        else f"−{amount(point.lost_per_week)} a week"
    )
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="3" height="{PAIN - 12:.1f}" '
        f'fill="{_PAINS.get(finding.severity, "var(--muted)")}"/>'
        + _text(x + 10, y + 15, cost, weight=600)
        + _text(x + 10, y + 32, f"to {point.next_stage}", size=12)
        + _text(x + 10, y + 46, short(finding), "var(--muted)", size=12)
    )


def _text(
    x: float, y: float, text: str, color: str = "var(--ink)", *, weight: int = 400, size: float = 13
) -> str:
    """A line of a cell, shortened to its width; SVG holds no control character."""
    most = int((COLUMN - 14) / (size * 0.55))
    plain = _CONTROL.sub(" ", text)
    plain = plain if len(plain) <= most else plain[: most - 1] + "…"
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" fill="{color}">'
        f"{escape(plain)}</text>"
    )
