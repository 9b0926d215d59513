"""The honesty gauge over the nights: random groups of users are scanned, and who was blamed is kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date

import duckdb

from models.cohort_table import Observed, cohort_cubes
from models.cohorts import CohortCube
from models.detector_settings import DetectorSettings
from models.placebo import LEVEL, PLACEBO_GROUP, gauge
from pipelines.state_tables import make_state_table

_COLUMNS = {
    "night": "date",
    "comparisons": "bigint",
    "looked_low": "bigint",
    "looked_low_by_chance": "double",
    "blamed": "bigint",
    "blamed_by_chance": "double",
}
CRIES = 2.0  # times what chance gives, and two more: said as a warning


def make_placebo_state(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table of judged nights where it is missing."""
    make_state_table(connection, "placebo_nights", _COLUMNS)


def placebo_cubes(
    connection: duckdb.DuckDBPyConnection, last_days: Mapping[str, date], observed: Observed
) -> tuple[CohortCube, ...]:
    """The cubes of random groups of the last build; none of a build from before there were any."""
    known = connection.execute(
        "select 1 from information_schema.tables "
        "where table_schema = 'marts' and table_name = 'placebo_cohorts'"
    ).fetchall()
    if not known:
        return ()
    frame = connection.execute("select * from marts.placebo_cohorts").df()
    groups = dict.fromkeys(last_days, (PLACEBO_GROUP,))
    return tuple(cohort_cubes(frame, groups, last_days, observed))


def save_placebo(
    connection: duckdb.DuckDBPyConnection,
    night: date,
    cubes: Sequence[CohortCube],
    settings: DetectorSettings,
) -> None:
    """Gauge a night by the cubes that end with it, in the place of what an earlier run of it said."""
    connection.execute("delete from state.placebo_nights where night = ?", [night])
    count = gauge(cubes, settings)
    if count.comparisons:
        connection.execute(
            "insert into state.placebo_nights values (?, ?, ?, ?, ?, ?)",
            [
                night,
                count.comparisons,
                count.looked_low,
                count.comparisons * LEVEL,
                count.blamed,
                settings.alpha,
            ],
        )


def placebo_sentence(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The gauge in one sentence, of the published file; None where no night was gauged."""
    known = connection.execute(
        "select 1 from information_schema.tables "
        "where table_schema = 'marts' and table_name = 'placebo_nights'"
    ).fetchall()
    if not known:
        return None
    ((nights, comparisons, low, low_chance, blamed, blamed_chance),) = connection.execute(
        "select count(*), sum(comparisons), sum(looked_low), sum(looked_low_by_chance), "
        "count(*) filter (where blamed > 0), sum(blamed_by_chance) from marts.placebo_nights"
    ).fetchall()
    if not nights:
        return None
    many = "1 night" if nights == 1 else f"{nights} nights"
    at_most = math.ceil(blamed_chance * 10) / 10
    text = (
        f"honesty gauge: in {many} random groups of users were blamed on {blamed} (chance: at most "
        f"{at_most:.1f}) and looked low in {low:,} of {comparisons:,} comparisons (chance: "
        f"{_count(low_chance)})"
    )
    if blamed > CRIES * blamed_chance + 2 or low > CRIES * low_chance + 2:
        text += "; that is more than chance gives: take weak findings with doubt"
    return text


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
