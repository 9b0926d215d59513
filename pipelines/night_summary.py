"""A night in short, from the published file: the sentence, the findings and the tracking breaks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from pipelines.placebo_nights import placebo_sentence

BREAKS_DAYS = 7
BREAKS_SHOWN = 20
PICTURE_BYTES = 1_000_000  # a server keeps artifacts in its database
NO_LINKS: Mapping[str, str] = {}


@dataclass(frozen=True)
class Night:
    """What the artifacts say. ``findings`` are the open ones, the costliest first."""

    data_as_of: date | None
    findings: tuple[Mapping[str, Any], ...]
    statuses: Mapping[str, int]
    breaks: tuple[Mapping[str, Any], ...]
    failed: tuple[Mapping[str, Any], ...]
    counts: Mapping[str, int]
    placebo: str | None = None


# As the detector ranks them: by the loss that is almost sure, so that a wide guess does not come first.
_FINDINGS = """
select headline, status, owner, lost_per_week, lost_value, currency, q_value
from marts.pain_points
where status <> 'resolved'
order by lost_low desc nulls last, pain_point_id
"""
_DATA_AS_OF = "select max(data_as_of) as data_as_of from marts.runs"
_BREAKS = """
select source, day, check_name, detail
from marts.tracking_health
where status = 'broken' and check_name <> 'source_failed' and day > ?
order by day desc, source, check_name, detail
"""
_FAILED = """
select source, detail
from marts.tracking_health
where check_name = 'source_failed'
order by source
"""
_COUNTS = """
select
    (select count(*) from marts.events) as events,
    (select count(*) from marts.sessions) as sessions,
    (select count(*) from marts.attempts) as attempts
"""
_STATUSES = "select status, count(*) as findings from marts.pain_points group by status order by status"


def read_night(published: Path) -> Night:
    """The night as the published file has it."""
    with closing(duckdb.connect(str(published), read_only=True)) as connection:
        as_of: date | None = _rows(connection, _DATA_AS_OF)[0]["data_as_of"]
        since = as_of - timedelta(days=BREAKS_DAYS) if as_of else date.min
        return Night(
            as_of,
            tuple(_rows(connection, _FINDINGS)),
            {row["status"]: row["findings"] for row in _rows(connection, _STATUSES)},
            tuple(_rows(connection, _BREAKS, [since])),
            tuple(_rows(connection, _FAILED)),
            _rows(connection, _COUNTS)[0],
            placebo_sentence(connection),
        )


def findings_table(night: Night) -> list[dict[str, Any]]:
    """One row per open pain point; a table without rows would show no columns, so it says so."""
    rows = [
        {
            "rank": rank,
            "headline": one_line(each["headline"]),
            "status": each["status"],
            "owner": one_line(each["owner"] or ""),
            "lost per week": _rounded(each["lost_per_week"], 1),
            "money": _money(each["lost_value"], each["currency"]),
            "q": _rounded(each["q_value"], 6),
        }
        for rank, each in enumerate(night.findings, 1)
    ]
    return rows or [
        {"rank": None, "headline": "No pain point is open.", "status": "", "owner": ""}
        | {"lost per week": None, "money": "", "q": None}
    ]


def summary(night: Night, report_path: Path, links: Mapping[str, str] = NO_LINKS) -> str:
    """The night in Markdown: first the sources that failed, then broken tracking: both blind what follows.

    ``links`` are name -> address, of the program's or the config's own making.
    """
    counts = ", ".join(f"{count:,} {what}" for what, count in night.counts.items())
    statuses = ", ".join(f"{count} {status}" for status, count in night.statuses.items()) or "none"
    lines = [
        *_failed(night),
        *_breaks(night),
        escaped(sentence(night)),
        "",
        f"- Data as of {night.data_as_of or 'no night judged yet'}",
        f"- Published: {counts}",
        f"- Pain points: {statuses}",
        f"- Report: {escaped(str(report_path))}",
    ]
    if night.placebo:
        lines.append(f"- {escaped(night.placebo[0].upper() + night.placebo[1:])}")
    if links:
        lines.append("- See " + ", ".join(f"[{name}](<{address}>)" for name, address in links.items()))
    return "\n".join(lines) + "\n"


def sentence(night: Night) -> str:
    """The one thing to know of the night, as plain text."""
    found = len(night.findings)
    if not found:
        return "No pain point is open."
    new = sum(each["status"] == "new" for each in night.findings)
    are = "1 pain point is open" if found == 1 else f"{found} pain points are open"
    return f"{are}, {new} of them new. First: {one_line(night.findings[0]['headline'])}"


def small_picture(folder: Path) -> Path | None:
    """The PNG of the journey map, else the first that is small enough for an artifact; None without."""
    found = [path for path in sorted(folder.glob("*.png")) if path.stat().st_size <= PICTURE_BYTES]
    return next((path for path in found if "map" in path.stem), found[0] if found else None)


def _failed(night: Night) -> list[str]:
    if not night.failed:
        return []
    what = "1 source" if len(night.failed) == 1 else f"{len(night.failed)} sources"
    return [
        f"**{what} failed; the night was built from what landed.**",
        "",
        *(f"- {escaped(row['source'])}: {escaped(row['detail'])}" for row in night.failed),
        "",
    ]


def _breaks(night: Night) -> list[str]:
    if not night.breaks:
        return []
    rows = [
        "| " + " | ".join(escaped(str(row[key])) for key in ("source", "day", "check_name", "detail")) + " |"
        for row in night.breaks[:BREAKS_SHOWN]
    ]
    more = len(night.breaks) - len(rows)
    return [
        f"**Broken tracking in the last {BREAKS_DAYS} days of data: {len(night.breaks)}.** "
        "Correct it first; what it blinds is not judged.",
        "",
        "| source | day | check | detail |",
        "| --- | --- | --- | --- |",
        *rows,
        *(["", f"and {more} more in marts.tracking\\_health"] if more else []),
        "",
    ]


def escaped(text: str) -> str:
    """Text on one line in which Markdown finds nothing to do: no table cell, link, tag or emphasis."""
    return re.sub(r"([\\`*_{}\[\]<>()#!|~&$])", r"\\\1", one_line(text))


def one_line(text: str) -> str:
    return " ".join(text.split())


def _money(value: float | None, currency: str) -> str:
    rounded = _rounded(value, 0)
    return "" if rounded is None else f"{rounded:,.0f} {currency}"


def _rounded(value: float | None, digits: int) -> float | None:
    # NaN is no JSON
    return None if value is None or value != value else round(value, digits)


def _rows(
    connection: duckdb.DuckDBPyConnection, query: str, values: list[Any] | None = None
) -> list[dict[str, Any]]:
    cursor = connection.execute(query, values or [])
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
