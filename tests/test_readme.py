"""What the README shows works: its config, its journey, its queries, its commands, in their order."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest
from conftest import Painpoints
from pydantic import BaseModel
from typer.main import get_command

from connectors.shop import generate_shop
from models.journey_file import parse_journey
from pipelines import alerts_settings, calendar_settings, settings, source_settings
from pipelines.cli import app
from pipelines.settings import parse_settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
ID = "pp-283119353b"  # the README's example of an id


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands_of(block: str) -> list[list[str]]:
    return [words for line in block.splitlines() if (words := shlex.split(line, comments=True))]


SETTING_UP = ("make", "python3", ".venv/bin/pip", ".venv/bin/pytest", "git", ".venv/bin/painpoints")


def is_setting_up(block: str) -> bool:
    """Whether a block makes the environment that the tests already run in."""
    return commands_of(block)[0][0] in SETTING_UP


USING = [block for block in blocks("sh") if not is_setting_up(block)]
QUERIES = [line for line in "".join(blocks("sql")).splitlines() if line]


def test_no_block_is_of_a_kind_that_the_tests_do_not_know() -> None:
    fences = re.findall(r"^```(.*)$", README, re.MULTILINE)
    assert set(fences[::2]) <= {"sh", "toml", "yaml", "sql", "python", "text"}
    assert set(fences[1::2]) == {""}


def test_every_command_is_documented_and_every_documented_one_exists() -> None:
    commands = set(getattr(get_command(app), "commands"))  # noqa: B009 - typer hides click's type
    listed = README[README.index("## Commands") :]
    for command in commands:
        assert re.search(rf"`(painpoints )?{command}[ `]", listed), command
    assert set(re.findall(r"`painpoints ([a-z-]+)", README)) <= commands


def test_every_option_of_a_documented_command_exists() -> None:
    commands = getattr(get_command(app), "commands")  # noqa: B009
    lines = [" ".join(words) for block in blocks("sh") for words in commands_of(block)]
    for text in [*re.findall(r"`(painpoints [^`]*)`", README), *lines]:
        found = re.match(r"(?:.venv/bin/)?painpoints ([a-z-]+)", text)
        if found:
            known = {name for each in commands[found[1]].params for name in each.opts}
            assert set(re.findall(r"(?<=[ \[])--[a-z-]+", text)) <= known | {"--help"}, text


def test_setting_up_is_what_make_does() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for shown, written in {
        "$(BIN)": ".venv/bin",
        "$(PYTHON)": "python3",
        " --quiet --disable-pip-version-check": "",
    }.items():
        makefile = makefile.replace(shown, written)
    done = [line.strip() for line in makefile.splitlines()]
    for block in (each for each in blocks("sh") if is_setting_up(each)):
        for line in (line.partition(" #")[0].strip() for line in block.splitlines()):
            if line.startswith("make "):
                assert re.search(rf"^{line.split()[1]}:", makefile, re.MULTILINE), line
            elif line.startswith((".venv/bin/pip", ".venv/bin/pytest", "python3")):
                assert line in done


def test_the_cron_line_calls_a_command_that_exists() -> None:
    (line,) = [line for block in blocks("text") for line in block.splitlines()]
    found = re.fullmatch(r"30 4 \* \* \*  cd \S+ && (\S+)/painpoints (\w+) >> \S+ 2>&1", line)
    assert found
    assert found[2] in getattr(get_command(app), "commands")  # noqa: B009


def test_the_config_is_read() -> None:
    *whole, added = blocks("toml")
    files, live, sample, till = (parse_settings(tomllib.loads(text)) for text in whole)
    alerts = parse_settings(tomllib.loads(whole[0] + added)).alerts
    assert list(files.sources) == ["ga4", "mixpanel", "hotjar", "crm"]
    assert [each.vendor_account() for each in live.sources.values()] == [
        "ga4-123456789",
        "mixpanel-123456",
        "hotjar-1234567",
    ]
    assert till.sources["till"].vendor_account() is None
    assert sample.sources["ga4"].vendor_account() == "ga4-ga4_obfuscated_sample_ecommerce"
    assert alerts.hear_of_tracking() == {"analytics", "boss"}
    assert alerts.receivers["payments"].owners == ("Payments",)


def test_every_key_of_the_config_is_documented() -> None:
    kinds = [
        each
        for module in (settings, source_settings, alerts_settings, calendar_settings)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, BaseModel) and each.__module__ == module.__name__
    ]
    keys = {field.alias or name for kind in kinds for name, field in kind.model_fields.items()}
    assert {"inactivity", "look_back", "replay_nights"} <= keys
    assert {key for key in keys if not re.search(rf"\b{key}\b", README)} == set()


def test_the_journey_is_read() -> None:
    (text,) = blocks("yaml")
    journey = parse_journey(text)
    assert [stage.name for stage in journey.required_stages_of("new_mobile")] == [
        "discover",
        "consider",
        "buy",
    ]


def test_links_inside_the_readme_lead_somewhere() -> None:
    titles = re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(#([^)]*)\)", README):
        assert target in anchors
    for target in re.findall(r"\]\((?!#|https?:)([^)]*)\)", README):
        assert (ROOT / target).exists(), target
    for name in re.findall(r"`((?:pipelines|notebooks|sql|tests)/[\w./]+)`", README):
        assert (ROOT / name).exists(), name


def test_what_the_troubleshooting_quotes_is_what_the_program_says() -> None:
    said = "".join(
        path.read_text("utf-8") for room in ("pipelines", "connectors") for path in (ROOT / room).glob("*.py")
    )
    table = README[README.index("| you see |") :]
    quoted = re.findall(r"^\| `([^`]*)` \|", table, re.MULTILINE)
    assert len(quoted) >= 5
    for words in quoted:
        assert words in said, words


@pytest.fixture(scope="module")
def new_user(tmp_path_factory: pytest.TempPathFactory, painpoints: Painpoints) -> Iterator[Path]:
    """A folder in which the README was followed, with the GA4 export of a small shop; its workspace."""
    home = tmp_path_factory.mktemp("new-user")
    generate_shop(home / "made", seed=7, days=42, users=4_000, last_day=date(2026, 5, 31))
    (home / "made" / "exports" / "ga4").rename(home / "my-ga4-export")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for block in USING:
            follow(block, painpoints, patch)
        yield home / "my-shop"


def follow(block: str, painpoints: Painpoints, patch: pytest.MonkeyPatch) -> None:
    for words in commands_of(block):
        if words[0] == "cd":
            patch.chdir(words[1])
            continue
        if words[0] != "painpoints":
            subprocess.run(shlex.join(words).replace("'", ""), shell=True, check=True, cwd=Path.cwd())
            continue
        if words[1] == "run":
            # so that a test has one night to judge instead of 45
            with Path("painpoints.toml").open("a") as config:
                config.write("\n[detection]\nreplay_nights = 1\n")
        if ID in words:
            rows = json.loads(painpoints("list", "--json").out)
            assert rows, "the shop has a pain point against the template's ideals"
            words = [rows[0]["pain_point_id"] if word == ID else word for word in words]
        done = painpoints(*words[1:])
        assert done.code == 0, (words, done.out, done.err)
        assert done.out.strip()


def test_following_the_readme_ends_in_findings_a_journey_map_and_an_export(new_user: Path) -> None:
    assert (new_user / "reports" / "journey-map.html").stat().st_size > 10_000
    assert (new_user / "share" / "2026-05-31" / "attempts.parquet").exists()
    drafted = (new_user / "found.yaml").read_text("utf-8")
    assert len(parse_journey(drafted).stages) >= 3
    assert "event: purchase" in drafted


@pytest.mark.parametrize("query", QUERIES)
def test_the_queries_run_on_the_published_file_and_find_something(new_user: Path, query: str) -> None:
    with duckdb.connect(str(new_user / "painpoints.duckdb"), read_only=True) as db:
        assert db.execute(query).fetchall()


@pytest.mark.parametrize("query", QUERIES)
def test_the_queries_run_on_the_parquet_export_as_well(new_user: Path, query: str) -> None:
    if "duckdb_" in query:
        pytest.skip("asks the catalogue")
    with duckdb.connect() as db:
        db.execute("create schema marts")
        for path in (new_user / "share" / "2026-05-31").glob("*.parquet"):
            db.execute(f"create view marts.{path.stem} as select * from read_parquet('{path}')")
        assert db.execute(query).fetchall()


def test_the_python_of_the_readme_runs(new_user: Path) -> None:
    (code,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=new_user.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "'mobile': 0." in done.stdout
