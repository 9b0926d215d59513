"""Nights of a workspace whose tables are renewed: what they leave on the disk, and what stops them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from daily_shop import CONFIG, FIRST, HEADER, Shop, assert_as_a_fresh_one, renew_small_shops
from same_tables import differences

from pipelines import config_tables, publishing, steps
from pipelines.renewed_model import RenewedTables
from pipelines.sql_models import AnyModel, Model
from pipelines.unpublished_rows import Since
from pipelines.workspace import Workspace, open_workspace

RENEWS = "renewing tables"


@pytest.fixture(autouse=True)
def _small_shops_too(monkeypatch: pytest.MonkeyPatch) -> None:
    renew_small_shops(monkeypatch)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Twenty days built, then late rows in one of them."""
    shop = Shop(tmp_path / "shop", 5, days=20)
    shop.publish()
    shop.change(FIRST + timedelta(16), lambda lines: [*lines, lines[3].replace("mobile", "tablet")])
    shop.add_day(FIRST + timedelta(20), visitors=20)
    steps.pull(open_workspace(shop.folder))
    return shop


def _told(workspace: Workspace, *, whole: bool = False) -> list[str]:
    lines: list[str] = []
    steps.build(workspace, lines.append, whole=whole)
    return lines


def _is_renewed(lines: list[str]) -> bool:
    return any(line.startswith(RENEWS) for line in lines)


def _staged_days(workspace: Workspace) -> list[str]:
    """The days of the staged files on the disk, one for each file."""
    return sorted(path.name[: len("events-2026-03-01")] for path in workspace.staged.glob("*/*.parquet"))


def _assert_as_built_anew(shop: Shop, other: Path) -> None:
    """The published tables are those of a workspace that never saw another day."""
    fresh = Shop(other, 0, days=0)
    for day, lines in shop.days.items():
        fresh.days[day] = []
        fresh.change(day, lambda _, lines=lines: lines)  # type: ignore[misc]
    published = open_workspace(shop.folder).published
    assert differences(published, fresh.publish(), but=("marts.runs",)) == []


def test_a_night_says_what_a_fresh_workspace_would(shop: Shop, tmp_path: Path) -> None:
    assert _is_renewed(_told(open_workspace(shop.folder)))
    _assert_as_built_anew(shop, tmp_path / "fresh")


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Publish by publish that renews the file: whether it is for events that were noted."""
    seen: list[bool] = []
    renew = publishing.renew_marts

    def spied(
        connection: duckdb.DuckDBPyConnection, path: Path, marts: Sequence[Model], since: Since
    ) -> None:
        seen.append(bool(connection.execute("select 1 from lake.unpublished_events limit 1").fetchall()))
        renew(connection, path, marts, since)

    monkeypatch.setattr(publishing, "renew_marts", spied)
    return seen


@pytest.mark.parametrize(
    "seed", [11, pytest.param(12, marks=pytest.mark.slow), pytest.param(13, marks=pytest.mark.slow)]
)
def test_rows_noted_over_nights_make_the_file_a_fresh_one(
    tmp_path: Path, noted: list[bool], seed: int
) -> None:
    shop = Shop(tmp_path / "shop", seed, days=24)
    shop.publish()
    for number in range(24, 28):
        shop.add_day(FIRST + timedelta(number), visitors=12)
        # who was on a machine before is somebody now, on all days it was seen
        machines = [line.split(",")[3] for day in list(shop.days)[:20] for line in shop.days[day]]
        known = [f"{FIRST + timedelta(number)} 23:50:00,visit,new{m},{m},mobile," for m in machines[:3]]
        shop.change(FIRST + timedelta(number), lambda lines, known=known: [*lines, *known])  # type: ignore[misc]
        late = FIRST + timedelta(shop.chance.randrange(number))
        shop.change(late, lambda lines: [*lines, lines[-1].replace(":00,", ":50,")])
        workspace = open_workspace(shop.folder)
        steps.pull(workspace)
        for publishes in (number % 2 == 0, True):  # every other night two builds lie before a publish
            steps.build(workspace, publishes=publishes)
        assert_as_a_fresh_one(shop)
    # every other night is published twice, the second time with nothing new
    assert noted == [True, False, True, True, False, True]


def test_an_event_that_went_leaves_no_bytes_in_the_file(shop: Shop, noted: list[bool]) -> None:
    shop.publish()
    assert noted == [True]
    shop.change(FIRST + timedelta(4), lambda lines: lines[1:])
    shop.publish()
    assert noted == [True], "written whole"
    assert_as_a_fresh_one(shop)


def test_a_plain_night_makes_no_table_whole_that_can_be_renewed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: list[AnyModel] = []
    make_whole = RenewedTables._make_whole

    def spied(tables: RenewedTables, model: AnyModel) -> None:
        whole.append(model)
        make_whole(tables, model)

    monkeypatch.setattr(RenewedTables, "_make_whole", spied)
    assert _is_renewed(_told(open_workspace(shop.folder)))
    assert len(whole) > 20
    assert [each.name for each in whole if each.rules.renewal or each.rules.sums] == []


# what happened on a day, then what a later night brings: to the shop's own log, and to that of its till
SMALL_CHANGES = {
    "a session goes on after its purchase, so that the visit meanwhile opens no attempt": (
        ["05 10:10:00,visit,ann,ma,mobile,"],
        ["05 10:00:00,visit,ann,mb,mobile,,s1", "05 10:00:20,buy,ann,mb,mobile,9,s1"],
        [],
        ["05 10:20:00,look,ann,mb,mobile,,s1"],
    ),
    "a user id turns out to be a kiosk's, which parts what was one person": (
        ["05 10:00:00,visit,ann,ma,mobile,", "05 10:01:00,cart,,ma,mobile,"],
        [],
        [f"15 1{n}:00:00,visit,ann,m-{n},mobile," for n in range(4)],
        [],
    ),
    "a device turns out to be somebody's, and its session of long ago with it": (
        [],
        ["05 11:00:00,visit,,mt,mobile,,s1"],
        [],
        ["15 11:00:00,visit,bob,mt,mobile,,s2"],
    ),
    "a session began earlier, so that all of it has another id": (
        ["05 10:00:00,visit,cid,mc,mobile,", "05 10:01:00,cart,cid,mc,mobile,"],
        [],
        ["05 09:50:00,look,cid,mc,mobile,"],
        [],
    ),
    "a visit is new in a journey by session alone": (
        ["05 10:00:00,visit,dan,md,mobile,"],
        [],
        ["05 10:05:00,look,dan,md,mobile,"],
        [],
    ),
    "another event is the first of those that open an attempt": (
        ["05 10:00:00,look,ann,ma,mobile,", "05 10:05:00,visit,ann,ma,mobile,"],
        [],
        [f"05 10:05:00,visit,ann,ma,kind-{n}," for n in range(6)],
        [],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL_CHANGES)
def test_a_small_change_reaches_all_it_touches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(config_tables, "DEVICES_PER_USER_LIMIT", 3)
    before, till_before, late, till_late = SMALL_CHANGES[name]
    shop = Shop(tmp_path / "shop", 7, days=20)
    till = CONFIG[CONFIG.index("[sources.crm]") :].replace("crm", "till").replace("exports/", "till/")
    till = till.replace("columns = {", 'columns = {vendor_session_id = "session", ')
    config = shop.folder / "painpoints.toml"
    config.write_text(config.read_text("utf-8") + till, "utf-8")
    (shop.folder / "till").mkdir()
    short = "journey: short\nscope: session\nwindow: 1h\nstages:\n"
    stages = "".join(f"  - {{name: {name}, match: [{{event: {name}}}]}}\n" for name in ("look", "cart"))
    (shop.folder / "journeys" / "short.yaml").write_text(short + stages, "utf-8")

    def land(own: list[str], of_till: list[str]) -> None:
        for line in own:
            day = FIRST + timedelta(int(line[:2]) - 1)
            shop.change(day, lambda lines, line=line: [*lines, f"2026-03-{line}"])  # type: ignore[misc]
        log = ["05 09:00:00,look,,mz,mobile,,s0", *till_before, *of_till]
        rows = "\n".join([f"{HEADER},session", *(f"2026-03-{line}" for line in log)])
        (shop.folder / "till" / "log.csv").write_text(rows + "\n", "utf-8")

    land(before, [])
    shop.publish()
    land(late, till_late)
    workspace = open_workspace(shop.folder)
    steps.pull(workspace)
    assert _is_renewed(_told(workspace))
    renewed = _published_as(workspace, tmp_path / "renewed.duckdb")
    assert not _is_renewed(_told(workspace, whole=True))
    assert differences(renewed, workspace.published, but=("marts.runs",)) == []


def _published_as(workspace: Workspace, copy: Path) -> Path:
    shutil.copyfile(workspace.published, copy)
    return copy


def test_an_outdated_day_is_kept_until_the_tables_are_made(shop: Shop) -> None:
    workspace = open_workspace(shop.folder)
    during: list[str] = []

    def look(line: str) -> None:
        if line.startswith(RENEWS):
            during.extend(_staged_days(workspace))

    steps.build(workspace, look)
    after = _staged_days(workspace)
    assert len(after) == len(set(after)) == 21
    assert sorted({*during}) == after
    assert [day for day in during if during.count(day) > 1] == ["events-2026-03-17"] * 2


def test_asked_for_all_a_night_makes_all_and_keeps_nothing(shop: Shop, tmp_path: Path) -> None:
    assert not _is_renewed(_told(open_workspace(shop.folder), whole=True))
    _assert_as_built_anew(shop, tmp_path / "fresh")


def test_a_night_that_was_stopped_is_made_whole_by_the_next(shop: Shop, tmp_path: Path) -> None:
    workspace = open_workspace(shop.folder)
    published = workspace.published.read_bytes()

    def stop(line: str) -> None:
        if line.startswith("checking"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        steps.build(workspace, stop)
    assert workspace.published.read_bytes() == published
    assert not _is_renewed(_told(workspace))
    assert len(_staged_days(workspace)) == 21
    _assert_as_built_anew(shop, tmp_path / "fresh")
    assert _is_renewed(_told(workspace)), "and the night after that goes on"


def test_tables_of_another_journey_are_made_anew(shop: Shop) -> None:
    workspace = open_workspace(shop.folder)
    assert _is_renewed(_told(workspace))
    (path,) = workspace.journeys_folder.glob("*.yaml")
    path.write_text(path.read_text("utf-8").replace("window: 2d", "window: 1d"), "utf-8")
    assert not _is_renewed(_told(open_workspace(shop.folder)))


def test_a_staged_day_that_another_hand_rewrote_is_no_base(shop: Shop) -> None:
    workspace = open_workspace(shop.folder)
    path = sorted(workspace.staged.glob("*/*.parquet"))[0]
    path.touch()
    assert not _is_renewed(_told(workspace))
