"""Nights that renew only what changed against whole builds of the same files, table by table.

`RENEWED_EXAMPLES=400 pytest -m slow tests/test_renewed_tables.py` looks at more worlds.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from random import Random
from typing import Any, cast

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from night_changes import CHANGES
from night_config import JOURNEYS, SOURCES, make_config
from night_world import NightWorld, make_world
from same_builds import differences

from pipelines import config_tables, journey_tables, renewed_tables
from pipelines.config_tables import WorldConfig, write_config
from pipelines.engine_settings import EngineSettings
from pipelines.errors import CheckFailed
from pipelines.journey_tables import models_of
from pipelines.renewed_model import RenewedTables
from pipelines.renewed_tables import renew_tables
from pipelines.sql_models import build_models, in_order, replace_model
from pipelines.warehouse import open_warehouse

EXAMPLES = int(os.environ.get("RENEWED_EXAMPLES", "12"))
ENGINE = EngineSettings(threads=1, memory_limit="500MB")

# What the random worlds must hold; else the comparison proves little.
EDGES = {
    "vendor merges": "intermediate.identity_links",
    "too many ids": "intermediate.identity_clusters where is_too_large",
    "kiosks": "intermediate.named_users where not is_accepted and real_id(user_id) is not null",
    "placeholders": "intermediate.named_users where real_id(user_id) is null",
    "machines": "intermediate.machine_days",
    "bots": "intermediate.excluded_by_rule",
    "refunds": "intermediate.refund_values where value is not null",
    "repeated purchases": "intermediate.repeated_purchases",
    "no rate": "intermediate.event_money where value is not null and amount is null",
    "joined by session": "intermediate.identified_events where found_by = 'session'",
    "joined by owner": "intermediate.identified_events where found_by = 'owner'",
    "past midnight": "intermediate.session_spans where started_us // 86400000000 < ended_us // 86400000000",
    "told late": "intermediate.session_edges where told_origin_number <> origin_number",
    "asks the session": "intermediate.session_stage_events",
    "converted": "intermediate.attempts where outcome = 'converted'",
    "abandoned": "intermediate.attempts where outcome = 'abandoned'",
    "open": "intermediate.attempts where outcome = 'open'",
    "personas": "intermediate.attempts where persona <> 'default'",
    "missing days": "intermediate.tracking_missing_days",
    "pages of recordings": "intermediate.page_stages",
    "counts of the vendor": "marts.reconciliation",
}

# What has happened before the first night, so that later ones can change it.
BEFORE = ("merge", "merge", "refund", "refund", "bought_again", "machine", "reports")


@pytest.fixture(scope="module", autouse=True)
def small_limits() -> Iterator[None]:
    """So that a few ids are too many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config_tables, "DEVICES_PER_USER_LIMIT", 3)
        patch.setattr(config_tables, "USERS_PER_DEVICE_LIMIT", 3)
        patch.setattr(journey_tables, "IDS_PER_PERSON_LIMIT", 3)
        yield


@dataclass
class Shop:
    """A world, its staged files, and the working file that is renewed night by night."""

    folder: Path
    world: NightWorld
    config: WorldConfig = field(default_factory=make_config)
    happened: list[str] = field(default_factory=list)
    edges: Counter[str] = field(default_factory=Counter)
    keeps_old_files: bool = False

    @property
    def staged(self) -> Path:
        return self.folder / "staged"

    @property
    def database(self) -> Path:
        return self.folder / "warehouse.duckdb"

    def happens(self, *changes: str) -> Shop:
        self.happened += ["night:", *changes]
        for change in changes:
            CHANGES[change](self.world)
        return self

    def renew(self) -> bool:
        """Renews without a look; whether only what changed was renewed."""
        with open_warehouse(self.database, ENGINE) as connection:
            paths = self.world.gather(connection, self.staged)
            is_renewed = renew_tables(connection, self.config, fewest_events=0)
        if not self.keeps_old_files:
            self.drop_old_files(paths)
        return is_renewed

    def night(self) -> bool:
        """Renews, and compares with a whole build."""
        is_renewed = self.renew()
        models = models_of(self.config)
        names = [each.name for each in in_order(models) if not each.name.startswith("staging.")]
        with open_warehouse(self.database, ENGINE) as connection, open_warehouse(None, ENGINE) as whole:
            self.world.gather(whole, self.staged)
            write_config(whole, self.config)
            build_models(whole, models)
            found = differences(connection, whole, names)
            for edge, where in EDGES.items():
                self.edges[edge] += whole.execute(f"select count(*) from {where}").fetchall()[0][0]
        said = "renewed" if is_renewed else "built whole"
        assert not found, "\n".join([f"{said} after {' '.join(self.happened)}", *found])
        return is_renewed

    def drop_old_files(self, current: list[Path]) -> None:
        for path in set(self.staged.glob("*/*.parquet")) - set(current):
            path.unlink()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop after its first night."""
    shop = Shop(tmp_path, make_world(seed=1)).happens(*BEFORE)
    assert not shop.renew()
    return shop


NIGHTS = st.lists(st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=5), min_size=3, max_size=4)


def look_at_nights(found: Counter[str], seed: int, events_per_day: int, nights: list[list[str]]) -> None:
    """Compares after every night, and counts what the world held, and how the nights went."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")) as folder:
        shop = Shop(Path(folder), make_world(seed), make_config(events_per_day=events_per_day))
        shop.happens(*BEFORE).renew()
        for changes in nights:
            found["renewed" if shop.happens(*changes).night() else "built whole"] += 1
        found.update(shop.edges)


@pytest.mark.slow
def test_nights_of_every_kind_equal_whole_builds() -> None:
    """Twice every change: by fives, four nights a world."""
    found: Counter[str] = Counter()
    rng = Random(4)
    dealt = [change for _ in range(2) for change in rng.sample(sorted(CHANGES), len(CHANGES))]
    nights = [dealt[start : start + 5] for start in range(0, len(dealt), 5)]
    for seed, start in enumerate(range(0, len(nights), 4)):
        look_at_nights(found, seed, 2**31 if seed % 2 else 9, nights[start : start + 4])
    assert found["renewed"] > found["built whole"], found
    assert not [edge for edge in EDGES if not found[edge]], found


@pytest.mark.slow
def test_random_nights_equal_whole_builds() -> None:
    found: Counter[str] = Counter()

    @settings(
        max_examples=EXAMPLES,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 10**6), st.sampled_from((9, 2**31)), NIGHTS)
    def look(seed: int, events_per_day: int, nights: list[list[str]]) -> None:
        look_at_nights(found, seed, events_per_day, nights)

    look()
    assert found["renewed"] > found["built whole"], found


def test_an_ordinary_night_renews(shop: Shop) -> None:
    assert shop.happens("new_day").night()
    assert shop.happens("nothing").night()
    assert shop.happens("late_rows", "rows_vanish").night()


@pytest.mark.slow
@pytest.mark.parametrize("change", ["time_passes", "silence"])
def test_what_was_open_is_abandoned_when_time_passes(shop: Shop, change: str) -> None:
    def opened() -> int:
        with open_warehouse(shop.database, ENGINE) as connection:
            (row,) = connection.execute(
                "select count(*) from marts.attempts where outcome = 'open'"
            ).fetchall()
        return int(row[0])

    assert opened() > 0
    shop.happens(*[change] * 4).night()
    assert opened() == 0


@pytest.mark.slow
def test_what_is_no_event_counts_too(shop: Shop) -> None:
    for change in ("reports", "partly"):
        shop.happens(change).night()


def test_a_property_that_a_segment_reads_may_be_all_that_changes(shop: Shop) -> None:
    with open_warehouse(shop.database, ENGINE) as connection:
        opening = connection.execute("select distinct event_number from intermediate.opening_events")
        numbers = {row[0] for row in opening.fetchall()}
    for day in shop.world.landed()[:4]:
        rows = shop.world.days[day]
        rows[:] = [
            row | {"properties": '{"plan": "gold"}'} if row["event_number"] in numbers else row
            for row in rows
        ]
    assert shop.night()


def test_an_event_that_lands_in_a_second_file_is_refused_as_by_a_whole_build(shop: Shop) -> None:
    (source, first), (_, second) = [each for each in shop.world.landed() if each[0] == SOURCES[0]][:2]
    shop.world.days[source, second].append(shop.world.days[source, first][0])
    with pytest.raises(CheckFailed, match="every event is counted once"):
        shop.renew()


def test_after_thirty_nights_all_is_made_anew(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewed_tables, "MOST_RENEWALS", 2)
    assert [shop.renew() for _ in range(4)] == [True, True, False, True]


def test_a_mart_that_retention_froze_is_no_standstill(shop: Shop) -> None:
    with open_warehouse(shop.database, ENGINE) as connection:
        for mart in ("marts.stage_funnel", "marts.stage_cohorts", "marts.stage_delays"):
            connection.execute(f"create or replace temp table kept as from {mart}")
            replace_model(connection, mart, "from kept", is_view=False)
    assert shop.happens("new_day").night()


def test_where_renewing_fails_all_is_made_anew(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise duckdb.ConversionException("of a defect")

    monkeypatch.setattr(RenewedTables, "_renew", fails)
    assert not shop.happens("late_rows").night()


def test_most_events_changed_are_built_whole(shop: Shop) -> None:
    for rows in shop.world.days.values():
        rows[:] = [row | {"page": "/new"} for row in rows]
    assert not shop.night()


def test_without_the_old_files_all_is_built_whole(shop: Shop) -> None:
    shop.happens("late_rows")
    shop.drop_old_files(shop.world.write(shop.staged))
    assert not shop.night()
    assert shop.happens("new_day").renew()


@pytest.mark.slow
def test_another_config_is_built_whole(shop: Shop) -> None:
    before = shop.config
    for other in (
        make_config(journeys=[text.replace("window: 2d", "window: 1d") for text in JOURNEYS]),
        make_config(timezone="America/New_York", journeys=JOURNEYS[2:], events_per_day=5),
        before,
    ):
        shop.config = other
        assert not shop.happens("late_rows").night()
    assert shop.happens("late_rows").renew()


class Crash(Exception):
    """The machine went off."""


class Dying:
    """Stands in for a connection; after so many statements nothing reaches the database any more."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, most: float = inf) -> None:
        self._connection, self._most, self.statements = connection, most, 0

    def __getattr__(self, name: str) -> Any:
        if name in ("execute", "sql", "commit"):
            self.statements += 1
        if self.statements > self._most:
            raise Crash
        return getattr(self._connection, name)


def renew_and_crash(shop: Shop, most: float) -> int:
    """The statements that were made."""
    with open_warehouse(shop.database, ENGINE) as connection:
        shop.world.gather(connection, shop.staged)
        dying = Dying(connection, most)
        try:
            renew_tables(cast(duckdb.DuckDBPyConnection, dying), shop.config, fewest_events=0)
        except Crash:
            assert dying.statements > most
        return dying.statements


@pytest.mark.slow
def test_after_a_crash_the_next_night_is_right(shop: Shop) -> None:
    shop.keeps_old_files = True
    before = shop.folder / "before.duckdb"
    shutil.copy(shop.database, before)
    shop.happens("new_day", "late_rows", "rows_vanish", "merge")
    statements = renew_and_crash(shop, inf)
    for share in (0.3, 0.7, 0.99):
        shutil.copy(before, shop.database)
        renew_and_crash(shop, int(share * statements))
        shop.happened.append(f"a crash after {int(share * statements)} of {statements} statements, and again")
        shop.night()


@pytest.mark.slow
def test_after_a_crash_more_may_change_and_old_files_be_gone(shop: Shop) -> None:
    shop.happens("new_day", "other_users")
    renew_and_crash(shop, renew_and_crash(shop, 60) // 2)
    shop.happens("other_money", "other_users", "forgotten")
    shop.drop_old_files(shop.world.write(shop.staged))
    shop.night()
