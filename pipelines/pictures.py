"""The report's charts for slides: SVG and PNG files of their own, on white, in the light colours."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from html import escape
from pathlib import Path

import vl_convert as vlc

from pipelines.report_heat import heat_svg
from pipelines.report_map_picture import map_svg
from pipelines.report_views import Report

# The light theme of the page's style sheet, as pictures have no style sheet.
COLORS = {
    "--paper": "#ffffff",
    "--card": "#ffffff",
    "--ink": "#1c2024",
    "--muted": "#5d646d",
    "--line": "#e3e0d8",
    "--accent": "#14676b",
    "--bar": "#c9d3d6",
    "--ideal": "#8a6100",
    "--bad": "#ad3a26",
    "--good": "#2b7047",
}
MOST_TRENDS = 5
WIDEST = 4000.0  # pixels of a PNG
TITLE = 30.0  # pixels above a drawing
_SIZE = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')


def write_pictures(report: Report, folder: Path, drawn: Mapping[str, str]) -> tuple[Path, ...]:
    """Write ``drawn`` charts (name -> SVG of the page) anew into ``folder``; returns the PNG files.

    Of each journey ``journey-N-map``, ``-funnel``, ``-paths`` and ``-segments``, of the costliest findings
    ``finding-N``.
    """
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    made = []
    for name, (title, svg) in _named(report, drawn).items():
        picture = _standalone(svg, title)
        (part / f"{name}.svg").write_text(picture, "utf-8", errors="replace")
        size = _SIZE.search(picture)
        scale = min(2.0, WIDEST / float(size[1])) if size else 1.0
        (part / f"{name}.png").write_bytes(vlc.svg_to_png(picture, scale=scale))
        made.append(folder / f"{name}.png")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)
    return tuple(made)


def _named(report: Report, drawn: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """File name -> (title, SVG) of what is drawn for everyone."""
    found = {}
    for number, journey in enumerate(report.maps, 1):
        name = journey.journey.name
        found[f"journey-{number}-map"] = (
            f"{name}: the journey map",
            map_svg(journey) if journey.attempts else "",
        )
        found[f"journey-{number}-funnel"] = (
            f"{name}: the funnel against the ideal (upright marks)",
            drawn.get(f"funnel{number}-1w", ""),
        )
        found[f"journey-{number}-segments"] = (
            f"{name}: conversion by segment, coloured where chance does not explain it",
            heat_svg(journey) if journey.attempts else "",
        )
        found[f"journey-{number}-paths"] = (
            f"{name}: the ways people took",
            drawn.get(f"ways{number}-1", ""),
        )
    for number, finding in enumerate(report.findings[:MOST_TRENDS]):
        where = f"{finding.point.stage} to {finding.point.next_stage}, {finding.point.segment}"
        found[f"finding-{number + 1}"] = (where, drawn.get(f"trend{number}", ""))
    return {name: chart for name, chart in found.items() if chart[1]}


def _standalone(svg: str, title: str) -> str:
    """A chart of the page as a picture by itself: with colours, a size, a white ground and its title."""
    for name, color in COLORS.items():
        svg = svg.replace(f"var({name})", color)
    size = _SIZE.search(svg)
    width, height = (float(size[1]), float(size[2])) if size else (600.0, 400.0)
    inner = svg[svg.index(">") + 1 : svg.rindex("</svg>")]
    text = escape(re.sub(r"[\x00-\x1f\x7f]|[\ud800-\udfff]", " ", title))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width + 32:.0f} {height + TITLE + 32:.0f}" width="{width + 32:.0f}" '
        f'height="{height + TITLE + 32:.0f}" font-family="system-ui, sans-serif" font-size="12.5">'
        f'<rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="20" y="30" font-size="15" font-weight="600" fill="{COLORS["--ink"]}">{text}</text>'
        f'<g transform="translate(16 {TITLE + 16:.0f})">{inner}</g></svg>'
    )
