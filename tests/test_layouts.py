"""A newer program opens older workspaces; an older one leaves newer workspaces alone."""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import Painpoints

from pipelines import layout_migrations, layout_version, steps, warehouse_state
from pipelines.layout_version import LAYOUT, LayoutTooNew, LayoutUnknown, layout_of
from pipelines.staging import stage_days
from pipelines.warehouse import open_warehouse
from pipelines.workspace import Workspace, open_workspace

LAYOUTS = Path(__file__).parent / "layouts"
sys.path.insert(0, str(LAYOUTS))
from make_layout import NOW, write_inputs  # noqa: E402

RELEASED = sorted(LAYOUTS.glob("layout-*.tar.xz"))


def opened(archive: Path, folder: Path) -> Workspace:
    with tarfile.open(archive) as file:
        file.extractall(folder, filter="data")
    return open_workspace(folder, clock=lambda: NOW)


def tables(published: Path) -> dict[str, list[Any]]:
    with duckdb.connect(str(published), read_only=True) as db:
        names = [
            row[0]
            for row in db.execute(
                "select table_name from duckdb_tables() where schema_name = 'marts'"
            ).fetchall()
        ]
        return {
            name: db.execute(f"select * from marts.{name} order by all").fetchall()
            for name in sorted(names)
            if name not in ("runs", "marks")
        }


def everything(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_workspace_of_every_layout_but_the_present_one_is_kept() -> None:
    kept = {int(path.name.removeprefix("layout-").split(".")[0]) for path in RELEASED}
    assert kept >= set(range(1, LAYOUT))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    root = tmp_path_factory.mktemp("fresh")
    write_inputs(root)
    workspace = open_workspace(root, clock=lambda: NOW)
    with workspace.locked():
        steps.run(workspace)
    return tables(workspace.published)


@pytest.mark.parametrize("archive", RELEASED, ids=lambda path: path.name)
def test_an_older_workspace_is_migrated_and_then_says_what_a_fresh_one_does(
    archive: Path, tmp_path: Path, fresh: dict[str, list[Any]]
) -> None:
    workspace = opened(archive, tmp_path)
    with duckdb.connect(str(workspace.published), read_only=True) as db:
        history = db.execute("select * from marts.pain_point_history order by all").fetchall()
        (marked,) = db.execute("select pain_point_id, mark_note from marts.marks").fetchall()
    with workspace.locked():
        steps.build(workspace)
        steps.detect(workspace)
    assert layout_of(tmp_path) == LAYOUT
    after = tables(workspace.published)
    assert after.keys() == fresh.keys()
    for name in after:
        if name not in ("pain_points", "pain_point_history"):
            assert after[name] == fresh[name], name
    # the nights of the old program are kept as it made them; the last is judged again, by today's method
    last = max(row[0] for row in history)
    told = after["pain_point_history"]
    assert [row for row in told if row[0] < last] == [row for row in history if row[0] < last]
    # night, id, kind, journey, persona, stages, segment, its filter, status, first seen
    assert [row[:11] for row in told if row[0] == last] == [row[:11] for row in history if row[0] == last]
    with duckdb.connect(str(workspace.published), read_only=True) as db:
        assert db.execute("select pain_point_id, mark_note from marts.marks").fetchall() == [marked]
        found = db.execute("select * from marts.pain_points").df()
        assert list(found["mark_note"]) == [marked[1]]


def test_a_migration_that_is_killed_is_finished_by_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = opened(RELEASED[0], tmp_path)
    before = {path: body for path, body in everything(tmp_path).items() if not path.startswith("lake")}

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for module, name in (
        (warehouse_state, "sync_file"),  # the new file is written, and not swapped in
        (warehouse_state.os, "replace"),
        (layout_migrations, "mark_layout"),  # swapped in, and not committed
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, killed)
            with pytest.raises(KeyboardInterrupt), workspace.locked():
                pass
        assert layout_of(tmp_path) == 1
    with workspace.locked():
        steps.build(workspace)
        steps.detect(workspace)
    assert layout_of(tmp_path) == LAYOUT
    assert not list(tmp_path.rglob("*.part*"))
    with duckdb.connect(str(workspace.published), read_only=True) as db:
        assert db.execute("select count(*) from marts.marks").fetchall() == [(1,)]
    assert (tmp_path / "exports" / "till.csv").read_bytes() == before["exports/till.csv"]


@pytest.mark.parametrize(
    "command",
    ["run", "pull", "build", "detect", "report", "list", "doctor", "funnel --steps look,buy", "explain pp-1"],
)
def test_an_older_program_refuses_a_newer_workspace_and_changes_nothing(
    command: str, tmp_path: Path, painpoints: Painpoints
) -> None:
    opened(RELEASED[0], tmp_path)
    (tmp_path / "lake" / "_layout.json").write_text('{"layout": 99, "program": "7.0.0"}')
    before = everything(tmp_path)
    outcome = painpoints(*command.split(), "--workspace", tmp_path)
    assert outcome.code == 1
    for word in ("layout 99", "painpoints 7.0.0", "Bring the program up to date", "nothing was changed"):
        assert word in " ".join(outcome.err.split())
    assert everything(tmp_path) == before


@pytest.mark.parametrize("marker", ["", "[]", '{"layout": "two"}', '{"program": "1"}', "\0\0"])
def test_a_marker_that_cannot_be_read_stops_everything(marker: str, tmp_path: Path) -> None:
    opened(RELEASED[0], tmp_path)
    (tmp_path / "lake" / "_layout.json").write_text(marker)
    before = everything(tmp_path)
    with pytest.raises(LayoutUnknown, match=r"_layout\.json.*nothing was changed"):
        open_workspace(tmp_path)
    assert everything(tmp_path) == before


def test_a_workspace_made_newer_while_a_command_waits_is_refused_at_the_lock(tmp_path: Path) -> None:
    workspace = opened(RELEASED[0], tmp_path)
    (tmp_path / "lake" / "_layout.json").write_text('{"layout": 99}')
    with pytest.raises(LayoutTooNew), workspace.locked():
        pytest.fail("the workspace was given out")


def test_a_new_workspace_and_its_published_file_say_their_layout(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    workspace = open_workspace(tmp_path, clock=lambda: NOW)
    with workspace.locked():
        steps.pull(workspace)
        steps.build(workspace)
    assert json.loads((tmp_path / "lake" / "_layout.json").read_text())["layout"] == LAYOUT
    with duckdb.connect(str(workspace.published), read_only=True) as db:
        assert db.execute("select layout from about.layout").fetchall() == [(layout_version.LAYOUT,)]


def test_rows_staged_before_a_column_existed_are_null_in_it(tmp_path: Path) -> None:
    workspace = opened(RELEASED[0], tmp_path)
    with open_warehouse(None, workspace.settings.engine) as db:
        stage_days(db, workspace, lambda _: None)  # as staged by the present program
    staged = sorted(workspace.staged.glob("till/*.parquet"))
    some = tmp_path / "cut.parquet"
    for cut in (staged[:3], staged):  # of some files, then of all
        for path in cut:
            duckdb.execute(
                f"copy (select columns(lambda c: c not in ('campaign', 'copies')) from '{path}') to '{some}'"
            )
            shutil.move(some, path)
        with open_warehouse(None, workspace.settings.engine) as db:
            assert stage_days(db, workspace, lambda _: None) == 0
            lacking = len(
                db.execute(
                    "select 1 from lake.staged_events where copies is null and campaign is null"
                ).fetchall()
            )
            kinds = {row[0]: row[1] for row in db.execute("describe lake.staged_events").fetchall()}
            rows = len(db.execute("select 1 from lake.staged_events").fetchall())
        counted = sum(duckdb.execute(f"select count(*) from '{path}'").fetchall()[0][0] for path in cut)
        assert lacking == counted > 0
        assert rows >= lacking
        assert (kinds["copies"], kinds["campaign"]) == ("INTEGER", "VARCHAR")
