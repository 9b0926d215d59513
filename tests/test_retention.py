"""Retention: rows go, counts stay as they were, and what is left is counted as if nothing had gone."""

from __future__ import annotations

import json
import random
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest
from conftest import Painpoints

from connectors.manifest import DROPPED
from pipelines import frozen_marts, retention, steps
from pipelines.errors import ConfigError
from pipelines.retention_ledger import read_retention
from pipelines.workspace import Workspace, open_workspace

FIRST, DAYS, LATER = date(2026, 1, 5), 76, 10
LAST = FIRST + timedelta(days=DAYS - 1)
EVENT_DAYS = 70  # the least with a window of 5 days
CONFIG = """\
timezone = "Europe/Madrid"
currency = "EUR"
[sources.web]
kind = "table"
files = "exports/*.csv"
columns = {event_at = "when", event_name = "what", user_id = "who", device_id = "machine", value = "amount"}
timezone = "UTC"
[detection]
replay_nights = 2
[engine]
threads = 1
memory_limit = "1GB"
"""
JOURNEY = """\
journey: shop
window: 5d
stages:
  - {name: look, match: [{event: look}]}
  - {name: cart, match: [{event: cart}]}
  - {name: buy, match: [{event: buy}], value: value, ideal: {conversion: 0.9}}
segments: [device]
"""
# counts of days, and rows from the first kept day on
COUNTS = (
    "stage_funnel",
    "stage_cohorts",
    "stage_delays",
    "tracking_health",
    "pain_points",
    "pain_point_history",
)
ROWS = {"attempts": "entered_at", "sessions": "started_at", "stage_visits": "entered_at"}


def write_days(folder: Path, first: date, days: int, seed: int = 5) -> None:
    """People who come back day after day, around midnight too, some only known by a device for weeks."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(seed)
    people = [(f"user-{n:03d}", f"machine-{n:03d}") for n in range(24)]
    for place in range((first - FIRST).days + days):
        day = FIRST + timedelta(days=place)
        lines = ["when,what,who,machine,amount"]
        for number, (user, machine) in enumerate(people):
            if chance.random() > (0.9 if number < 8 else 0.25):
                continue
            at = datetime(day.year, day.month, day.day, tzinfo=UTC)
            # at Madrid's midnight, so that sessions lie across the edge of days
            at += timedelta(minutes=chance.choice([1370, 1385, chance.randrange(1380)]))
            for name, share in (("look", 1.0), ("cart", 0.6), ("buy", 0.5)):
                if chance.random() > share:
                    break
                # logged in at first only: the device keeps its owner afterwards
                who = user if place < 6 or (number % 2 and chance.random() < 0.3) else ""
                lines.append(f"{at.isoformat()},{name},{who},{machine},{10 if name == 'buy' else ''}")
                at += timedelta(minutes=chance.randrange(1, 29))
        if day >= first:
            (folder / f"{day}.csv").write_text("\n".join(lines) + "\n")


def world(root: Path, extra: str = "") -> None:
    (root / "journeys").mkdir(parents=True)
    (root / "painpoints.toml").write_text(CONFIG + extra)
    (root / "journeys" / "shop.yaml").write_text(JOURNEY)


def at(root: Path, last: date) -> Workspace:
    return open_workspace(
        root, clock=lambda: datetime(last.year, last.month, last.day, 6, tzinfo=UTC) + timedelta(days=2)
    )


def night(workspace: Workspace) -> None:
    with workspace.locked():
        steps.pull(workspace)
        steps.build(workspace, publishes=False)  # as a night does
        steps.detect(workspace)


def table(workspace: Workspace, name: str, since: tuple[str, str] | None = None) -> list[Any]:
    """A published table; the running number of a person's visits counts from their first that is kept."""
    where = f"where {since[0]} >= timestamp '{since[1]}'" if since else ""
    with duckdb.connect(str(workspace.published), read_only=True) as db:
        return db.execute(
            f"select columns(lambda c: c <> 'visit_number') from marts.{name} {where} order by all"
        ).fetchall()


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A workspace that lets rows go, and one that keeps everything, both after the same nights."""
    base = tmp_path_factory.mktemp("retention")
    lets_go, keeps = base / "lets_go", base / "keeps"
    world(keeps)
    write_days(keeps / "exports", FIRST, DAYS)
    first = at(keeps, LAST)
    with first.locked():
        steps.pull(first)
        steps.build(first, publishes=False)
    # what has landed and is staged is the same of both; what is built of it is each one's own
    shutil.copytree(keeps, lets_go, ignore=shutil.ignore_patterns("*.duckdb*"))
    config = CONFIG + f"[retention]\nraw_days = 20\nevent_days = {EVENT_DAYS}\n"
    (lets_go / "painpoints.toml").write_text(config)
    with first.locked():
        steps.detect(first)
    night(at(lets_go, LAST))
    for root in (lets_go, keeps):
        write_days(root / "exports", FIRST, DAYS + LATER)
        night(at(root, LAST + timedelta(days=LATER)))
    return lets_go, keeps


@pytest.fixture
def pair(nights: tuple[Path, Path], tmp_path: Path) -> tuple[Workspace, Workspace]:
    made = []
    for root in nights:
        shutil.copytree(root, tmp_path / root.name)
        made.append(at(tmp_path / root.name, LAST + timedelta(days=LATER)))
    return made[0], made[1]


def edge_of(workspace: Workspace) -> date:
    first = read_retention(workspace.lake).events_from
    assert first is not None
    return first


def test_rows_are_gone_and_counts_are_those_of_a_workspace_that_kept_everything(
    pair: tuple[Workspace, Workspace],
) -> None:
    lets_go, keeps = pair
    edge = edge_of(lets_go)
    assert edge == LAST + timedelta(days=LATER + 1 - EVENT_DAYS)
    with lets_go.locked():
        steps.build(lets_go)  # of what is left, with the counts that are frozen
    with keeps.locked():
        steps.build(keeps)
    for name in COUNTS:
        assert table(lets_go, name) == table(keeps, name), name
    # from the edge on every session, visit and attempt is the same, whoever was in the middle of one
    since = f"{edge - timedelta(days=1)} 23:00"
    for name, column in ROWS.items():
        assert table(lets_go, name) == table(keeps, name, (column, since)), name
    assert len(table(lets_go, "attempts")) < len(table(keeps, "attempts"))
    assert table(lets_go, "events") == table(keeps, "events", ("event_at", since))


def test_what_is_staged_of_old_days_says_nothing_of_what_people_did_unless_it_still_runs(
    pair: tuple[Workspace, Workspace],
) -> None:
    lets_go, keeps = pair
    edge = edge_of(lets_go)
    query = (
        "select count(*), count(*) filter (where event_name = '(identity)') "
        "from read_parquet('{}') where event_us < {}"
    )
    edge_us = int(datetime(edge.year, edge.month, edge.day, tzinfo=UTC).timestamp() * 1e6) - 3_600_000_000

    def old_rows(workspace: Workspace) -> tuple[int, int]:
        found: tuple[int, int] = duckdb.execute(
            query.format(f"{workspace.staged}/web/*.parquet", edge_us)
        ).fetchall()[0]
        return found

    left, bare = old_rows(lets_go)
    assert 0 < bare <= 24, "one row for each device and its owner"
    assert left < old_rows(keeps)[0] / 3
    bodies = duckdb.execute(
        f"select count(*) from read_parquet('{lets_go.staged}/web/*.parquet') "
        "where event_name = '(identity)' and coalesce(properties, page, value::varchar) is not null"
    ).fetchall()
    assert bodies == [(0,)]


def test_the_vendors_files_are_gone_earlier_and_do_not_land_again(pair: tuple[Workspace, Workspace]) -> None:
    lets_go, _ = pair
    first = LAST + timedelta(days=LATER + 1 - 20)
    landed = lets_go.source_lake("web").days()
    assert min(landed) == FIRST, "the calendar stays whole"
    for day, manifest in landed.items():
        files = list((lets_go.lake / "web" / f"date={day}").glob("events-*"))
        assert all((DROPPED in part.flags) == (day < first) for part in manifest.parts)
        assert bool(files) == (day >= first), day
    before = {name: table(lets_go, name) for name in (*COUNTS, *ROWS, "events")}
    # the exports are read again from the beginning, and from a changed file of a day that is gone
    (lets_go.lake / "web" / "files.json").unlink()
    path = lets_go.root / "exports" / f"{FIRST}.csv"
    path.write_text(path.read_text() + f"{FIRST}T10:00:00+00:00,look,late,late,\n")
    with lets_go.locked():
        steps.pull(lets_go)
        steps.build(lets_go)
    assert {name: table(lets_go, name) for name in before} == before
    assert not list((lets_go.lake / "web" / f"date={FIRST}").glob("events-*"))


def test_a_warehouse_that_was_deleted_is_made_again_with_the_frozen_counts(
    pair: tuple[Workspace, Workspace],
) -> None:
    lets_go, keeps = pair
    lets_go.warehouse.unlink()
    with lets_go.locked():
        steps.build(lets_go)
    for name in ("stage_funnel", "stage_cohorts", "stage_delays"):
        assert table(lets_go, name) == table(keeps, name), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name"),
    [
        (frozen_marts, "write_retention"),
        (retention, "find_needed_rows"),
        (retention, "keep_needed_rows"),
        (retention, "write_retention"),
        (retention, "_drop_raw"),
    ],
)
def test_killed_anywhere_the_next_night_finishes(
    module: object, name: str, pair: tuple[Workspace, Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    lets_go, keeps = pair
    last = LAST + timedelta(days=LATER + 2)
    for root in (lets_go.root, keeps.root):
        write_days(root / "exports", LAST, LATER + 3)
    lets_go, keeps = at(lets_go.root, last), at(keeps.root, last)
    with monkeypatch.context() as patch:
        patch.setattr(module, name, killed)
        with pytest.raises(Killed):
            night(lets_go)
    night(lets_go)
    with lets_go.locked():
        steps.build(lets_go)
    night(keeps)
    assert edge_of(lets_go) == last + timedelta(days=1 - EVENT_DAYS)
    for each in ("stage_funnel", "stage_cohorts", "stage_delays"):
        assert table(lets_go, each) == table(keeps, each), each


def test_events_that_counts_still_need_cannot_be_let_go(tmp_path: Path) -> None:
    world(tmp_path, "[retention]\nevent_days = 30\n")
    write_days(tmp_path / "exports", FIRST, 3)
    workspace = at(tmp_path, FIRST + timedelta(days=2))
    with workspace.locked():
        steps.pull(workspace)
        with pytest.raises(ConfigError, match="event_days = 30: it takes at least 68"):
            steps.build(workspace)


@pytest.mark.slow
def test_counts_go_after_their_own_time(pair: tuple[Workspace, Workspace]) -> None:
    lets_go, _ = pair
    config = lets_go.config_path
    config.write_text(config.read_text() + "mart_days = 80\n")
    last = LAST + timedelta(days=LATER)
    for _ in range(2):
        night(at(lets_go.root, last))
    days = [
        row[0]
        for row in duckdb.connect(str(lets_go.published), read_only=True)
        .execute("select min(entry_date) from marts.stage_funnel")
        .fetchall()
    ]
    assert days == [last - timedelta(days=79)]


def test_vacuum_says_what_goes_and_then_frees_it(
    pair: tuple[Workspace, Workspace], painpoints: Painpoints
) -> None:
    lets_go, _ = pair
    root = lets_go.root
    shutil.copytree(lets_go.lake / "web", lets_go.lake / "old_shop")
    (lets_go.lake / "web" / "incoming.part").mkdir(exist_ok=True)
    (lets_go.lake / "web" / "incoming.part" / "x").write_bytes(b"x" * 1000)
    (root / "painpoints.duckdb.part").write_bytes(b"x" * 5000)
    size = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())

    dry = json.loads(painpoints("vacuum", "--dry-run", "--json", "--workspace", root).out)
    schema = Path(__file__).parent.parent / "pipelines" / "templates" / "schemas" / "vacuum.json"
    jsonschema.validate(dry, json.loads(schema.read_text()))
    assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) == size
    assert {each["path"] for each in dry["waste"]} == {
        "lake/old_shop", "lake/web/incoming.part", "painpoints.duckdb.part", "warehouse.duckdb",
    }  # fmt: skip
    before = {name: table(lets_go, name) for name in ("stage_funnel", "events")}
    wet = json.loads(painpoints("vacuum", "--json", "--workspace", root).out)
    left = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    assert wet["freed_bytes"] == size - left > 6000
    assert not (lets_go.lake / "old_shop").exists()
    with lets_go.locked():
        steps.build(lets_go)
    assert {name: table(lets_go, name) for name in before} == before
