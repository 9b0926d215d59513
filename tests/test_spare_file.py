"""The file published before the last is brought up to date and published again: no bytes are copied."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from daily_shop import Shop, assert_as_a_fresh_one, renew_small_shops

from pipelines import publishing, spare_file
from pipelines.forgetting import forget
from pipelines.mark_store import Mark
from pipelines.marks import _keep
from pipelines.spare_file import spare_of
from pipelines.steps import quiet
from pipelines.vacuum import vacuum
from pipelines.warehouse import open_warehouse
from pipelines.workspace import open_workspace


@pytest.fixture(autouse=True)
def _nights_go_by(monkeypatch: pytest.MonkeyPatch) -> None:
    renew_small_shops(monkeypatch)
    monkeypatch.setattr(spare_file, "FEWEST_BYTES", 0)


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The published files that were copied."""
    seen: list[Path] = []
    copy = publishing.copy_file

    def spied(source: Path, target: Path) -> None:
        seen.append(source)
        copy(source, target)

    monkeypatch.setattr(publishing, "copy_file", spied)
    return seen


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop that was published twice: whole, and as a copy."""
    shop = Shop(tmp_path / "shop", 21, days=12)
    shop.publish()
    _another_day(shop)
    return shop


def _another_day(shop: Shop, *late: str) -> Path:
    last = max(shop.days)
    if late:
        shop.change(last, lambda lines: [*lines, *late])
    shop.add_day(last + timedelta(1), visitors=8)
    return shop.publish()


def test_two_files_take_turns_and_each_says_all(shop: Shop, copies: list[Path]) -> None:
    files = [shop.folder / "painpoints.duckdb", spare_of(shop.folder / "painpoints.duckdb")]
    published, spare = (file.stat().st_ino for file in files)
    for _ in range(3):
        # somebody known later is another person on the days before, in both files
        stray = f"{max(shop.days)} 11:00:00,visit,,stray{len(shop.days)},mobile,"
        known = f"{max(shop.days)} 11:05:00,cart,ann{len(shop.days)},stray{len(shop.days) - 1},mobile,"
        _another_day(shop, stray, known)
        assert_as_a_fresh_one(shop)
        assert [file.stat().st_ino for file in files] == [spare, published]
        published, spare = spare, published
    assert copies == []


@pytest.mark.slow
def test_after_a_whole_file_the_first_night_copies_it(tmp_path: Path, copies: list[Path]) -> None:
    shop = Shop(tmp_path / "shop", 22, days=6)
    published = shop.publish()
    assert not spare_of(published).exists()
    _another_day(shop)
    assert copies == [published]
    _another_day(shop)
    _another_day(shop)
    assert copies == [published]
    assert_as_a_fresh_one(shop)


@pytest.mark.slow
def test_a_backup_that_reads_bytes_for_two_nights_reads_one_file(shop: Shop, copies: list[Path]) -> None:
    published = shop.folder / "painpoints.duckdb"
    content = published.read_bytes()
    with published.open("rb") as backup:
        first = backup.read(4096)
        _another_day(shop)
        assert copies == []
        _another_day(shop)
        assert first + backup.read() == content
    assert copies == [published]
    assert_as_a_fresh_one(shop)


READER = """
import duckdb, sys
db = duckdb.connect(sys.argv[1], read_only=True)
open(sys.argv[1], "rb").close()  # takes the process's lock of the file away
print(db.execute("select count(*), count(distinct user_key) from marts.events").fetchall(), flush=True)
sys.stdin.readline()
print(db.execute("select count(*), count(distinct user_key) from marts.events").fetchall(), flush=True)
"""


@contextmanager
def _reader(published: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", READER, str(published)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        yield reader


@pytest.mark.slow
def test_a_reader_of_two_nights_ago_keeps_what_it_reads(shop: Shop, copies: list[Path]) -> None:
    published = shop.folder / "painpoints.duckdb"
    with _reader(published) as reader:
        assert reader.stdout is not None
        before = reader.stdout.readline()
        _another_day(shop)  # what is read becomes the spare
        assert copies == []
        _another_day(shop)
        out, _ = reader.communicate("go on\n", timeout=60)
    assert out == before
    assert copies == [published]
    assert_as_a_fresh_one(shop)


def test_a_reader_in_this_process_keeps_what_it_reads(shop: Shop, copies: list[Path]) -> None:
    published = shop.folder / "painpoints.duckdb"
    link = published.with_name("mine.duckdb")
    os.link(published, link)
    with duckdb.connect(str(link), read_only=True) as db:
        link.unlink()
        count = "select count(*) from marts.events"
        before = db.execute(count).fetchall()
        _another_day(shop)
        _another_day(shop)
        assert db.execute(count).fetchall() == before
    assert copies == [published]
    assert_as_a_fresh_one(shop)


def test_a_spare_that_another_hand_changed_is_not_published(shop: Shop, copies: list[Path]) -> None:
    published = shop.folder / "painpoints.duckdb"
    with duckdb.connect(str(spare_of(published))) as db:
        db.execute("delete from marts.events where device = 'mobile'")
    _another_day(shop)
    assert copies == [published]
    assert_as_a_fresh_one(shop)


def test_what_another_hand_changes_while_a_night_is_published_is_no_spare(
    shop: Shop, copies: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = publishing.keep_spare

    def meddled(target: Path) -> str | None:
        with duckdb.connect(str(target)) as db:
            db.execute("delete from marts.events where device = 'mobile'")
        return keep(target)

    with monkeypatch.context() as patch:
        patch.setattr(publishing, "keep_spare", meddled)
        published = _another_day(shop)
    _another_day(shop)
    assert copies == [published]
    assert_as_a_fresh_one(shop)


def test_notes_of_another_program_are_not_asked(shop: Shop, copies: list[Path]) -> None:
    workspace = open_workspace(shop.folder)
    with open_warehouse(workspace.warehouse, workspace.settings.engine) as connection:
        connection.execute("alter table lake.unpublished_events drop is_gone")
        publishing.publish(connection, workspace.published)
    assert copies == []
    assert_as_a_fresh_one(shop)


@pytest.mark.slow
def test_a_spare_that_a_disk_spoilt_is_not_published(shop: Shop, copies: list[Path]) -> None:
    published = shop.folder / "painpoints.duckdb"
    spare = spare_of(published)
    times = spare.stat()
    content = bytearray(spare.read_bytes())
    for at in range(3 * 4096 + 1000, len(content), 262_144):
        content[at : at + 64] = bytes(255 - each for each in content[at : at + 64])
    with spare.open("r+b") as file:
        file.write(content)
    os.utime(spare, ns=(times.st_atime_ns, times.st_mtime_ns))
    _another_day(shop)
    assert copies == [published]
    assert_as_a_fresh_one(shop)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["renewing", "linked", "published"])
def test_killed_at_any_moment_the_next_night_publishes_all(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    published = shop.folder / "painpoints.duckdb"
    before = published.read_bytes()
    with monkeypatch.context() as patch:
        if moment == "renewing":
            renew = publishing.renew_marts

            def half(*given: object) -> None:
                renew(*given)  # type: ignore[arg-type]
                killed()

            patch.setattr(publishing, "renew_marts", half)
        elif moment == "linked":
            patch.setattr(publishing.os, "replace", lambda source, target: killed())
            patch.setattr(publishing, "take_spare", lambda *_: False)  # it is a rename, too
        else:
            patch.setattr(publishing, "remember_files", killed)
        with pytest.raises(KeyboardInterrupt):
            _another_day(shop)
    if moment != "published":
        assert published.read_bytes() == before
    for _ in range(3):
        _another_day(shop)
        assert_as_a_fresh_one(shop)


@pytest.mark.slow
def test_an_event_that_went_is_in_neither_file(shop: Shop, copies: list[Path]) -> None:
    published = shop.folder / "painpoints.duckdb"
    _another_day(shop, f"{max(shop.days)} 12:00:00,visit,remember-me-not,,mobile,")
    assert b"remember-me-not" in published.read_bytes()
    last = max(shop.days) - timedelta(1)
    shop.change(last, lambda lines: [each for each in lines if "remember-me-not" not in each])
    shop.publish()
    assert copies == []
    assert b"remember-me-not" not in published.read_bytes()
    assert not spare_of(published).exists()
    assert_as_a_fresh_one(shop)


def test_who_is_forgotten_is_in_no_spare(shop: Shop) -> None:
    published = shop.folder / "painpoints.duckdb"
    _another_day(shop, f"{max(shop.days)} 12:00:00,visit,remember-me-not,,mobile,")
    _another_day(shop)
    assert b"remember-me-not" in spare_of(published).read_bytes()
    for file in (shop.folder / "exports").iterdir():
        file.unlink()  # the user's own files are theirs to change
    forget(open_workspace(shop.folder), "remember-me-not", source=None, dry_run=False, progress=quiet)
    for file in shop.folder.rglob("*"):
        assert not file.is_file() or b"remember-me-not" not in file.read_bytes(), file


def test_a_mark_makes_no_night_whole(shop: Shop, copies: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def whole(*_: object) -> None:
        raise AssertionError("the file was written whole")

    mark = Mark("p1", "watching", datetime(2026, 3, 14, tzinfo=UTC).replace(tzinfo=None))
    _keep(open_workspace(shop.folder), mark)
    with monkeypatch.context() as patch:
        patch.setattr(publishing, "write_marts", whole)
        published = _another_day(shop)
    assert copies == []
    with duckdb.connect(str(published), read_only=True) as db:
        assert db.execute("select pain_point_id from marts.marks").fetchall() == [("p1",)]
    assert_as_a_fresh_one(shop)


@pytest.mark.slow
def test_vacuum_gives_back_the_room(shop: Shop, copies: list[Path]) -> None:
    published = shop.folder / "painpoints.duckdb"
    spare = spare_of(published)
    told = vacuum(open_workspace(shop.folder), dry_run=True, progress=quiet)
    assert [each.bytes for each in told.waste if each.path == spare.name] == [spare.stat().st_size]
    assert spare.exists()
    vacuum(open_workspace(shop.folder), dry_run=False, progress=quiet)
    assert not spare.exists()
    _another_day(shop)
    assert_as_a_fresh_one(shop)


@pytest.mark.slow
def test_a_disk_without_second_names_has_no_spare(
    shop: Shop, copies: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(spare_file.os, "link", refused)
    for _ in range(2):
        _another_day(shop)
        assert not spare_of(shop.folder / "painpoints.duckdb").exists()
        assert_as_a_fresh_one(shop)
    assert len(copies) == 1
