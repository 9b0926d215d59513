"""What the README shows works: its config, its journey, its queries, and the commands it lists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from conftest import run_steps
from typer.main import get_command

from models.journey_file import parse_journey
from pipelines.cli import app
from pipelines.settings import parse_settings

README = (Path(__file__).parent.parent / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_every_command_is_documented_and_every_documented_one_exists() -> None:
    commands = set(getattr(get_command(app), "commands"))  # noqa: B009 - typer hides click's type
    listed = README[README.index("## Commands") :]
    for command in commands:
        assert re.search(rf"`(painpoints )?{command}[ `]", listed), command
    assert set(re.findall(r"`painpoints ([a-z]+)", README)) <= commands


def test_the_config_is_read() -> None:
    files, live, sample, till = (parse_settings(tomllib.loads(text)) for text in blocks("toml"))
    assert list(files.sources) == ["ga4", "mixpanel", "hotjar", "crm"]
    assert [each.vendor_account() for each in live.sources.values()] == [
        "ga4-123456789",
        "mixpanel-123456",
        "hotjar-1234567",
    ]
    assert till.sources["till"].vendor_account() is None
    assert sample.sources["ga4"].vendor_account() == "ga4-ga4_obfuscated_sample_ecommerce"


def test_the_journey_is_read() -> None:
    (text,) = blocks("yaml")
    journey = parse_journey(text)
    assert [stage.name for stage in journey.required_stages_of("new_mobile")] == [
        "discover",
        "consider",
        "buy",
    ]


@pytest.mark.parametrize("query", [line for line in "".join(blocks("sql")).splitlines() if line])
def test_the_queries_run_on_the_published_file(crm_workspace: Path, query: str) -> None:
    with run_steps(crm_workspace) as db:
        rows = db.execute(query).fetchall()
        assert rows or "pain_points" in query
