"""Events published some days at a time are the events of the mart, each once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from daily_shop import FIRST, Shop

from pipelines import event_slices, publishing
from pipelines.sql_models import Model, read_models
from pipelines.warehouse import literal, open_warehouse
from pipelines.workspace import open_workspace

DAYS = 9


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = Shop(tmp_path_factory.mktemp("slices") / "shop", 12, days=DAYS)
    # on both sides of a midnight of UTC
    shop.change(FIRST, lambda lines: [*lines, "2026-03-02 00:59:59,visit,,edge,mobile,"])
    shop.change(FIRST, lambda lines: [*lines, "2026-03-02 01:00:00,visit,,edge,mobile,"])
    shop.publish()
    return shop


@pytest.fixture
def warehouse(shop: Shop) -> Iterator[duckdb.DuckDBPyConnection]:
    workspace = open_workspace(shop.folder)
    with open_warehouse(workspace.warehouse, workspace.settings.engine) as connection:
        yield connection


def mart() -> Model:
    return next(model for model in read_models("marts") if model.name == "marts.events")


def count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(connection.execute(f"select count(*) from ({query})").fetchall()[0][0])


@pytest.mark.parametrize("most", [1, 100])
def test_slices_hold_every_event_once_and_few(
    warehouse: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(event_slices, "MOST_EVENTS", most)
    parts = event_slices.event_slices(warehouse, mart())
    together = " union all ".join(f"({part})" for part in parts)
    assert count(warehouse, f"(from marts.events) except all ({together})") == 0
    assert count(warehouse, together) == count(warehouse, "from marts.events") > 0
    days = warehouse.execute(
        "select event_at::date, count(*) from marts.events group by all order by all"
    ).fetchall()
    sizes = [count(warehouse, part) for part in parts]
    assert len(parts) == len(days) if most == 1 else 1 < len(parts) < len(days)
    assert max(sizes) <= max(most, *(events for _, events in days))


def test_a_file_written_in_slices_says_what_the_marts_say(
    warehouse: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(event_slices, "MOST_EVENTS", 40)
    publishing.write_marts(warehouse, tmp_path / "all.duckdb")
    kept = FIRST + timedelta(4)
    warehouse.execute("insert into config.row_times values ('marts.events', 'event_at', ?)", [kept])
    publishing.write_marts(warehouse, tmp_path / "some.duckdb")
    warehouse.execute("delete from config.row_times")
    for name, condition in (("all", "true"), ("some", f"event_at >= timestamp '{kept}'")):
        warehouse.execute(f"attach {literal(tmp_path / f'{name}.duckdb')} as written (read_only)")
        here, there = f"from marts.events where {condition}", "from written.marts.events"
        assert count(warehouse, f"({here}) except all ({there})") == 0
        assert count(warehouse, there) == count(warehouse, here) > 0
        warehouse.execute("detach written")
    assert count(warehouse, "from marts.events where event_at < timestamp '2026-03-04'") > 0


def test_where_the_tables_are_not_at_hand_the_mart_is_read_as_it_is(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(event_slices, "MOST_EVENTS", 1)
    copy = tmp_path / "copy.duckdb"
    with duckdb.connect() as db:
        db.execute(f"attach {literal(open_workspace(shop.folder).published)} as source (read_only)")
        db.execute("use source")
        assert event_slices.event_slices(db, mart()) == ["select * from marts.events"]
        publishing.publish(db, copy)
        db.execute(f"attach {literal(copy)} as copied (read_only)")
        assert count(db, "(from marts.events) except all (from copied.marts.events)") == 0
        assert count(db, "from copied.marts.events") == count(db, "from marts.events") > 0
