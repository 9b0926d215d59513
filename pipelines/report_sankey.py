"""The moves between stages as one drawing: the ideal order runs along the top, loops return below it."""

from __future__ import annotations

import math
import re
from html import escape

from pipelines.report_views import Flow, FlowNode, Move

MOST_ARCS = 7  # above and below; all moves stand in the table under the drawing
LABELLED = 0.008  # arcs of at least this share of the largest stage carry their number
BAR = 12.0  # pixels
TALLEST = 130.0
PAGE, NARROWEST, WIDEST = 1060.0, 110.0, 230.0  # what the stages share, and the room that each gets
_CONTROL = re.compile(r"[\x00-\x1f\x7f]|[\ud800-\udfff]")
_HALO = 'stroke="var(--card)" stroke-width="4" paint-order="stroke" stroke-linejoin="round"'
_COLORS = {
    "ideal": "var(--accent)",
    "skip": "var(--ideal)",
    "back": "var(--bad)",
    "again": "var(--bad)",
}


def sankey_svg(flow: Flow, name: str) -> str:
    """Stages as bars as high as their visits, moves as bands as thick as their number.

    Moves to the next stage are bands between the bars, moves further on arch above, moves back return
    below. ``name`` keeps ids apart. Empty without visits.
    """
    most = max((node.visits for node in flow.nodes), default=0)
    if not most:
        return ""
    scale = TALLEST / most
    step = min(max(PAGE / len(flow.nodes), NARROWEST), WIDEST)
    place = {node.stage: number for number, node in enumerate(flow.nodes)}
    arcs = {
        kind: [move for move in flow.moves if move.kind in kinds and not _is_band(move, place)][:MOST_ARCS]
        for kind, kinds in (("above", ("ideal", "skip")), ("below", ("back",)))
    }
    rise = max((_reach(move, place) for move in arcs["above"]), default=0.0)
    sink = max((_reach(move, place) for move in arcs["below"]), default=0.0)
    top = 52 + rise + max((move.count * scale for move in arcs["above"]), default=0.0) / 2
    floor = top + TALLEST
    left = max(step * 0.35, 62.0)
    drawn = [_leaving(node, place, scale, left, step, top, name) for node in flow.nodes]
    drawn += [_band(move, place, scale, left, step, top) for move in flow.moves if _is_band(move, place)]
    arches = [_arc(move, place, scale, left, step, top - 3, -1, most) for move in arcs["above"]]
    arches += [_arc(move, place, scale, left, step, floor + 8, 1, most) for move in arcs["below"]]
    drawn += [arch for arch, _ in arches]
    for node in flow.nodes:
        drawn.append(_node(node, place, scale, left, step, top, floor))
    drawn += [number for _, number in arches]  # last, so that no line crosses them
    width = left * 2 + step * (len(flow.nodes) - 1) + 110
    height = floor + 26 + sink + max((move.count * scale for move in arcs["below"]), default=0.0) / 2
    fade = (
        f'<defs><linearGradient id="{name}-fade"><stop offset="0" stop-color="var(--muted)" '
        'stop-opacity=".38"/><stop offset="1" stop-color="var(--muted)" stop-opacity="0"/>'
        "</linearGradient></defs>"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" aria-hidden="true" '
        f'style="width:{width:.0f}px;max-width:none" font-family="system-ui, sans-serif" font-size="12.5">'
        f"{fade}{''.join(drawn)}</svg>"
    )


def _is_band(move: Move, place: dict[str, int]) -> bool:
    return place[move.end] - place[move.start] == 1


def _reach(move: Move, place: dict[str, int]) -> float:
    """How far an arc leaves the line of the bars, in pixels; longer ways further, so that arcs nest."""
    return min(22 + 15 * abs(place[move.end] - place[move.start]), 150.0)


def _at(stage: str, place: dict[str, int], left: float, step: float) -> float:
    return left + place[stage] * step


def _node(
    node: FlowNode, place: dict[str, int], scale: float, left: float, step: float, top: float, floor: float
) -> str:
    x, height = _at(node.stage, place, left, step), max(node.visits * scale, 1.5)
    again = f"{node.visits:,} {'visit' if node.visits == 1 else 'visits'}"
    color = "var(--accent)" if node.is_goal else "var(--ink)"
    # a bar stands in its column from the line of the bands to the line of the loops
    stem = (
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{top:.1f}" y2="{floor:.1f}" stroke="var(--line)" '
        'stroke-dasharray="2 3"/>'
    )
    return (
        f"<g><title>{_text(node.stage)}: {again}, {node.began:,} began and {node.ended:,} ended here</title>"
        f'{stem}<rect x="{x - BAR / 2:.1f}" y="{top:.1f}" width="{BAR}" height="{height:.1f}" rx="2" '
        f'fill="{color}"/>'
        f'<text x="{x:.1f}" y="16" text-anchor="middle" font-weight="600" fill="var(--ink)">'
        f"{_text(node.stage, step)}</text>"
        f'<text x="{x:.1f}" y="32" text-anchor="middle" fill="var(--muted)">{again}</text></g>'
    )


def _leaving(
    node: FlowNode, place: dict[str, int], scale: float, left: float, step: float, top: float, name: str
) -> str:
    """Attempts that ended here: a band that fades away below those that went on."""
    if node.is_goal or not node.ended:
        return ""
    x = _at(node.stage, place, left, step) + BAR / 2
    thick = max(node.ended * scale, 1.5)
    end = top + max(node.visits * scale, thick)
    start, drop = end - thick, 14.0
    reach = step * 0.42
    path = (
        f"M{x:.1f},{start:.1f} C{x + reach / 2:.1f},{start:.1f} {x + reach / 2:.1f},{start + drop:.1f} "
        f"{x + reach:.1f},{start + drop:.1f} L{x + reach:.1f},{end + drop:.1f} "
        f"C{x + reach / 2:.1f},{end + drop:.1f} {x + reach / 2:.1f},{end:.1f} {x:.1f},{end:.1f} Z"
    )
    label = f"{node.ended:,} left"
    return (
        f'<g><title>{label} after {_text(node.stage)}</title><path d="{path}" fill="url(#{name}-fade)"/>'
        f'<text x="{x + 10:.1f}" y="{(start + end) / 2 + drop / 2 + 4:.1f}" fill="var(--muted)" {_HALO}>'
        f"{label}</text>"
        "</g>"
    )


def _band(move: Move, place: dict[str, int], scale: float, left: float, step: float, top: float) -> str:
    x1 = _at(move.start, place, left, step) + BAR / 2
    x2 = _at(move.end, place, left, step) - BAR / 2
    thick = max(move.count * scale, 1.0)
    inside = thick >= 15
    number = (
        f'<text x="{(x1 + x2) / 2:.1f}" y="{top + (thick / 2 + 4 if inside else -5):.1f}" '
        f'text-anchor="middle" fill="var(--ink)" {"" if inside else _HALO}>{move.count:,}</text>'
    )
    return (
        f'<g>{_title(move)}<rect x="{x1:.1f}" y="{top:.1f}" width="{x2 - x1:.1f}" '
        f'height="{thick:.1f}" fill="{_COLORS[move.kind]}" fill-opacity=".28"/>{number}</g>'
    )


def _arc(
    move: Move,
    place: dict[str, int],
    scale: float,
    left: float,
    step: float,
    base: float,
    side: int,
    most: int,
) -> tuple[str, str]:
    """An arch above (-1) or below (1) ``base`` with an arrow at its crown, and its number."""
    x1, x2 = _at(move.start, place, left, step), _at(move.end, place, left, step)
    thick = max(move.count * scale, 1.2)
    pull = base + side * _reach(move, place) * 4 / 3  # a cubic's crown is at 3/4 of its handles
    crown, middle = base + side * _reach(move, place), (x1 + x2) / 2
    ahead = math.copysign(5 + thick / 6, x2 - x1)
    half = 4 + thick / 5
    arrow = (
        f"M{middle - ahead / 2:.1f},{crown - half:.1f} L{middle + ahead:.1f},{crown:.1f} "
        f"L{middle - ahead / 2:.1f},{crown + half:.1f} Z"
    )
    color = _COLORS[move.kind]
    number = ""
    if move.count >= LABELLED * most:
        y = crown + side * (thick / 2 + 9) + 4
        number = (
            f'<text x="{middle:.1f}" y="{y:.1f}" text-anchor="middle" fill="{color}" {_HALO}>'
            f"{move.count:,}</text>"
        )
    return (
        f'<g>{_title(move)}<path d="M{x1:.1f},{base:.1f} C{x1:.1f},{pull:.1f} {x2:.1f},{pull:.1f} '
        f'{x2:.1f},{base:.1f}" fill="none" stroke="{color}" stroke-opacity=".4" stroke-width="{thick:.1f}"/>'
        f'<path d="{arrow}" fill="{color}"/></g>',
        number,
    )


def _title(move: Move) -> str:
    return f"<title>{_text(move.start)} → {_text(move.end)}: {move.count:,}</title>"


def _text(text: str, room: float | None = None) -> str:
    """A name as SVG text, shortened to ``room`` pixels; SVG holds no control character."""
    plain = _CONTROL.sub(" ", text)
    most = len(plain) if room is None else int(room / 7.5)
    return escape(plain if len(plain) <= most else plain[: most - 1] + "…")
