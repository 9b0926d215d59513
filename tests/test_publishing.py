"""Readers of the published file: never blocked, never half a night, and old clients can open it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from conftest import CRM_HEADER, crm_lines, run_steps

from pipelines import steps
from pipelines.sql_models import in_order, read_models
from pipelines.workspace import open_workspace

MARTS = {
    "events", "sessions", "stage_visits", "attempts", "stage_funnel", "stage_paths", "pain_points",
    "pain_point_history", "notes", "tracking_health", "reconciliation", "runs",
}  # fmt: skip

# The columns other people's tools stand on, in their order; tables may have more after them.
CONTRACT = {
    "events": "source, event_id, user_key, device_id, user_id, event_at, event_seq, event_name, page, "
    "session_id, vendor_session_id, device, os, browser, country, channel, medium, source_name, campaign, "
    "is_new_user, value, currency, transaction_id, properties",
    "sessions": "session_id, user_key, source, session_date, started_at, ended_at, event_count, device, os, "
    "browser, country, channel, is_new_user, landing_page, exit_page, value",
    "stage_visits": "journey, attempt_id, user_key, session_id, visit_number, stage, stage_number, "
    "entered_at, left_at, event_count",
    "attempts": "journey, attempt_id, user_key, entered_at, entry_date, furthest_stage, "
    "furthest_stage_number, outcome, converted_at, path, skips, loops, backtracks, fitness, value, persona, "
    "device, os, browser, country, channel, is_new_user",
    "stage_funnel": "journey, persona, entry_date, device, os, browser, country, channel, is_new_user, "
    "stage, stage_number, next_stage, reached, advanced, still_open, lost, matured",
    "stage_paths": "journey, path, attempts, converted, value, median_seconds",
    "pain_points": "pain_point_id, kind, journey, persona, stage, next_stage, segment, segment_filter, "
    "status, first_seen, started_on, last_seen, attempts, observed, expected, ideal, lost_conversions, "
    "lost_low, lost_high, lost_per_week, lost_value, currency, q_value, owner, headline, evidence, sql",
    "pain_point_history": "night, pain_point_id, kind, journey",
    "tracking_health": "source, day, check_name, status, detail",
    "reconciliation": "source, day, event_name, our_count, vendor_count, difference, reason",
    "runs": "run_id, started_at, finished_at, from_day, to_day, status, events, seconds, version, "
    "config_hash",
}


@pytest.fixture
def published(published_workspace: Path) -> Path:
    return published_workspace / "painpoints.duckdb"


def test_every_table_and_column_is_there_and_commented(published: Path) -> None:
    with duckdb.connect(str(published), read_only=True) as db:
        tables = {row[0] for row in db.execute("select table_name from duckdb_tables()").fetchall()}
        assert tables >= MARTS
        uncommented = db.execute(
            "select table_name, null from duckdb_tables() where comment is null union all "
            "select table_name, column_name from duckdb_columns() where schema_name = 'marts' "
            "and comment is null"
        ).fetchall()
        assert uncommented == []
        for table, columns in CONTRACT.items():
            present = [row[0] for row in db.execute(f"describe marts.{table}").fetchall()]
            wanted = columns.split(", ")
            assert [column for column in present if column in wanted] == wanted, table


def test_no_comment_speaks_of_a_column_that_is_not_there(published: Path) -> None:
    with duckdb.connect(str(published), read_only=True) as db:
        for model in read_models("marts"):
            present = {row[0] for row in db.execute(f"describe {model.name}").fetchall()}
            assert set(model.column_comments) <= present, model.name


def test_every_model_says_its_grain_and_comes_after_what_it_reads() -> None:
    models = read_models("staging", "intermediate", "marts")
    for model in models:
        assert model.comment.startswith("One row per"), model.path
    place = {model.name: number for number, model in enumerate(in_order(models))}
    for model in models:
        assert all(place[read] < place[model.name] for read in model.reads if read in place), model.name


READER = """
import duckdb, sys
db = duckdb.connect(sys.argv[1], read_only=True)
count = lambda: db.execute("select count(*) from marts.attempts").fetchall()[0][0]
print(count(), flush=True)
sys.stdin.readline()
print(count(), flush=True)
"""


def test_a_reader_keeps_its_night_while_a_new_one_is_published(published: Path) -> None:
    workspace = open_workspace(published.parent)
    reader = subprocess.Popen(
        [sys.executable, "-c", READER, str(published)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    before = int(reader.stdout.readline())
    lines = [line.replace("2026-03", "2026-04") for line in crm_lines(2)]
    (published.parent / "exports" / "crm2.csv").write_text("\n".join([CRM_HEADER, *lines]) + "\n")
    steps.pull(workspace)
    steps.build(workspace)
    out, _ = reader.communicate("go on\n", timeout=60)
    assert int(out) == before
    with duckdb.connect(str(published), read_only=True) as db:
        assert db.execute("select count(*) from marts.attempts").fetchall() == [(before + 60,)]


def test_a_run_killed_while_publishing_leaves_the_old_file(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = published.read_bytes()

    def dying(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.publishing.os.fsync", dying)
    with pytest.raises(KeyboardInterrupt):
        steps.build(open_workspace(published.parent))
    assert published.read_bytes() == before
    monkeypatch.undo()
    steps.build(open_workspace(published.parent))


def test_running_a_night_twice_changes_no_mart(published: Path) -> None:
    def ordered(path: Path) -> dict[str, list[tuple[object, ...]]]:
        link = path.with_name(f"{len(list(path.parent.glob('*.link')))}.link")
        os.link(path, link)
        with duckdb.connect(str(link), read_only=True) as db:
            return {
                table: db.execute(f"select * from marts.{table} order by all").fetchall()
                for table in MARTS - {"runs"}
            }

    before = ordered(published)
    run_steps(published.parent).close()
    assert ordered(published) == before


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.2.2", "1.4.4"])
def test_an_older_duckdb_client_opens_the_published_file(
    published: Path, tmp_path: Path, version: str
) -> None:
    if sys.version_info >= (3, 14) and version == "1.2.2":
        pytest.skip("DuckDB 1.2 has no build for this Python")
    target = tmp_path / "old"
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--target", target, f"duckdb=={version}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if installed.returncode:
        assert os.environ.get("CI") != "true", installed.stderr
        pytest.skip(f"duckdb {version} cannot be installed here: {installed.stderr[-200:]}")
    query = (
        "import duckdb, json, sys; db = duckdb.connect(sys.argv[1], read_only=True); "
        "print(json.dumps([duckdb.__version__, "
        "db.execute('select count(*) from marts.attempts').fetchall()[0][0], "
        "db.execute('select count(properties) from marts.events').fetchall()[0][0]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", query, str(published)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(target)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found, attempts, properties = json.loads(done.stdout)
    assert found == version
    with duckdb.connect(str(published), read_only=True) as db:
        assert db.execute("select count(*) from marts.attempts").fetchall() == [(attempts,)]
        assert db.execute("select count(*) from marts.events").fetchall() == [(properties,)]
