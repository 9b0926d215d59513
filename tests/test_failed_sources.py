"""A source that cannot be pulled: the night is built from what landed, and that is said first."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import CRM_CONFIG, CRM_HEADER, Painpoints, crm_lines, make_workspace

from pipelines import steps
from pipelines.failed_sources import SourcesFailed, failed_sources
from pipelines.night_summary import read_night, summary
from pipelines.workspace import open_workspace

TILL = """
[sources.till]
kind = "table"
files = "exports/till*.csv"
columns = {event_at = "when", event_name = "what", user_id = "who", device = "device", value = "amount"}
revenue_events = ["buy"]
"""
BROKEN = "nothing,of,use\n1,2,3\n"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Two sources that the journey counts: people cart in one and buy in the other."""
    carts = [line for line in crm_lines() if ",buy," not in line]
    buys = [line for line in crm_lines() if ",buy," in line]
    folder = make_workspace(tmp_path / "shop", config=CRM_CONFIG + TILL, lines=carts)
    (folder / "exports" / "till.csv").write_text("\n".join([CRM_HEADER, *buys]) + "\n", "utf-8")
    return folder


def later(folder: Path) -> None:
    """The next day of visits lands, and the till's new export is cut short."""
    day = [line.replace("2026-03-02", "2026-03-13") for line in crm_lines() if line.startswith("2026-03-02")]
    more = [line for line in day if ",buy," not in line]
    (folder / "exports" / "crm_2.csv").write_text("\n".join([CRM_HEADER, *more]) + "\n", "utf-8")
    (folder / "exports" / "till_2.csv").write_text(BROKEN, "utf-8")


def rows(folder: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / "painpoints.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_a_night_is_built_from_what_landed_and_the_failure_is_said_first(
    shop: Path, painpoints: Painpoints
) -> None:
    assert painpoints("run", "--workspace", shop).code == 0
    assert rows(shop, "select status from marts.runs") == [("done",)]
    later(shop)

    done = painpoints("run", "--workspace", shop)

    assert done.code == 1
    assert "source till: " in done.err
    assert "till_2.csv" in done.err
    assert rows(shop, "select status from marts.runs order by started_at") == [("done",), ("partial",)]
    # what landed is there
    assert rows(shop, "select count(*) from marts.events where event_at::date = '2026-03-13'")[0][0] > 30
    ((source, status, detail),) = rows(
        shop,
        "select source, status, detail from marts.tracking_health where check_name = 'source_failed'",
    )
    assert (source, status) == ("till", "broken")
    assert "till_2.csv" in detail
    # nobody of the day that the till does not know is called lost
    outcomes = rows(
        shop, "select distinct outcome from marts.attempts where entry_date >= '2026-03-12' order by 1"
    )
    assert outcomes == [("converted",), ("open",)]
    (as_of,) = rows(shop, "select data_as_of from marts.runs order by started_at")[-1]
    assert as_of == date(2026, 3, 12), "the last day that both know, though one knows the next"

    listed = painpoints("list", "--workspace", shop)
    assert listed.code == 0
    assert listed.out.startswith("Built without a source that failed:\n  source till: ")
    as_json = painpoints("list", "--workspace", shop, "--json")
    assert isinstance(json.loads(as_json.out), list)
    assert "source till: " in as_json.err
    text = summary(read_night(shop / "painpoints.duckdb"), shop / "reports" / "journey-map.html")
    assert text.startswith("**1 source failed")
    assert "till" in text.splitlines()[2]


def test_a_source_that_comes_back_is_no_longer_told_of(shop: Path, painpoints: Painpoints) -> None:
    later(shop)
    assert painpoints("pull", "--workspace", shop).code == 1
    assert painpoints("build", "--workspace", shop).code == 0
    assert rows(shop, "select status from marts.runs") == [("partial",)], "a step alone says so too"
    (shop / "exports" / "till_2.csv").unlink()

    assert painpoints("run", "--workspace", shop).code == 0

    assert rows(shop, "select status from marts.runs order by started_at") == [("partial",), ("done",)]
    assert rows(shop, "select count(*) from marts.tracking_health where check_name = 'source_failed'") == [
        (0,)
    ]
    assert "Built without" not in painpoints("list", "--workspace", shop).out
    assert failed_sources(open_workspace(shop)) == ()


def test_where_every_source_fails_nothing_is_built(shop: Path, painpoints: Painpoints) -> None:
    assert painpoints("run", "--workspace", shop).code == 0
    before = (shop / "painpoints.duckdb").read_bytes()
    for name in ("crm", "till"):
        (shop / "exports" / f"{name}_bad.csv").write_text(BROKEN, "utf-8")

    done = painpoints("run", "--workspace", shop)

    assert done.code == 1
    assert "source crm: " in done.err
    assert "source till: " in done.err
    assert "Nothing was built; what was published before is as it was" in done.err
    assert (shop / "painpoints.duckdb").read_bytes() == before


def test_a_journey_is_not_judged_without_a_source_it_names_that_never_landed(shop: Path) -> None:
    (shop / "exports" / "till.csv").write_text(BROKEN, "utf-8")
    journey = shop / "journeys" / "shop.yaml"
    named = journey.read_text("utf-8").replace(
        "match: [{event: buy}]", "match: [{event: buy}, {event: cart}]"
    )
    journey.write_text(named + "sources: [crm, till]\n", "utf-8")

    with pytest.raises(SourcesFailed, match="journey shop names the source till, of which no day has ever"):
        steps.run(open_workspace(shop))

    assert not (shop / "painpoints.duckdb").exists()
