"""Every notebook runs on a published file, as a person would run it, and shows what its text promises."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from string import Template
from typing import Any
from xml.etree import ElementTree

import nbformat
import pytest
from nbclient import NotebookClient

from connectors.shop import DEMO_IDEALS, generate_shop
from models.journey_file import parse_journey
from pipelines import steps
from pipelines.explore import pain_points
from pipelines.scaffold import TEMPLATES
from pipelines.workspace import open_workspace

pytestmark = pytest.mark.slow

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


@pytest.fixture(scope="module")
def small_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's shop with fewer people and days, and only its last night judged."""
    folder = tmp_path_factory.mktemp("notebooks") / "demo"
    (folder / "journeys").mkdir(parents=True)
    generate_shop(folder, seed=7, days=42, users=4_000, last_day=date(2026, 5, 31))
    config = (TEMPLATES / "demo_painpoints.toml").read_text("utf-8")
    (folder / "painpoints.toml").write_text(config + "\n[detection]\nreplay_nights = 1\n", "utf-8")
    for journey, ideals in DEMO_IDEALS.items():
        text = Template((TEMPLATES / f"demo_{journey}.yaml").read_text("utf-8")).substitute(ideals)
        (folder / "journeys" / f"{journey}.yaml").write_text(text, "utf-8")
    workspace = open_workspace(folder)
    steps.pull(workspace)
    steps.build(workspace, publishes=False)
    steps.detect(workspace)
    return folder


@pytest.fixture(scope="module")
def shown(small_demo: Path) -> dict[str, str]:
    """What each notebook printed and displayed, by its name, filled as the tests ask."""
    return {}


@pytest.fixture
def outputs(small_demo: Path, shown: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(name: str) -> str:
        if name not in shown:
            monkeypatch.setenv("PAINPOINTS_WORKSPACE", str(small_demo))
            notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
            place = {"metadata": {"path": str(NOTEBOOKS)}}
            NotebookClient(notebook, timeout=120, coalesce_streams=True, resources=place).execute()
            parts = [output for cell in notebook.cells for output in cell.get("outputs", [])]
            texts = [each.get("text") or each.get("data", {}).get("text/plain", "") for each in parts]
            shown[name] = "\n".join(texts)
        return shown[name]

    return run


@pytest.mark.parametrize("name", NAMES)
def test_notebooks_are_kept_without_outputs(name: str) -> None:
    notebook = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text("utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@pytest.mark.parametrize("name", NAMES)
def test_notebooks_import_nothing_of_the_program_but_explore(name: str) -> None:
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    imported = re.findall(r"^\s*(?:from|import) ((?:pipelines|models|connectors)[\w.]*)", code, re.MULTILINE)
    assert set(imported) == {"pipelines.explore"}
    assert not re.search(r"\b(staging|intermediate|lake|config|state)\.\w+", code), "only published tables"


def test_the_tour_shows_tonights_pain_points(small_demo: Path, outputs: Any) -> None:
    (small_demo / "reports").mkdir(exist_ok=True)
    (small_demo / "reports" / "journey-map.html").touch()
    text = outputs("tour")
    for identity in pain_points(small_demo)["pain_point_id"]:
        assert identity in text


def test_a_visitor_is_followed_who_was_lost_at_the_costliest_stage(small_demo: Path, outputs: Any) -> None:
    text = outputs("follow_a_visitor")
    first = pain_points(small_demo).iloc[0]
    assert f"{first['stage']} to {first['next_stage']}, where {first['segment_filter']}" in text
    assert "page_view" in text
    assert "last_stage" in text


def test_a_funnel_is_reviewed_by_device_and_by_rule(outputs: Any) -> None:
    text = outputs("funnel_review")
    for word in ("may still go on", "mobile", "Organic Search", "minutes", "as Mixpanel", "within"):
        assert word in text


def test_two_periods_of_equal_length_are_compared_and_the_parts_add_up(outputs: Any) -> None:
    text = outputs("compare_periods")
    found = re.search(r": (\S+) to (\S+), then (\S+) to (\S+) \(data", text)
    assert found
    first, last, later, latest = (date.fromisoformat(day) for day in found.groups())
    assert last - first == latest - later
    assert (later - last).days == 1
    found = re.search(r"whole change (\S+) = rate (\S+) \+ mix (\S+)", text)
    assert found
    whole, by_rate, by_mix = (float(number) for number in found.groups())
    assert whole == pytest.approx(by_rate + by_mix, abs=2e-4)


def test_a_finding_is_made_again_by_hand(small_demo: Path, outputs: Any) -> None:
    text = outputs("check_a_finding")
    first = pain_points(small_demo).iloc[0]
    assert first["headline"] in text
    assert f"of {first['attempts']:,}: {first['observed']:.1%}" in text
    found = re.search(
        r"goal: ([\d,]+) conversions\s+the finding says ([\d,]+) \(([\d,]+) to ([\d,]+)\)", text
    )
    assert found
    by_hand, said, low, high = (int(number.replace(",", "")) for number in found.groups())
    assert low <= said <= high
    assert low <= by_hand <= high


def test_a_journey_is_built_that_the_program_reads(outputs: Any) -> None:
    text = outputs("journey_from_paths")
    found = re.search(r"# Proposed .*?segments: \[device, channel\]\n", text, re.DOTALL)
    assert found
    journey = parse_journey(found[0])
    names = [stage.name for stage in journey.required_stages_of("default")]
    assert names[0] == "view_item"
    assert names[-1] == "purchase"
    assert names.index("add_to_cart") < names.index("begin_checkout")
    assert all(0 < (stage.ideal.conversion or 1) <= 1 for stage in journey.stages)


def test_a_picture_of_the_journey_is_drawn_that_is_no_bigger_than_a_slide_needs(
    outputs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICTURE", str(tmp_path / "journey.svg"))
    outputs("picture_of_a_journey")
    drawn = (tmp_path / "journey.svg").read_text("utf-8")
    kept = (NOTEBOOKS / "journey.svg").read_text("utf-8")
    for svg in (drawn, kept):
        words = [
            element.text for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")
        ]
        for stages in ("discover to consider", "cart to checkout", "pay to buy"):
            assert stages in words
        assert "purchase: of those who reach a stage, who comes to the next" in words
        assert len(svg) < 20_000
