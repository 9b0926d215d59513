"""What commands print: readable at 80 columns, colour only where a person looks, JSON as documented."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from datetime import date, timedelta
from pathlib import Path

import duckdb
import hypothesis.strategies as st
import jsonschema
import pytest
from conftest import Painpoints, make_workspace
from hypothesis import given
from rich.console import Console

from pipelines.rule_review import Remark
from pipelines.show_lines import text_line
from pipelines.show_sql import narrow_sql

SCHEMAS = Path(__file__).parent.parent / "pipelines" / "templates" / "schemas"
ESCAPE = "\x1b["


def stalling_lines() -> list[str]:
    """40 days of a shop whose mobile visitors stop filling carts on day 30."""
    lines = []
    for day in range(40):
        at = date(2026, 1, 5) + timedelta(days=day)
        for number in range(80):
            who, device = f"u{day}-{number}", ("mobile" if number % 2 else "desktop")
            lines.append(f"{at} 10:{number % 60:02d}:00,visit,{who},{device},")
            if number % 10 < (2 if device == "mobile" and day >= 30 else 7):
                lines.append(f"{at} 11:{number % 60:02d}:00,cart,{who},{device},")
                if number % 3:
                    lines.append(f"{at} 11:{number % 60:02d}:30,buy,{who},{device},25")
    return lines


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, painpoints: Painpoints) -> Path:
    folder = make_workspace(tmp_path_factory.mktemp("terminal") / "shop", lines=stalling_lines())
    config = folder / "painpoints.toml"
    config.write_text(config.read_text("utf-8") + "\n[detection]\nreplay_nights = 3\n", "utf-8")
    done = painpoints("run", "--workspace", folder)
    assert done.code == 0, done.err
    return folder


def first_id(shop: Path, painpoints: Painpoints) -> str:
    (row, *_) = json.loads(painpoints("list", "--workspace", shop, "--json").out)
    return str(row["pain_point_id"])


COMMANDS = {
    "list": ["list"],
    "doctor": ["doctor"],
    "funnel": ["funnel", "--steps", "visit,cart,buy", "--trend", "--histogram"],
    "funnel by device": ["funnel", "--steps", "visit,cart,buy", "--by", "device"],
    "funnel users": ["funnel", "--steps", "visit,cart,buy", "--users", "cart", "--dropped"],
    "what-if": ["what-if"],
    "explain": ["explain", "ID"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_no_line_is_wider_than_80_columns_or_ends_in_blanks(
    shop: Path, painpoints: Painpoints, name: str
) -> None:
    command = [first_id(shop, painpoints) if each == "ID" else each for each in COMMANDS[name]]
    done = painpoints(*command, "--workspace", shop)
    assert done.code == 0, done.err
    assert ESCAPE not in done.out
    sql = "SQL of the counts" in done.out
    lines = [line.replace(str(shop), "WORKSPACE") for line in done.out.splitlines()]
    assert [line for line in lines if len(line) > 80] == []
    if not name.startswith("funnel"):  # the last column of a table is padded
        assert [line for line in lines if line != line.rstrip()] == []
    assert sql == (name == "explain")
    if name not in ("doctor", "funnel users"):
        assert done.out.endswith("\ndata as of 2026-02-13\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_json_is_what_its_schema_says(shop: Path, painpoints: Painpoints, name: str) -> None:
    command = [first_id(shop, painpoints) if each == "ID" else each for each in COMMANDS[name]]
    done = painpoints(*command, "--workspace", shop, "--json")
    schema = schema_of(name.split()[0])
    jsonschema.validate(json.loads(done.out), schema, format_checker=jsonschema.FormatChecker())


def test_run_and_export_give_the_json_their_schema_says(
    shop: Path, painpoints: Painpoints, tmp_path: Path
) -> None:
    ran = painpoints("run", "--workspace", shop, "--json")
    jsonschema.validate(json.loads(ran.out), schema_of("run"))
    wrote = painpoints("export", "--single-file", tmp_path / "a.duckdb", "--workspace", shop, "--json")
    jsonschema.validate(json.loads(wrote.out), schema_of("export"))


def test_a_schema_refuses_output_that_lost_a_key(shop: Path, painpoints: Painpoints) -> None:
    rows = json.loads(painpoints("list", "--workspace", shop, "--json").out)
    del rows[0]["lost_low"]
    with pytest.raises(jsonschema.ValidationError, match="lost_low"):
        jsonschema.validate(rows, schema_of("list"))


def test_every_column_of_the_published_pain_points_is_in_the_schema(shop: Path) -> None:
    with duckdb.connect(str(shop / "painpoints.duckdb"), read_only=True) as db:
        columns = {row[0] for row in db.execute("describe marts.pain_points").fetchall()}
    assert set(schema_of("list")["items"]["properties"]) == columns


def schema_of(command: str) -> dict[str, dict[str, dict[str, object]]]:
    schema: dict[str, dict[str, dict[str, object]]] = json.loads((SCHEMAS / f"{command}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


def on_a_terminal(arguments: list[str], **environment: str) -> str:
    """What the installed command prints on a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    hidden = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM")
    inherited = {name: value for name, value in os.environ.items() if name not in hidden}
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", *arguments],
        stdout=theirs,
        stderr=theirs,
        env=inherited | {"TERM": "xterm-256color"} | environment,
    )
    os.close(theirs)
    out = b""
    try:
        while chunk := os.read(ours, 65536):
            out += chunk
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    assert process.wait() == 0, out
    return out.decode()


def test_colour_is_for_terminals_and_no_color_is_respected(shop: Path) -> None:
    command = ["list", "--workspace", str(shop)]
    coloured = on_a_terminal(command)
    assert re.search(r"\x1b\[[0-9;]*3\dm", coloured)
    plain = on_a_terminal(command, NO_COLOR="1")
    assert not re.search(r"\x1b\[[0-9;]*[34]\dm", plain)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == re.sub(r"\x1b\[[0-9;]*m", "", plain)


def test_json_on_a_terminal_has_no_colour(shop: Path) -> None:
    out = on_a_terminal(["list", "--json", "--workspace", str(shop)])
    assert ESCAPE not in out
    json.loads(out)


def test_text_is_never_markup_and_wide_letters_take_two_columns() -> None:
    buffer = io.StringIO()
    console = Console(file=buffer, width=40)
    text_line(console, "[bold]name[/bold] [/] " + "漢字" * 20, 4, first="note")
    lines = buffer.getvalue().splitlines()
    assert lines[0].startswith("note[bold]name[/bold] [/]")
    assert "".join(lines).count("漢字") == 20
    assert all(len(line) + sum(letter in "漢字" for letter in line) <= 40 for line in lines)


def test_the_doctor_hangs_long_lines_under_their_first_word(capsys: pytest.CaptureFixture[str]) -> None:
    from pipelines import show

    show.remarks([Remark("problem", "a.yaml, line 3", "correct " * 30)])
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith("problem  a.yaml, line 3: correct")
    assert len(others) >= 2
    assert all(line.startswith(" " * 9 + "correct") for line in others)


QUOTED = st.text("ab '\"\n%;-", max_size=30)


@given(st.lists(QUOTED, min_size=1, max_size=6), st.lists(QUOTED, min_size=1, max_size=6))
def test_sql_broken_for_the_terminal_returns_what_it_returned(values: list[str], names: list[str]) -> None:
    quoted = [f'"x{name.replace(chr(34), chr(34) * 2)}{number}"' for number, name in enumerate(names)]
    literals = ["'" + value.replace("'", "''") + "'" for value in values]
    sql = (
        "SELECT\n  "
        + " || ".join(literals)
        + " AS whole\nFROM (SELECT "
        + ", ".join(f"{number} AS {name}" for number, name in enumerate(quoted))
        + ")\nWHERE "
        + " AND ".join(f"{name} >= 0" for name in quoted)
    )
    narrow = narrow_sql(sql, 40)
    with duckdb.connect() as db:
        assert db.execute(narrow).fetchall() == db.execute(sql).fetchall() == [("".join(values),)]


def test_sql_is_broken_at_the_width_and_keeps_its_indentation() -> None:
    sql = "WHERE\n  day BETWEEN CAST('2026-04-30' AS DATE) AND CAST('2026-05-27' AS DATE)"
    assert narrow_sql(sql, 50) == (
        "WHERE\n  day BETWEEN CAST('2026-04-30' AS DATE) AND\n      CAST('2026-05-27' AS DATE)"
    )
