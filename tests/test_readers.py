"""Who reads the published file while a night runs: other programs, the commands, and an export."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from conftest import CRM_HEADER, Painpoints, crm_lines

from pipelines import steps
from pipelines.workspace import open_workspace

COUNT = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=True) as db:
    print(db.execute("select count(*) from marts.attempts").fetchall()[0][0])
"""


def attempts(published: Path) -> int:
    """Counted by another process, as an analyst's tool is one."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT, str(published)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_everybody_reads_last_night_until_the_new_one_is_whole(
    published_workspace: Path, painpoints: Painpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = published_workspace / "painpoints.duckdb"
    before = attempts(published)
    lines = [line.replace("2026-03", "2026-04") for line in crm_lines(2)]
    (published_workspace / "exports" / "crm2.csv").write_text("\n".join([CRM_HEADER, *lines]) + "\n")
    workspace = open_workspace(published_workspace)
    seen = []
    publish = steps.publish

    def publish_with_readers(connection: duckdb.DuckDBPyConnection, target: Path) -> None:
        seen.append(attempts(published))
        assert painpoints("list", "--workspace", published_workspace).code == 0
        share = tmp_path / f"share-{len(seen)}"
        assert painpoints("export", "--parquet", share, "--workspace", published_workspace).code == 0
        with duckdb.connect() as db:
            query = f"select count(*) from read_parquet('{share / 'attempts.parquet'}')"
            seen.append(db.execute(query).fetchall()[0][0])
        publish(connection, target)

    monkeypatch.setattr(steps, "publish", publish_with_readers)
    with workspace.locked():
        steps.pull(workspace)
        steps.build(workspace)
    assert seen == [before, before]
    assert attempts(published) == before + 60
