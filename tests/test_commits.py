"""Statements that reach the disk together: all of them or none, also when a build breaks off half way."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from pipelines import sql_models, steps
from pipelines.commits import at_once, in_batches
from pipelines.workspace import open_workspace


def tables(file: Path) -> list[str]:
    """What a program finds that opens the file next."""
    with duckdb.connect(str(file), read_only=True) as db:
        return [row[0] for row in db.execute("select table_name from duckdb_tables() order by 1").fetchall()]


def make_and_break(file: Path, most_seconds: float) -> None:
    with duckdb.connect(str(file)) as db:

        def make() -> None:
            with in_batches(db, most_seconds=most_seconds) as done:
                for name in ("a", "b"):
                    db.execute(f"create table {name} as select 1 as n")
                    done()
                db.execute("create table c as select 1 as n")
                db.execute("create table d as select * from no_such_table")

        with pytest.raises(duckdb.Error, match="no_such_table"):
            make()
        db.execute("create table afterwards as select 1 as n")


def test_what_was_committed_stays_and_what_was_not_is_undone(tmp_path: Path) -> None:
    make_and_break(tmp_path / "each.duckdb", most_seconds=-1)
    assert tables(tmp_path / "each.duckdb") == ["a", "afterwards", "b"]
    make_and_break(tmp_path / "together.duckdb", most_seconds=60)
    assert tables(tmp_path / "together.duckdb") == ["afterwards"]


def test_at_once_is_all_or_nothing_also_when_the_program_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "one.duckdb"
    with duckdb.connect(str(file)) as db:

        def make(number: int, *, is_killed: bool) -> None:
            with at_once(db):
                db.execute(f"create or replace table a as select {number} as n")
                db.execute("create or replace view v as select n + 1 as n from a")
                if is_killed:
                    raise KeyboardInterrupt

        make(1, is_killed=False)
        with pytest.raises(KeyboardInterrupt):
            make(2, is_killed=True)
        assert db.execute("select n from v").fetchall() == [(2,)]
    assert tables(file) == ["a"]


@pytest.mark.parametrize("model", ["intermediate.user_ids", "marts.attempts", "marts.tracking_health"])
def test_a_build_that_was_killed_is_made_whole_by_the_next(
    published_workspace: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    workspace = open_workspace(published_workspace)
    marts = ("events", "sessions", "attempts", "stage_funnel", "stage_cohorts", "tracking_health")

    def rows(copy: Path) -> dict[str, list[tuple[object, ...]]]:
        copy.hardlink_to(workspace.published)  # this process may hold the file of the night before
        with duckdb.connect(str(copy), read_only=True) as db:
            return {name: db.execute(f"select * from marts.{name} order by all").fetchall() for name in marts}

    before = rows(published_workspace / "before.link")
    make = sql_models.replace_model

    def killed(connection: duckdb.DuckDBPyConnection, name: str, query: str, *, is_view: bool) -> None:
        if name == model:
            raise KeyboardInterrupt
        make(connection, name, query, is_view=is_view)

    with monkeypatch.context() as patch:
        patch.setattr(sql_models, "replace_model", killed)
        with pytest.raises(KeyboardInterrupt):
            steps.build(workspace)
    assert rows(published_workspace / "killed.link") == before
    steps.build(workspace)
    assert rows(published_workspace / "after.link") == before
