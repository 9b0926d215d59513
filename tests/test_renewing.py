"""A published file that is brought up to date says what a fresh one would, whatever landed since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest
from daily_shop import CONFIG, FIRST, Shop, assert_as_a_fresh_one, renew_small_shops

from pipelines import publishing
from pipelines.sql_models import Model
from pipelines.unpublished_rows import Since


@pytest.fixture(autouse=True)
def _small_shops_too(monkeypatch: pytest.MonkeyPatch) -> None:
    renew_small_shops(monkeypatch)


@pytest.fixture
def renewals(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The days of which rows of events are written anew, publish by publish, but for files written whole."""
    seen: list[list[int]] = []
    renew = publishing.renew_marts

    def spied(
        connection: duckdb.DuckDBPyConnection, path: Path, marts: Sequence[Model], since: Since
    ) -> None:
        noted = connection.execute(
            "select distinct k.event_us // 86400000000 as day from lake.unpublished_events as n "
            "inner join intermediate.keyed_events as k on n.event_number = k.event_number order by day"
        )
        seen.append([day for (day,) in noted.fetchall()])
        renew(connection, path, marts, since)

    monkeypatch.setattr(publishing, "renew_marts", spied)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_lands_the_file_is_as_if_written_whole(
    tmp_path: Path, renewals: list[list[int]], seed: int
) -> None:
    shop = Shop(tmp_path / "shop", seed, days=24, visitors=8)
    shop.publish()
    renewed = 0
    for number in range(24, 27):
        shop.add_day(FIRST + timedelta(number), visitors=8)
        late = FIRST + timedelta(shop.chance.randrange(number))
        before = set(shop.days[late])
        what = shop.chance.choice(["more", "fewer", "other", "nothing"])
        if what == "more":
            shop.change(late, lambda lines: [*lines, lines[-1].replace(":00,", ":50,")])
        elif what == "fewer":
            shop.change(late, lambda lines: lines[:-1])
        elif what == "other":
            shop.change(late, lambda lines: [lines[0].replace("mobile", "tablet"), *lines[1:]])
        shop.publish()
        assert_as_a_fresh_one(shop)
        renewed += before <= set(shop.days[late])  # else an event is gone, and its bytes must be
        assert len(renewals) == renewed
    assert renewed > 0
    assert all(0 < len(days) < 10 for days in renewals), "no more than what landed was written"


def test_a_person_known_later_is_renewed_on_all_their_days(tmp_path: Path, renewals: list[list[int]]) -> None:
    shop = Shop(tmp_path / "shop", 3, days=20)
    shop.change(FIRST + timedelta(2), lambda lines: [*lines, "2026-03-03 10:00:00,visit,,stray,mobile,"])
    shop.publish()
    shop.change(FIRST + timedelta(19), lambda lines: [*lines, "2026-03-20 10:00:00,visit,ann,stray,mobile,"])
    shop.publish()
    assert_as_a_fresh_one(shop)
    epoch = date(1970, 1, 1)
    written = [epoch + timedelta(each) for each in renewals[0]]
    assert FIRST + timedelta(2) in written
    assert FIRST + timedelta(19) in written
    assert len(written) <= 5


def test_a_night_that_brings_nothing_writes_no_rows(tmp_path: Path, renewals: list[list[int]]) -> None:
    shop = Shop(tmp_path / "shop", 4, days=5)
    shop.publish()
    shop.publish()
    assert renewals == [[]]
    assert_as_a_fresh_one(shop)


def test_days_that_go_leave_no_bytes_behind(tmp_path: Path, renewals: list[list[int]]) -> None:
    shop = Shop(tmp_path / "shop", 5, days=12)
    shop.change(FIRST, lambda _: [f"{FIRST} 12:00:00,visit,remember-me-not,,mobile,"])
    published = shop.publish()
    assert b"remember-me-not" in published.read_bytes()
    shop.change(FIRST, lambda _: [])
    shop.publish()
    assert renewals == []
    assert b"remember-me-not" not in published.read_bytes()
    assert_as_a_fresh_one(shop)


def test_an_event_that_goes_from_a_day_leaves_no_bytes_behind(
    tmp_path: Path, renewals: list[list[int]]
) -> None:
    shop = Shop(tmp_path / "shop", 8, days=12)
    one = f"{FIRST} 12:00:00,visit,remember-me-not,,mobile,"
    shop.change(FIRST, lambda lines: [*lines, one])
    published = shop.publish()
    assert b"remember-me-not" in published.read_bytes()
    shop.change(FIRST, lambda lines: [*lines[:-1], one.replace("remember-me-not", "somebody-else")])
    shop.publish()
    assert renewals == []
    assert b"remember-me-not" not in published.read_bytes()
    assert_as_a_fresh_one(shop)


def test_what_another_hand_changed_in_the_file_is_gone_after_the_night(
    tmp_path: Path, renewals: list[list[int]]
) -> None:
    shop = Shop(tmp_path / "shop", 9, days=5)
    published = shop.publish()
    with duckdb.connect(str(published)) as db:
        db.execute("delete from marts.events where device = 'mobile'")
        db.execute("create table marts.mine as select 1 as n")
    left = published.with_name(published.name + ".wal")
    left.write_bytes(b"what a killed client leaves")
    shop.publish()
    assert renewals == []
    assert not left.exists()
    assert_as_a_fresh_one(shop)


@pytest.mark.parametrize("block", [3, 6])
def test_a_spoilt_block_does_not_outlive_the_night(
    tmp_path: Path, renewals: list[list[int]], block: int
) -> None:
    shop = Shop(tmp_path / "shop", 10, days=5)
    published = shop.publish()
    content = bytearray(published.read_bytes())
    at = 3 * 4096 + block * 262_144 + 1000
    content[at : at + 64] = bytes(255 - each for each in content[at : at + 64])
    published.write_bytes(content)
    shop.publish()
    assert renewals == []
    assert not list(shop.folder.glob("*.part"))
    assert_as_a_fresh_one(shop)


def test_a_copy_that_cannot_be_renewed_is_written_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path / "shop", 11, days=5)
    shop.publish()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(publishing, "renew_marts", full)
    shop.publish()
    assert not list(shop.folder.glob("*.part"))
    assert_as_a_fresh_one(shop)


def test_another_zone_writes_the_file_whole(tmp_path: Path, renewals: list[list[int]]) -> None:
    shop = Shop(tmp_path / "shop", 6, days=5)
    shop.publish()
    (shop.folder / "painpoints.toml").write_text(CONFIG.replace("Europe/Madrid", "Asia/Tokyo"), "utf-8")
    shop.publish()
    assert renewals == []
    assert_as_a_fresh_one(shop)


def test_a_file_that_is_damaged_is_written_whole(tmp_path: Path, renewals: list[list[int]]) -> None:
    shop = Shop(tmp_path / "shop", 7, days=1)
    published = shop.publish()
    published.write_bytes(published.read_bytes()[: published.stat().st_size // 2])
    shop.publish()
    assert renewals == []
    assert_as_a_fresh_one(shop)
