"""`painpoints forget`: one person goes from everything a workspace keeps, provably, and stays away."""

from __future__ import annotations

import csv
import gzip
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pyarrow.parquet as pq
import pytest
from conftest import Painpoints
from hypothesis import given, settings
from hypothesis import strategies as st
from people_world import ANNA, DAYS, NOW, TABLET, write_people

from connectors import forgotten_ledger, manifest
from pipelines import forgetting, forgetting_files, lake_sweep, marks, steps, warehouse_state
from pipelines.explore import pain_points
from pipelines.forgetting_files import redacted_sql
from pipelines.name_search import Names
from pipelines.warehouse import literal
from pipelines.workspace import Workspace, open_workspace

SCHEMA = Path(__file__).parent.parent / "pipelines" / "templates" / "schemas" / "forget.json"


def texts_of(path: Path) -> Iterator[str]:
    """Everything a file says: its bytes, its bytes unpacked, its Parquet cells, its DuckDB cells."""
    body = path.read_bytes()
    yield body.decode("latin-1")
    if body[:2] == b"\x1f\x8b":
        yield gzip.decompress(body).decode()
    if body[:4] == b"PAR1":
        yield json.dumps(pq.read_table(path).to_pylist(), default=str, ensure_ascii=False)
    if body[8:12] == b"DUCK":
        with duckdb.connect(str(path), read_only=True) as db:
            for schema, table in db.execute(
                "select schema_name, table_name from duckdb_tables() where not internal"
            ).fetchall():
                yield str(db.execute(f'select * from "{schema}"."{table}"').fetchall())


def naming(root: Path, names: tuple[str, ...] = ANNA, *, without: tuple[str, ...] = ("exports",)) -> set[str]:
    """The files below a folder that say one of the names."""
    found = set()
    for path in root.rglob("*"):
        relative = path.relative_to(root)
        if not path.is_file() or relative.parts[0] in without:
            continue
        if any(re.search(rf"{name}(?!_)", text) for text in texts_of(path) for name in names):
            found.add(str(relative))
    return found


def rows(workspace: Workspace, query: str) -> list[Any]:
    with duckdb.connect(str(workspace.published), read_only=True) as db:
        return db.execute(query).fetchall()


class Killed(BaseException):
    """The machine lost power."""


def forget_and_be_killed(shop: Workspace, module: object, name: str) -> None:
    def killed(*_: object, **__: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, killed)
        with pytest.raises(Killed), shop.locked():
            forgetting.forget(shop, "customer-anna", source=None, dry_run=False, progress=lambda _: None)


def everything(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != ".painpoints.lock"
    }


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace after a night, with exports, a log and a note that name Anna."""
    base = tmp_path_factory.mktemp("people")
    root, outside = base / "shop", base / "outside"
    write_people(root, outside)
    workspace = open_workspace(root, clock=lambda: NOW)
    with workspace.locked():
        steps.run(workspace)
        found = list(pain_points(root)["pain_point_id"])
        if found:
            marks.mark(workspace, found[0], "acknowledged", note="customer-anna called, ga-anna-phone")
    (root / "night.log").write_text("customer-anna was seen\ncustomer-anna_bel was too\n")
    return base


@dataclass(frozen=True)
class Forgotten:
    """A world of which Anna was taken out, and what the command printed."""

    base: Path
    printed: str


@pytest.fixture(scope="module")
def forgotten(built: Path, tmp_path_factory: pytest.TempPathFactory, painpoints: Painpoints) -> Forgotten:
    base = tmp_path_factory.mktemp("forgotten") / "world"
    shop = copy_of(built, base)
    outcome = painpoints("forget", "customer-anna", "--json", "--workspace", shop.root)
    assert outcome.code == 0, outcome.err
    return Forgotten(base, outcome.out)


def copy_of(base: Path, to: Path) -> Workspace:
    shutil.copytree(base, to)
    config = to / "shop" / "painpoints.toml"
    config.write_text(config.read_text().replace(str(base), str(to)))
    return open_workspace(to / "shop", clock=lambda: NOW)


@pytest.fixture
def shop(built: Path, tmp_path: Path) -> Workspace:
    return copy_of(built, tmp_path / "world")


@pytest.fixture
def shop_without_anna(forgotten: Forgotten, tmp_path: Path) -> Workspace:
    return copy_of(forgotten.base, tmp_path / "world")


def test_the_world_names_anna_in_many_places(shop: Workspace) -> None:
    found = naming(shop.root)
    kinds = {Path(each).suffix for each in found}
    assert {".gz", ".parquet", ".duckdb", ".log"} <= kinds
    assert {"warehouse.duckdb", "painpoints.duckdb"} <= found
    assert {each.split("/")[1] for each in found if each.startswith("lake/")} >= {
        "ga4",
        "mixpanel",
        "crm",
        "hotjar",
    }


def test_a_person_is_nowhere_any_more_and_does_not_come_back(shop: Workspace, painpoints: Painpoints) -> None:
    root = shop.root
    assert painpoints("export", "--parquet", root / "share", "--workspace", root).code == 0
    assert painpoints("export", "--single-file", root / "one.duckdb", "--workspace", root).code == 0
    keys = tuple(
        row[0]
        for row in rows(shop, "select distinct user_key from marts.events where user_id = 'customer-anna'")
    )
    others = "select count(*) from marts.events where user_key <> '{}'".format(*keys)
    ((kept,),) = rows(shop, others)

    outcome = painpoints("forget", "ga-anna-phone", "--json", "--workspace", root)

    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out)
    jsonschema.validate(told, json.loads(SCHEMA.read_text()))
    assert set(told["user_ids"]) == {"customer-anna", "anna-old-login"}
    # Mixpanel's events without a device have their distinct id as one
    assert {each["device_id"] for each in told["devices"]} == set(ANNA) - {"customer-anna"}
    assert [each["device_id"] for each in told["kept_devices"]] == [TABLET]
    assert set(keys) <= set(told["user_keys"])
    assert told["still_named_in"] == []
    # GA4: one of the phone and two of the tablet a day; a call a day; Mixpanel; Hotjar
    assert told["removed_rows"] == 3 * DAYS + DAYS + (DAYS + 3) + 3
    assert naming(root, (*ANNA, *keys)) == set()
    ((left,),) = rows(shop, others)
    assert left == kept
    assert (root / "night.log").read_text() == "(forgotten) was seen\ncustomer-anna_bel was too\n"
    # the exports of others are not touched, and told of, wherever they lie
    assert sorted(told["own_files"]) == sorted(
        [
            "exports/ga4/early.parquet",
            "exports/ga4/late.jsonl",
            "exports/hotjar/recordings.csv",
            "exports/hotjar/survey.csv",
            "exports/mixpanel/all.jsonl.gz",
            str(root.parent / "outside" / "crm.csv"),
        ]
    )

    # read again, from the beginning: the same files
    for registry in root.glob("lake/*/files.json"):
        registry.unlink()
    with shop.locked():
        steps.run(shop)
    assert naming(root, (*ANNA, *keys)) == set()
    bert = "select count(*) from marts.events where user_id = 'customer-bert'"
    assert rows(shop, bert) == [(2 * DAYS,)]
    assert rows(shop, "select count(*) from marts.recordings") == [(1,)]


def test_without_that_person_the_tables_are_those_of_a_world_that_never_had_them(
    shop_without_anna: Workspace, tmp_path: Path
) -> None:
    shop = shop_without_anna
    with shop.locked():
        steps.build(shop)
    never = Workspace(tmp_path / "never", lambda: NOW)
    shutil.copytree(
        shop.root, never.root, ignore=shutil.ignore_patterns("lake", "*.duckdb", "reports", "night.log")
    )
    never.lake.mkdir()
    shutil.copy(shop.lake / "_forgotten.json", never.lake)
    shutil.copy(shop.lake / "_layout.json", never.lake)
    with never.locked():
        steps.pull(never)
        steps.build(never)
    for table in (
        "events",
        "sessions",
        "attempts",
        "stage_visits",
        "stage_funnel",
        "stage_paths",
        "recordings",
    ):
        query = f"select * from marts.{table} order by all"
        assert rows(shop, query) == rows(never, query), table


# a build of what was killed at the fourth has a quick test of its own, below
@pytest.mark.parametrize(
    "step", [pytest.param(n, marks=[] if n in (1, 3) else pytest.mark.slow) for n in range(6)]
)
def test_killed_anywhere_the_command_run_again_finishes(
    step: int, shop: Workspace, painpoints: Painpoints
) -> None:
    places: list[tuple[object, str]] = [
        (warehouse_state, "_copy_state"),
        (forgetting_files, "publish"),
        (forgetting, "write_ledger"),
        (manifest, "replace_json"),  # a day's new part is there, its manifest is not
        (lake_sweep, "_sweep_staged"),
        (lake_sweep, "write_ledger"),
    ]
    forget_and_be_killed(shop, *places[step])
    # whole files, old or new: everything can still be read
    for source in shop.settings.sources:
        assert len(shop.source_lake(source).days()) >= 1
    outcome = painpoints("forget", "customer-anna", "--json", "--workspace", shop.root)
    assert outcome.code == 0, outcome.err
    assert naming(shop.root) == set()
    assert not [path for path in shop.root.rglob("*.part*") if path.is_file()]
    assert forgotten_ledger.read_ledger(shop.lake).is_swept


def test_a_build_finishes_what_a_killed_command_began(shop: Workspace) -> None:
    forget_and_be_killed(shop, lake_sweep, "_sweep_staged")
    with shop.locked():
        steps.build(shop)
    assert naming(shop.root) == set()


def test_a_dry_run_says_the_same_and_changes_nothing(
    shop: Workspace, forgotten: Forgotten, painpoints: Painpoints
) -> None:
    before = everything(shop.root)
    outcome = painpoints("forget", "customer-anna", "--dry-run", "--json", "--workspace", shop.root)
    assert everything(shop.root) == before
    dry = json.loads(outcome.out)
    wet = json.loads(forgotten.printed.replace(str(forgotten.base), str(shop.root.parent)))
    for key in ("user_ids", "devices", "user_keys", "kept_devices", "events", "own_files"):
        assert dry[key] == wet[key], key
    assert (dry["dry_run"], dry["removed_rows"], wet["dry_run"]) == (True, 0, False)


def test_the_ledger_holds_no_id(shop_without_anna: Workspace) -> None:
    ledger = shop_without_anna.lake / "_forgotten.json"
    body = ledger.read_text()
    assert not [name for name in ANNA if name in body]
    assert ledger.stat().st_mode & 0o077 == 0
    assert set(json.loads(body)) == {"key", "is_swept", "hashes"}


@pytest.mark.parametrize(
    ("user", "says"),
    [
        ("nobody-of-that-name", "no landed event, recording or answer has the id"),
        (TABLET, "is of 2 people"),
        ("' or 1=1 --", "no landed event"),
    ],
)
def test_who_cannot_be_told_is_refused_and_nothing_changes(
    user: str, says: str, shop: Workspace, painpoints: Painpoints
) -> None:
    before = everything(shop.root)
    outcome = painpoints("forget", user, "--workspace", shop.root)
    assert outcome.code == 1
    assert says in " ".join(outcome.err.split())
    assert "othing was changed" in outcome.err
    assert everything(shop.root) == before


def test_a_short_id_goes_from_columns_of_ids_and_numbers_like_it_stay(
    shop: Workspace, painpoints: Painpoints
) -> None:
    outcome = painpoints("forget", "42", "--json", "--workspace", shop.root)
    assert outcome.code == 0, outcome.err
    told = json.loads(outcome.out)
    assert told["not_searched_as_text"] == ["42"]
    assert told["removed_rows"] == DAYS
    assert rows(shop, "select count(*) from marts.events where user_id = '42'") == [(0,)]
    with shop.locked():
        steps.build(shop)
    assert rows(shop, "select count(*) from marts.events where user_id = '42'") == [(0,)]


def test_who_was_forgotten_can_be_forgotten_again(
    shop_without_anna: Workspace, painpoints: Painpoints
) -> None:
    again = painpoints("forget", "customer-anna", "--json", "--workspace", shop_without_anna.root)
    assert again.code == 0, again.err
    assert json.loads(again.out)["was_forgotten"]


def test_somebody_only_recordings_know_is_forgotten_too(shop: Workspace, painpoints: Painpoints) -> None:
    outcome = painpoints("forget", "hj-other-0002", "--json", "--workspace", shop.root)
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["removed_rows"] == 2
    assert naming(shop.root, ("hj-other-0002",)) == set()


def test_a_mention_in_somebody_elses_rows_is_told_and_ends_with_1(
    shop: Workspace, painpoints: Painpoints
) -> None:
    crm = shop.root.parent / "outside" / "crm.csv"
    crm.write_text(crm.read_text() + "2026-03-04T18:00:00,advised customer-anna,customer-bert,x-1\n")
    with shop.locked():
        steps.pull(shop)
    outcome = painpoints("forget", "customer-anna", "--json", "--workspace", shop.root)
    assert outcome.code == 1
    left = json.loads(outcome.out)["still_named_in"]
    assert any(each.startswith("lake/crm/date=2026-03-04/") for each in left)
    assert all("2026-03-04" in each or each.endswith(".duckdb") for each in left)


def test_rows_of_a_source_that_was_taken_out_of_the_config_go_as_well(
    shop: Workspace, painpoints: Painpoints
) -> None:
    text = shop.config_path.read_text()
    start, end = text.index("[sources.crm]"), text.index("[sources.hotjar]")
    shop.config_path.write_text(text[:start] + text[end:])
    journey = shop.journeys_folder / "shop.yaml"
    journey.write_text(journey.read_text().replace("mixpanel, crm]", "mixpanel]"))
    assert painpoints("forget", "customer-anna", "--workspace", shop.root).code == 0
    assert naming(shop.root) == set()


def test_staged_rows_go_as_well_where_retention_let_the_landed_files_go(
    shop: Workspace, painpoints: Painpoints
) -> None:
    for source in shop.settings.sources:
        lake = shop.source_lake(source)
        for each in lake.days().values():
            assert lake.drop_parts(each, manifest.PEOPLE_DATASETS) > 0
    assert painpoints("forget", "customer-anna", "--workspace", shop.root).code == 0
    assert naming(shop.root) == set()
    with shop.locked():
        steps.build(shop)
    assert naming(shop.root) == set()
    assert rows(shop, "select count(*) from marts.events where user_id = 'customer-bert'") == [(2 * DAYS,)]


def test_a_damaged_ledger_stops_the_night_rather_than_letting_people_back_in(
    shop_without_anna: Workspace, painpoints: Painpoints
) -> None:
    (shop_without_anna.lake / "_forgotten.json").write_text('{"key": "00"')
    outcome = painpoints("run", "--workspace", shop_without_anna.root)
    assert outcome.code == 1
    assert "the ledger of forgotten people cannot be read" in " ".join(outcome.err.split())


HOSTILE = (
    "o'brien-1",
    'say "hello" 22',
    "back\\slash\\1",
    "käthe.müller+1@example.com",
    "a|b(.*)[x]$^?",
    "50%_off_{id}",
    "日本語の名前です",
    "$device:emoji-😀-7",
)


@settings(max_examples=60)
@given(
    st.sampled_from(HOSTILE),
    st.text(max_size=12),
    st.text(max_size=12),
)
def test_a_name_is_found_as_a_word_whatever_it_is_made_of(name: str, before: str, after: str) -> None:
    """The search in bytes, the one in DuckDB and a plain one agree."""
    names = Names((name,))
    text = f"{before} {name} {after}"
    pattern, engine = names.pattern(), names.engine_pattern()
    assert pattern is not None
    assert engine is not None
    assert pattern.search(text.encode("utf-8", "surrogatepass"))
    assert name.encode() not in names.redacted(text.encode("utf-8", "surrogatepass"))
    assert not pattern.search(f"x{name}x".encode())
    if "\0" not in text:
        redacted = redacted_sql(names, "said", "VARCHAR")
        query = f"select regexp_matches(?, {literal(engine)}), {redacted} from (select ? as said)"
        ((found, left),) = duckdb.execute(query, [text, text]).fetchall()
        assert found
        assert name not in left


@pytest.mark.parametrize("hostile", [HOSTILE[:2], pytest.param(HOSTILE[2:5], marks=pytest.mark.slow)])
def test_people_with_hostile_ids_are_forgotten_and_nobody_else(
    hostile: tuple[str, ...], tmp_path: Path, painpoints: Painpoints
) -> None:
    (tmp_path / "journeys").mkdir()
    (tmp_path / "journeys" / "shop.yaml").write_text(
        "journey: shop\nstages:\n  - {name: look, match: [{event: look}]}\n"
        "  - {name: buy, match: [{event: buy}]}\n"
    )
    (tmp_path / "painpoints.toml").write_text(
        '[sources.crm]\nkind = "table"\nfiles = "crm.csv"\n'
        'columns = {event_at = "when", event_name = "what", user_id = "who"}\n'
    )
    people = [*HOSTILE, *(f"{name}x" for name in HOSTILE)]
    with (tmp_path / "crm.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("when", "what", "who"))
        for name in people:
            writer.writerows(
                (f"2026-03-02T1{hour}:00:00", what, name) for hour, what in enumerate(("look", "buy"))
            )
    workspace = open_workspace(tmp_path, clock=lambda: NOW)
    with workspace.locked():
        steps.pull(workspace)
        steps.build(workspace)
    for name in hostile:
        outcome = painpoints("forget", "--json", "--workspace", tmp_path, "--", name)
        assert outcome.code == 0, (name, outcome.err, outcome.out)
        assert json.loads(outcome.out)["removed_rows"] == 2
    with workspace.locked():
        steps.build(workspace)
    left = {row[0] for row in rows(workspace, "select distinct user_id from marts.events")}
    assert left == set(people) - set(hostile)
