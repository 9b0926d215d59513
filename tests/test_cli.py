"""The commands as a person types them: what they print, how they end, what --json gives."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from conftest import Painpoints, make_workspace
from typer.testing import CliRunner

from models.journey_file import read_journeys
from pipelines.cli import app
from pipelines.sql_models import read_models

COMMANDS = ["demo", "init", "doctor", "run", "pull", "build", "detect", "report", "list", "explain", "export"]


def stalling_lines() -> list[str]:
    """50 days of a shop in which mobile visitors stop filling carts on day 35."""
    lines = []
    for day in range(50):
        at = date(2026, 1, 5) + timedelta(days=day)
        for number in range(80):
            who, device = f"u{day}-{number}", ("mobile" if number % 2 else "desktop")
            lines.append(f"{at} 10:{number % 60:02d}:00,visit,{who},{device},")
            fills = number % 10 < (2 if device == "mobile" and day >= 35 else 7)
            if fills:
                lines.append(f"{at} 11:{number % 60:02d}:00,cart,{who},{device},")
                if number % 3:
                    lines.append(f"{at} 11:{number % 60:02d}:30,buy,{who},{device},25")
    return lines


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, painpoints: Painpoints) -> Path:
    folder = make_workspace(tmp_path_factory.mktemp("cli") / "shop", lines=stalling_lines())
    done = painpoints("run", "--workspace", folder)
    assert done.code == 0, done.err
    assert "cart" in done.out
    assert "journey-map.html" in done.out
    return folder


def test_help_names_every_command() -> None:
    text = CliRunner().invoke(app, ["--help"]).output
    for command in COMMANDS:
        assert f" {command} " in text
        assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


def test_init_writes_a_workspace_whose_templates_are_valid(tmp_path: Path, painpoints: Painpoints) -> None:
    done = painpoints("init", tmp_path / "new")
    assert done.code == 0, done.err
    journeys = {journey.name: journey for journey in read_journeys(tmp_path / "new" / "journeys")}
    assert {name: each.active for name, each in journeys.items()} == {
        "purchase": True,
        "onboarding": False,
        "loyalty": False,
    }
    again = painpoints("init", tmp_path / "new")
    assert again.code == 1
    assert "already is a workspace" in again.err
    told = painpoints("run", "--workspace", tmp_path / "new")
    assert told.code == 1
    assert "no file matches" in told.err


def test_list_is_readable_and_its_json_has_the_contract_s_columns(shop: Path, painpoints: Painpoints) -> None:
    text = painpoints("list", "--workspace", shop).out
    assert "visit to cart for mobile converts" in text
    assert "owner: Marketing" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    (row, *_) = json.loads(painpoints("list", "--workspace", shop, "--json").out)
    assert row["segment"] == "device=mobile"
    assert row["started_on"] == "2026-02-09"
    assert row["status"] in ("ongoing", "worsening")
    assert 0 <= row["observed"] < row["expected"] <= 1
    assert row["lost_low"] < row["lost_conversions"] < row["lost_high"]
    assert isinstance(json.loads(row["evidence"]), dict)


def printed_counts(shop: Path, text: str) -> list[tuple[int, ...]]:
    """What the query of the counts returns, copied from the terminal."""
    _, printed = text.split("SQL of the counts, on painpoints.duckdb:\n")
    query, _ = printed.split("\nSQL of all who were lost:", 1)
    with duckdb.connect(str(shop / "painpoints.duckdb"), read_only=True) as db:
        return db.execute(query).fetchall()


def test_explain_counts_again_and_names_people_it_happened_to(shop: Path, painpoints: Painpoints) -> None:
    (row, *_) = json.loads(painpoints("list", "--workspace", shop, "--json").out)
    told = json.loads(painpoints("explain", row["pain_point_id"], "--workspace", shop, "--json").out)
    assert told["attempts"] == row["attempts"]
    assert told["successes"] == round(row["observed"] * row["attempts"])
    assert told["users"]
    with duckdb.connect(str(shop / "painpoints.duckdb"), read_only=True) as db:
        for user in told["users"]:
            paths = db.execute(
                "select path, device, outcome from marts.attempts where user_key = ?", [user]
            ).fetchall()
            assert paths == [("visit", "mobile", "abandoned")]
    text = painpoints("explain", row["pain_point_id"][:6], "--workspace", shop).out
    for word in ("counts", "cost", "owner", "Marketing"):
        assert word in text
    assert printed_counts(shop, text) == [(told["attempts"], told["successes"])]
    unknown = painpoints("explain", "pp-nothing", "--workspace", shop)
    assert (unknown.code, unknown.out) == (1, "")
    assert row["pain_point_id"] in unknown.err


def test_export_writes_one_file_and_refuses_to_overwrite(
    shop: Path, painpoints: Painpoints, tmp_path: Path
) -> None:
    target = tmp_path / "one.duckdb"
    told = json.loads(painpoints("export", "--single-file", target, "--workspace", shop, "--json").out)
    with duckdb.connect(str(target), read_only=True) as db:
        for table, rows in told["rows"].items():
            assert db.execute(f"select count(*) from marts.{table}").fetchall() == [(rows,)]
    again = painpoints("export", "--single-file", target, "--workspace", shop)
    assert again.code == 1
    assert "exists" in again.err


def test_export_writes_read_only_parquet_of_one_night(
    shop: Path, painpoints: Painpoints, tmp_path: Path
) -> None:
    target = tmp_path / "share" / "2026-02-23"
    told = json.loads(painpoints("export", "--parquet", target, "--workspace", shop, "--json").out)
    tables = {each["table"]: each for each in json.loads((target / "tables.json").read_text("utf-8"))}
    assert {name: each["rows"] for name, each in tables.items()} == told["rows"]
    assert {f"marts.{name}" for name in tables} == {model.name for model in read_models("marts")}
    assert {path.name for path in target.iterdir()} == {
        "tables.json",
        *(f"{name}.parquet" for name in tables),
    }
    with duckdb.connect(str(shop / "painpoints.duckdb"), read_only=True) as db:
        for name, each in tables.items():
            path = target / each["file"]
            assert not path.stat().st_mode & 0o222
            there = pq.read_table(path)
            assert there.num_rows == db.execute(f"select count(*) from marts.{name}").fetchall()[0][0]
            assert there.column_names == [column["column"] for column in each["columns"]]
            assert each["comment"]
            assert all(column["comment"] for column in each["columns"])
        same = db.execute(
            "select count(*) from (select * from marts.attempts except all "
            f"select * from read_parquet('{target / 'attempts.parquet'}'))"
        )
        assert same.fetchall() == [(0,)]
    again = painpoints("export", "--parquet", target, "--workspace", shop)
    assert again.code == 1
    assert "exists" in again.err
    assert painpoints("export", "--workspace", shop).code == 2


def test_doctor_says_what_to_do_and_ends_with_1_only_for_problems(shop: Path, painpoints: Painpoints) -> None:
    assert painpoints("doctor", "--workspace", shop).code == 0
    journey = shop / "journeys" / "shop.yaml"
    text = journey.read_text("utf-8")
    try:
        journey.write_text(text.replace("[{event: buy}]", "[{event: by}, {event: cart}]"), "utf-8")
        done = painpoints("doctor", "--workspace", shop, "--json")
        whats = [each["what"] for each in json.loads(done.out)]
        assert any("rule 1 of stage 'buy' matches no event (near: buy)" in what for what in whats)
        assert any("match both 'cart' and 'buy'" in what for what in whats)
        assert any("no stage claims: buy" in what for what in whats)
        journey.write_text(text.replace("[{event: buy}]", "[{event: by}]"), "utf-8")
        assert painpoints("doctor", "--workspace", shop).code == 1
    finally:
        journey.write_text(text, "utf-8")


def test_a_second_run_at_once_says_so_and_leaves(shop: Path, painpoints: Painpoints) -> None:
    before = (shop / "painpoints.duckdb").read_bytes()
    with (shop / ".painpoints.lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = painpoints("run", "--workspace", shop)
    assert done.code == 1
    assert "another run is at work" in done.err
    assert (shop / "painpoints.duckdb").read_bytes() == before


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in ("demo", "init", "explain", "export")])
def test_every_command_on_a_folder_that_is_no_workspace(
    tmp_path: Path, painpoints: Painpoints, command: str
) -> None:
    done = painpoints(command, "--workspace", tmp_path)
    assert done.code == 1
    assert "no workspace" in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    "arguments", [["frobnicate"], ["explain"], ["run", "--from", "tomorrow"], ["export"]]
)
def test_wrong_usage_ends_with_2(painpoints: Painpoints, arguments: list[str]) -> None:
    assert painpoints(*arguments).code == 2


def test_steps_one_by_one_do_what_run_does(tmp_path: Path, painpoints: Painpoints) -> None:
    folder = make_workspace(tmp_path / "w")
    for step in ("pull", "build", "detect", "report"):
        done = painpoints(step, "--workspace", folder, "--json")
        assert done.code == 0, done.err
        json.loads(done.out)
    assert (folder / "reports" / "journey-map.html").exists()
    early = make_workspace(tmp_path / "early")
    for step, word in (("build", "pull"), ("detect", "build"), ("report", "run"), ("list", "run")):
        done = painpoints(step, "--workspace", early)
        assert done.code == 1
        assert f"painpoints {word}" in done.err


def test_the_installed_command_ends_as_the_tests_above_say(tmp_path: Path) -> None:
    """The other tests call the command in this process; here it is a process of its own."""
    command = Path(sys.executable).with_name("painpoints")
    done = subprocess.run(
        [command, "list", "--workspace", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {tmp_path}: this is no workspace")


def test_the_demo_refuses_a_folder_that_is_something_else(tmp_path: Path, painpoints: Painpoints) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = painpoints("demo", tmp_path)
    assert done.code == 1
    assert (tmp_path / "thesis.txt").exists()
