"""Which traffic sources are search engines, social networks, video and shopping sites."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.warehouse import replace_table

SITES_FILE = Path(__file__).parent / "traffic_sites.csv"
CATEGORIES = ("SEARCH", "SOCIAL", "VIDEO", "SHOPPING", "OTHER")
_SCHEMA = pa.schema([("site", pa.string()), ("category", pa.string())])


def write_traffic_sites(connection: duckdb.DuckDBPyConnection) -> None:
    """Make ``config.traffic_sites``: site (lower case) and its category.

    OTHER keeps a sub-domain from the category of its parent.
    """
    rows = [{"site": site, "category": category} for site, category in traffic_sites().items()]
    replace_table(connection, "config.traffic_sites", _SCHEMA, rows)


@cache
def traffic_sites() -> dict[str, str]:
    """Category by site. Raises ValueError naming the line that is none."""
    numbered = enumerate(SITES_FILE.read_text("utf-8").splitlines(), 1)
    lines = [(number, line) for number, line in numbered if line.strip() and not line.startswith("#")]
    sites: dict[str, str] = {}
    for (number, _), row in zip(lines[1:], csv.reader(line for _, line in lines[1:]), strict=True):
        site, category = (cell.strip() for cell in row) if len(row) == 2 else ("", "")
        if not site or site != site.lower() or category not in CATEGORIES:
            raise ValueError(f"{SITES_FILE}, line {number}: not a site in small letters and a category")
        if site in sites:
            raise ValueError(f"{SITES_FILE}, line {number}: {site} is listed twice")
        sites[site] = category
    return sites
