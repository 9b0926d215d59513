"""The charts of the report as inline SVG: altair draws them, vl-convert renders them, offline."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import altair as alt
import vl_convert as vlc
from altair.utils.schemapi import debug_mode

from models.durations import spoken
from models.headline import percent
from pipelines.report_views import FindingView, PersonaView

# Colours are the page's CSS variables, so that charts follow its light and dark theme.
_INK, _MUTED, _LINE = "var(--ink)", "var(--muted)", "var(--line)"
_BAR, _ACCENT, _IDEAL, _BAD = "var(--bar)", "var(--accent)", "var(--ideal)", "var(--bad)"
_GOOD = "var(--good)"
_FONT = "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
HEIGHT = 150  # pixels of a trend before it is scaled
_TAG = re.compile(r"<[^<>]*>")  # texts and attribute values hold no raw < or >
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@debug_mode(False)  # altair's checks of its own schema take longer than the drawing
def trend_svg(finding: FindingView, name: str) -> str:
    """What was observed against what was expected; ``name`` keeps ids apart. Empty with one point.

    Rates are by entry day, other kinds by night. The onset and a reported fix are marked.
    """
    point, trend = finding.point, finding.trend
    if len(trend) < 2:
        return ""
    is_time = point.kind == "slow"
    first, last = trend[0].day, trend[-1].day
    onset = max(finding.onset or first, first)
    x = alt.X("day:T", title=None, axis=alt.Axis(format="%-d %b", tickCount=4, grid=False, labelOverlap=True))
    top = max(*(each.observed for each in trend), point.expected) * 1.18 or 1.0
    scale = alt.Scale(domain=[0, top], nice=False)
    unit = 60.0 if is_time and top >= 120 else 1.0
    axis = (
        alt.Axis(
            tickCount=4, labelExpr=f"format(datum.value / {unit}, '~r') + '{' min' if unit > 1 else ' s'}'"
        )
        if is_time
        else alt.Axis(format="~%", tickCount=4)
    )
    shown = spoken if is_time else percent
    observed = [{"day": each.day.isoformat(), "rate": each.observed} for each in trend]
    expected = [
        {"day": day.isoformat(), "rate": point.expected}
        for day in ((onset, last) if onset < last else (first, last))
    ]

    def line(rows: Sequence[dict[str, Any]], **mark: Any) -> Any:
        y = alt.Y("rate:Q", title=None, scale=scale, axis=axis)
        return alt.Chart(alt.InlineData(values=list(rows))).mark_line(clip=True, **mark).encode(x=x, y=y)

    def label(rate: float, text: str, color: str, shift: float) -> Any:
        rows = [{"day": last.isoformat(), "rate": rate, "text": text}]
        mark: dict[str, Any] = {"align": "left", "dx": 7, "dy": shift, "fontSize": 13, "color": color}
        return alt.Chart(alt.InlineData(values=rows)).mark_text(**mark).encode(x=x, y="rate:Q", text="text:N")

    def moment(day: date, text: str, color: str, height: float) -> list[Any]:
        base = alt.Chart(alt.InlineData(values=[{"day": day.isoformat(), "text": text}]))
        near_end = (day - first).days > 0.6 * (last - first).days
        mark: dict[str, Any] = {"align": "right" if near_end else "left", "dx": -5 if near_end else 5}
        return [
            base.mark_rule(color=color, strokeDash=[2, 3]).encode(x=x),
            base.mark_text(fontSize=12, color=color, **mark).encode(x=x, y=alt.value(height), text="text:N"),
        ]

    now = trend[-1].observed
    gap = (point.expected - now) / top * HEIGHT  # pixels; labels closer than a line are moved apart
    shift = max(0.0, (17 - abs(gap)) / 2) * (1 if gap >= 0 else -1)
    layers = [
        line(expected, color=_IDEAL, strokeDash=[6, 4], strokeWidth=2),
        line(observed, color=_BAD, strokeWidth=2.5),
        label(point.expected, f"{shown(point.expected)} expected", _IDEAL, -shift),
        label(now, f"{shown(now)} observed", _BAD, shift),
    ]
    if point.started_on and first <= point.started_on <= last:
        layers += moment(point.started_on, f"since {point.started_on:%-d %b}", _MUTED, 8)
    fixed = finding.mark.fixed_on if finding.mark else None
    if fixed and first <= fixed <= last:
        layers += moment(fixed, f"fixed {fixed:%-d %b}", _GOOD, HEIGHT - 8)
    return _svg(alt.layer(*layers).properties(width=265, height=HEIGHT), name)


@debug_mode(False)
def funnel_svg(view: PersonaView, name: str, *, narrow: bool = False) -> str:
    """Attempts per required stage beside those of the ideal, and each step's conversion with interval."""
    rows = []
    ideally: float | None = None
    for column in view.columns:
        if column.stage.optional:
            continue
        ideally = float(column.reached) if not column.previous else _times(ideally, column.target)
        row: dict[str, Any] = {
            "stage": _plain(column.stage.name),
            "reached": column.reached,
            "count": f"{column.reached:,}",
        }
        if column.rate is not None:
            low, high = column.rate.interval()
            row |= {"rate": column.rate.value, "low": low, "high": high}
            row |= {"shown": percent(column.rate.value), "end": max(high, column.target or 0)}
        if column.target is not None and column.previous:
            row |= {"ideal": column.target}
        if ideally is not None and column.previous:
            row |= {"ideally": ideally}
        rows.append(row)
    order = [row["stage"] for row in rows]
    width, limit = (180, 110) if narrow else (340, 190)
    chart = (
        alt.Chart()
    )  # the data are given once, to all of it: altair copies what a part has again and again
    most = max((max(row["reached"], row.get("ideally", 0)) for row in rows), default=0) or 1

    def y(labels: bool, stages: Sequence[str]) -> Any:
        axis = alt.Axis(
            labelLimit=limit,
            labelFontSize=13,
            labelColor=_INK,
            labels=labels,
            domain=False,
            ticks=False,
            labelPadding=8,
            minExtent=60 if labels else 0,
        )
        scale = alt.Scale(domain=list(stages), paddingInner=0.45)
        return alt.Y("stage:N", title=None, axis=axis, scale=scale)

    counts = alt.X("reached:Q", title=None, axis=None, scale=alt.Scale(domain=[0, most * 1.3]))
    bars = chart.mark_bar(color=_BAR, cornerRadiusEnd=2).encode(x=counts, y=y(True, order))
    for row in rows:
        row["right"] = max(row["reached"], row.get("ideally", 0))
    ends = alt.X("right:Q", title=None, axis=None, scale=alt.Scale(domain=[0, most * 1.3]))
    goals = (
        chart.mark_tick(color=_IDEAL, thickness=3.5, size=26)
        .encode(x=alt.X("ideally:Q", axis=None, scale=alt.Scale(domain=[0, most * 1.3])), y=y(True, order))
        .transform_filter("isValid(datum.ideally)")
    )
    numbers = chart.mark_text(align="left", dx=6, color=_INK, fontSize=13).encode(
        x=ends, y=y(True, order), text="count:N"
    )
    size: dict[str, Any] = {"width": width, "height": {"step": 34}}
    left = alt.layer(bars, goals, numbers, title="Attempts that reached it", **size)
    highest = max((max(row.get("high", 0), row.get("ideal", 0)) for row in rows), default=0)
    share = alt.Scale(domain=[0, highest * 1.3 or 1.0], nice=False)
    axis = alt.Axis(format="~%", tickCount=3)
    rate = alt.X("rate:Q", title=None, scale=share, axis=axis)
    # side by side the panels share their rows; the entry stage has nothing before it
    came = y(narrow, order[1:] if narrow else order)
    known = "isValid(datum.rate)"
    steps = alt.layer(
        chart.mark_bar(color=_ACCENT, cornerRadiusEnd=2, height={"band": 0.7})
        .encode(x=rate, y=came)
        .transform_filter(known),
        chart.mark_rule(color=_INK, strokeWidth=1.5)
        .encode(x=alt.X("low:Q", title=None, scale=share, axis=axis), x2="high:Q", y=came)
        .transform_filter(known),
        chart.mark_tick(color=_IDEAL, thickness=3.5, size=26)
        .encode(x=alt.X("ideal:Q", title=None, scale=share, axis=axis), y=came)
        .transform_filter("isValid(datum.ideal)"),
        chart.mark_text(align="left", dx=7, color=_INK, fontSize=13)
        .encode(x=alt.X("end:Q", title=None, scale=share, axis=axis), y=came, text="shown:N")
        .transform_filter(known),
        title="Of the stage before, came on",
        **size,
    )
    data = alt.InlineData(values=rows)
    if narrow:
        return _svg(alt.vconcat(left, steps, data=data, spacing=26), name)
    return _svg(alt.hconcat(left, steps, data=data, spacing=30), name)


_CONFIG: dict[str, Any] = {
    "font": _FONT,
    "background": "transparent",
    "padding": {"left": 14, "top": 4, "right": 4, "bottom": 4},
    "view": {"stroke": None},
    "axis": {
        "labelColor": _MUTED,
        "labelFontSize": 12,
        "gridColor": _LINE,
        "domainColor": _LINE,
        "tickColor": _LINE,
        "labelFont": _FONT,
        "titleColor": _MUTED,
    },
    "title": {"color": _MUTED, "fontSize": 13, "fontWeight": 600, "anchor": "start", "offset": 8},
}


def _svg(chart: Any, name: str) -> str:
    """The chart as one scalable SVG whose ids start with ``name``, without a size of its own."""
    spec = chart.to_dict(validate=False)
    # put in here, as altair copies the whole chart for each part of it that is configured
    config = spec.setdefault("config", {})
    for part, given in _CONFIG.items():
        config[part] = config.get(part, {}) | given if isinstance(given, dict) else given
    svg = vlc.vegalite_to_svg(spec)
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    width = float(size[1]) if size else 600.0

    def scoped(tag: re.Match[str]) -> str:
        text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", tag[0])
        if text.startswith("<svg"):
            text = re.sub(r' (width|height)="[^"]*"', "", text)
            text = text.replace("<svg", f'<svg aria-hidden="true" style="max-width:{width * 1.2:.0f}px"', 1)
        return text

    return _TAG.sub(scoped, svg)


def _times(count: float | None, rate: float | None) -> float | None:
    return None if count is None or rate is None else count * rate


def _plain(text: str) -> str:
    """A name without control characters, which no SVG may hold."""
    return _CONTROL.sub(" ", text)
