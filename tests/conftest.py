"""Fixtures that several test files share: workspaces, and running a command as a person types it."""

from __future__ import annotations

import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import duckdb
import hypothesis
import pytest
from memory_folder import MEMORY, drop, memory_folder

from pipelines import steps
from pipelines.cli import main
from pipelines.workspace import open_workspace

# Prefect decides about telemetry when it is imported.
os.environ["DO_NOT_TRACK"] = "1"

hypothesis.settings.register_profile("fixed", derandomize=True, deadline=None)
hypothesis.settings.load_profile("fixed")

# Minutes long, or most of one fixture: begun first, so that no worker ends alone with one of them.
LONG = ("demo", "nightly", "real_ga4_data", "funnel", "nights", "forget", "journey_oracle", "sources")


def pytest_configure(config: pytest.Config) -> None:
    """Of the process that the workers are of, or of the only one."""
    # files in the order of the collection below, rather than by how many tests they hold
    config.option.loadscopereorder = False
    if hasattr(config, "workerinput") or config.option.basetemp or "PYTEST_DEBUG_TEMPROOT" in os.environ:
        return
    folder = memory_folder()
    if folder is not None:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)
        config.add_cleanup(lambda: drop(folder))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {f"test_{name}.py": place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(LONG)))  # stable: shuffled otherwise


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


Painpoints = Callable[..., Outcome]


@pytest.fixture(scope="session")
def painpoints() -> Painpoints:
    """Runs ``painpoints ARGS...`` as the installed command does, in this process to save its start."""

    def run(*arguments: str | Path) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        code: object = 0
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            patch.setattr(sys, "argv", ["painpoints", *map(str, arguments)])
            patch.setenv("COLUMNS", "80")
            patch.setenv("NO_COLOR", "1")
            try:
                main()
            except SystemExit as ended:
                code = ended.code or 0
        assert isinstance(code, int)
        return Outcome(code, out.getvalue(), err.getvalue())

    return run


@pytest.fixture
def tmp_path(tmp_path: Path) -> Iterator[Path]:
    """A test's own folder, gone with the test where it lies in memory."""
    yield tmp_path
    if tmp_path.is_relative_to(MEMORY):
        drop(tmp_path)


SHOP_JOURNEY = """\
journey: shop
window: 2d
stages:
  - name: visit
    match: [{event: visit}]
    owner: Marketing
  - name: cart
    match: [{event: cart}]
    owner: Product
    ideal: {conversion: 0.5}
  - name: buy
    match: [{event: buy}]
    owner: Payments
    ideal: {conversion: 0.5}
segments: [device]
"""

CRM_CONFIG = """\
timezone = "Europe/Madrid"
currency = "EUR"

[sources.crm]
kind = "table"
files = "exports/crm*.csv"
columns = {event_at = "when", event_name = "what", user_id = "who", device = "device", value = "amount"}
revenue_events = ["buy"]
"""

CRM_HEADER = "when,what,who,device,amount"


def crm_lines(days: int = 12, visitors_a_day: int = 30) -> list[str]:
    """A small shop's log from 1 March 2026 on: every third visitor fills a cart, every sixth buys."""
    lines = []
    for day in range(days):
        for number in range(visitors_a_day):
            who = f"u{day}-{number}"
            device = "mobile" if number % 2 else "desktop"
            lines.append(f"2026-03-{day + 1:02d} 10:{number % 60:02d}:00,visit,{who},{device},")
            if number % 3 == 0:
                lines.append(f"2026-03-{day + 1:02d} 11:{number % 60:02d}:00,cart,{who},{device},")
            if number % 6 == 0:
                lines.append(f"2026-03-{day + 1:02d} 11:{number % 60:02d}:30,buy,{who},{device},20.5")
    return lines


def make_workspace(
    folder: Path,
    *,
    config: str = CRM_CONFIG,
    journey: str = SHOP_JOURNEY,
    lines: Sequence[str] | None = None,
) -> Path:
    """A small workspace over one CSV of a table source."""
    (folder / "journeys").mkdir(parents=True)
    (folder / "exports").mkdir()
    (folder / "painpoints.toml").write_text(config, "utf-8")
    (folder / "journeys" / "shop.yaml").write_text(journey, "utf-8")
    rows = crm_lines() if lines is None else lines
    (folder / "exports" / "crm.csv").write_text("\n".join([CRM_HEADER, *rows]) + "\n", "utf-8")
    return folder


def run_steps(folder: Path) -> duckdb.DuckDBPyConnection:
    """Pull, build and detect in this process; returns the published file."""
    workspace = open_workspace(folder)
    steps.pull(workspace)
    steps.build(workspace, publishes=False)
    steps.detect(workspace)
    return duckdb.connect(str(workspace.published), read_only=True)


def build_steps(folder: Path) -> duckdb.DuckDBPyConnection:
    """Pull and build in this process, where nothing is asked of findings; returns the published file."""
    workspace = open_workspace(folder)
    steps.pull(workspace)
    steps.build(workspace)
    return duckdb.connect(str(workspace.published), read_only=True)


@pytest.fixture
def crm_workspace(tmp_path: Path) -> Path:
    return make_workspace(tmp_path / "shop")


@pytest.fixture(scope="session")
def crm_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small workspace after a night, made once and only to be copied."""
    folder = make_workspace(tmp_path_factory.mktemp("crm-night") / "shop")
    run_steps(folder).close()
    return folder


@pytest.fixture
def published_workspace(crm_night: Path, tmp_path: Path) -> Path:
    """The small workspace after a night, a copy that a test may ruin."""
    return shutil.copytree(crm_night, tmp_path / "shop")
