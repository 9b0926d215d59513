"""A small shop whose log is a file a day, for tests of what nights bring."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from conftest import CRM_CONFIG, CRM_HEADER, SHOP_JOURNEY, make_workspace

from pipelines import publishing, renewed_tables, steps
from pipelines.warehouse import literal, open_warehouse
from pipelines.workspace import open_workspace

FIRST = date(2026, 3, 1)
CONFIG = CRM_CONFIG.replace("exports/crm*.csv", "exports/*.csv").replace(
    'user_id = "who", device = "device"', 'user_id = "who", device_id = "machine", device = "device"'
)
HEADER = CRM_HEADER.replace("device", "machine,device")


class Shop:
    """A shop whose log is a file a day; some of its visitors log in, on machines of their own."""

    def __init__(self, folder: Path, seed: int, *, days: int, visitors: int = 20) -> None:
        self.folder = make_workspace(folder, config=CONFIG, journey=SHOP_JOURNEY, lines=[])
        (folder / "exports" / "crm.csv").unlink()
        self.chance = random.Random(seed)
        self.days: dict[date, list[str]] = {}
        for number in range(days):
            self.add_day(FIRST + timedelta(number), visitors)

    def add_day(self, day: date, visitors: int) -> None:
        self.days[day] = [line for number in range(visitors) for line in self._visit(day, number)]
        self._write(day)

    def change(self, day: date, changed: Callable[[list[str]], list[str]]) -> None:
        self.days[day] = changed(self.days[day])
        self._write(day)

    def _visit(self, day: date, number: int) -> list[str]:
        machine = f"m{self.chance.randrange(2000)}"
        who = f"u{machine}" if self.chance.random() < 0.3 else ""
        kind = self.chance.choice(["mobile", "desktop"])
        hour = self.chance.randrange(24)  # some are of another UTC day than their file
        steps_ = ["visit", "cart", "buy"][: self.chance.randint(1, 3)]
        return [
            f"{day} {hour:02d}:{number % 60:02d}:{10 * place:02d},{step},{who},{machine},{kind},"
            + ("20.5" if step == "buy" else "")
            for place, step in enumerate(steps_)
        ]

    def _write(self, day: date) -> None:
        path = self.folder / "exports" / f"{day}.csv"
        path.write_text("\n".join([HEADER, *self.days[day]]) + "\n", "utf-8")

    def publish(self) -> Path:
        workspace = open_workspace(self.folder)
        steps.pull(workspace)
        steps.build(workspace)
        return workspace.published


def renew_small_shops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the tables of a shop renewed that is too small for that to be worth it."""
    build = renewed_tables.renew_tables
    monkeypatch.setattr(steps, "renew_tables", lambda *given: build(*given, fewest_events=0))


def assert_as_a_fresh_one(shop: Shop) -> None:
    """Every table, row and comment of the published file is that of one written whole."""
    workspace = open_workspace(shop.folder)
    fresh = shop.folder / "fresh.duckdb"
    fresh.unlink(missing_ok=True)
    with open_warehouse(workspace.warehouse, workspace.settings.engine) as connection:
        publishing.write_marts(connection, fresh)
    with duckdb.connect() as db:
        db.execute(f"attach {literal(workspace.published)} as kept (read_only)")
        db.execute(f"attach {literal(fresh)} as fresh (read_only)")
        described = (
            "select table_name, column_name, data_type, comment from duckdb_columns() "
            "where database_name = ? and schema_name = 'marts' order by all"
        )
        columns = [db.execute(described, [name]).fetchall() for name in ("kept", "fresh")]
        assert columns[0] == columns[1]
        for table in sorted({row[0] for row in columns[1]}):
            for one, other in (("kept", "fresh"), ("fresh", "kept")):
                query = (
                    f"select count(*) from (from {one}.marts.{table} except all from {other}.marts.{table})"
                )
                assert db.execute(query).fetchall() == [(0,)], (table, one)
