"""The stage x segment heat map as one picture, for slides; the page has it as tables."""

from __future__ import annotations

import re
from typing import Any

import altair as alt
import vl_convert as vlc
from altair.utils.schemapi import debug_mode

from models.headline import percent
from pipelines.report_views import JourneyMap

MOST_ROWS = 40
ROW, COLUMN = 26, 120  # pixels
# the shades of the page, from much lower to much higher than everyone's rate
_SHADES = ("#eeb0a1", "#f5cfc5", "#fbeae5", "#ffffff", "#e2f0ef", "#c3e0dd", "#9fcdc9")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]|[\ud800-\udfff]")


@debug_mode(False)
def heat_svg(journey: JourneyMap) -> str:
    """Conversion into each stage by segment value, coloured where chance does not explain the difference.

    Empty without segments. Rows beyond 40 are left out, the page has them.
    """
    columns = [f"{each.previous} → {each.stage.name}" for each in journey.transitions]
    rows: list[dict[str, Any]] = []
    names: list[str] = []
    for table in journey.segments:
        for value, cells in table.rows:
            name = _CONTROL.sub(" ", f"{table.field.removeprefix('properties.')}: {value}")
            if name in names or len(names) == MOST_ROWS:
                continue
            names.append(name)
            rows += [
                {
                    "who": name,
                    "where": _CONTROL.sub(" ", where),
                    "shade": _SHADES[cell.level + 3],
                    "rate": percent(cell.rate.value) if cell.rate.value else "0 %",
                    "ink": "#5d646d" if cell.is_few else "#1c2024",
                }
                for where, cell in zip(columns, cells, strict=True)
                if cell is not None
            ]
    if not rows:
        return ""
    order = [_CONTROL.sub(" ", where) for where in columns]
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X(
            "where:N",
            title=None,
            scale=alt.Scale(domain=order),
            axis=alt.Axis(orient="top", labelAngle=-20, labelLimit=220, labelOverlap=False),
        ),
        y=alt.Y("who:N", title=None, scale=alt.Scale(domain=names), axis=alt.Axis(labelLimit=260)),
    )
    chart = (
        alt.layer(
            base.mark_rect(stroke="#e3e0d8").encode(color=alt.Color("shade:N", scale=None)),
            base.mark_text(fontSize=12).encode(text="rate:N", color=alt.Color("ink:N", scale=None)),
        )
        .properties(width=COLUMN * len(order), height=ROW * len(names))
        .configure(font="system-ui, sans-serif", background="transparent")
        .configure_axis(domain=False, ticks=False, labelFontSize=12, labelColor="#1c2024")
        .configure_view(stroke=None)
    )
    svg: str = vlc.vegalite_to_svg(chart.to_dict(validate=False))
    return svg
