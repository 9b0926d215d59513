"""The report: its numbers are those of the tables, counted another way; pictures lie beside it."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import pairwise, product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import duckdb
import pytest
from report_world import (
    LONG,
    MATURED,
    NIGHT,
    QUOTES,
    SCRIPT,
    STAGE,
    loud_workspace,
    make_workspace,
    pain_point,
    several_points,
)
from scipy import stats

from pipelines.explore import connect
from pipelines.report import write_report
from pipelines.report_data import read_report
from pipelines.report_sankey import sankey_svg
from pipelines.report_views import Flow, FlowNode, JourneyMap, Move, Rate, Report
from pipelines.report_words import payload
from pipelines.what_if import journey_gains
from pipelines.workspace import Workspace


def read(workspace: Workspace) -> Report:
    with connect(workspace.root) as connection:
        return read_report(connection, workspace.journeys, "EUR")


def ask(workspace: Workspace, query: str, *values: Any) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(workspace.published), read_only=True) as connection:
        return connection.execute(query, list(values)).fetchall()


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return loud_workspace(tmp_path_factory.mktemp("loud"))


@pytest.fixture(scope="module")
def loud_page(loud: Workspace) -> Path:
    return write_report(loud)


@pytest.fixture(scope="module")
def shop_map(loud: Workspace) -> JourneyMap:
    return next(each for each in read(loud).maps if each.journey.name == QUOTES)


def test_the_map_shows_the_numbers_of_the_tables(loud: Workspace, shop_map: JourneyMap) -> None:
    counted = ask(
        loud,
        "select next_stage, sum(matured_advanced)::int, sum(matured)::int from marts.stage_funnel "
        "where journey = ? and next_stage is not null and entry_date between ? and ? group by next_stage",
        QUOTES, *MATURED,
    )  # fmt: skip
    reached = dict(ask(
        loud,
        "select stage, sum(matured)::int from marts.stage_funnel where journey = ? and entry_date "
        "between ? and ? group by stage", QUOTES, *MATURED,
    ))  # fmt: skip
    wished = ask(
        loud,
        "select count(distinct attempt_id) from marts.attempts inner join marts.stage_visits "
        "using (journey, attempt_id) where stage = 'wish' and entry_date between ? and ?", *MATURED,
    )[0][0]  # fmt: skip
    map_ = shop_map
    columns = {each.stage.name: each for each in map_.columns}
    assert map_.attempts == reached["visit"] == 28 * 60
    assert {name: columns[name].reached for name in reached} == reached
    assert wished > 50
    assert columns["wish"].reached == wished
    # two ways to count: the funnel's sums, and the visits the map's medians come from
    assert sorted((name, columns[name].rate) for name, *_ in counted) == sorted(
        (name, Rate(k, n)) for name, k, n in counted
    )
    assert columns[STAGE].median_seconds == 60


def paths_of(workspace: Workspace, persona: str | None = None) -> list[tuple[str, ...]]:
    rows = ask(
        workspace,
        "select path from marts.attempts where journey = ? and entry_date between ? and ? "
        "and (? is null or persona = ?)",
        QUOTES,
        *MATURED,
        persona,
        persona,
    )
    return [tuple(path.split(">")) for (path,) in rows]


@pytest.mark.parametrize("persona", [None, "phone", "default"])
def test_the_moves_are_those_of_the_paths(loud: Workspace, shop_map: JourneyMap, persona: str | None) -> None:
    view = next(each for each in shop_map.views if each.persona == persona)
    paths = paths_of(loud, persona)
    assert view.attempts == view.flow.attempts == len(paths)
    assert {(m.start, m.end): m.count for m in view.flow.moves} == Counter(
        move for path in paths for move in pairwise(path)
    )
    for node in view.flow.nodes:
        assert node.visits == sum(path.count(node.stage) for path in paths)
        assert node.ended == sum(path[-1] == node.stage for path in paths)
        assert node.began == sum(path[0] == node.stage for path in paths)
    order = {stage.name: stage.number for stage in shop_map.journey.stages}
    kinds = {(m.start, m.end): m.kind for m in view.flow.moves}
    assert all((kind == "back") == (order[b] < order[a]) for (a, b), kind in kinds.items())
    assert kinds[STAGE, "cart"] == "ideal"  # a wish is optional
    assert kinds["visit", "cart"] == "skip"
    assert kinds["cart", STAGE] == "back"


def test_what_people_did_instead_is_their_first_step_after_the_stage(
    loud: Workspace, shop_map: JourneyMap
) -> None:
    column = next(each for each in shop_map.columns if each.stage.name == STAGE)
    after = [path[path.index(STAGE) + 1 :] for path in paths_of(loud) if STAGE in path]
    stayed = [rest for rest in after if "cart" not in rest]
    counted = Counter(rest[0] if rest else None for rest in stayed)
    assert column.stayed == len(stayed) > 100
    assert {deed.to: deed.count for deed in column.instead} == dict(counted.most_common(3))
    assert sum(deed.share for deed in column.instead) <= 1.0 + 1e-9
    goal = next(each for each in shop_map.columns if each.stage.name == "buy")
    assert goal.stayed == 0


def test_a_persona_has_its_own_stages_numbers_and_ideals(loud: Workspace, shop_map: JourneyMap) -> None:
    assert [view.persona for view in shop_map.views] == [None, "phone", "default"]
    phone = shop_map.views[1]
    assert "wish" not in [column.stage.name for column in phone.columns]
    cart = next(column for column in phone.columns if column.stage.name == "cart")
    assert cart.ideal.conversion == 0.55
    ((k, n),) = ask(
        loud,
        "select sum(matured_advanced)::int, sum(matured)::int from marts.stage_funnel where journey = ? "
        "and persona = 'phone' and next_stage = 'cart' and entry_date between ? and ?",
        QUOTES,
        *MATURED,
    )
    assert cart.rate == Rate(k, n)
    # findings of a persona stand in its map and in everyone's, not in the others'
    shown = [
        {each.point.pain_point_id for column in view.columns for each in column.findings}
        for view in shop_map.views
    ]
    assert "pp-first" in shown[0] & shown[1]
    assert "pp-first" not in shown[2]


def test_what_if_says_what_the_command_says(loud: Workspace, shop_map: JourneyMap) -> None:
    with connect(loud.root) as connection:
        gain = next(
            each for each in journey_gains(connection, loud.journeys, "EUR") if each.journey == QUOTES
        )
    found = shop_map.what_if
    assert found is not None
    assert len(found.subsets) == 2 ** len(found.movable)
    assert found.subsets[0].conversions == 0
    assert found.subsets[-1].conversions == pytest.approx(gain.total.conversions)
    assert found.subsets[-1].money == pytest.approx(gain.total.money)
    alone = {each.stage: each.alone for each in gain.stages}
    for place, lever in enumerate(found.movable):
        assert lever.alone.conversions == pytest.approx(alone[lever.stage].conversions)
        assert found.subsets[1 << place].low == pytest.approx(alone[lever.stage].low)
        assert lever.observed < lever.target
    # more stages at their ideal never bring less
    for one, other in product(range(len(found.subsets)), repeat=2):
        if one & other == one:
            assert found.subsets[one].conversions <= found.subsets[other].conversions + 1e-9
    known = json.loads(payload(found, "buy", "EUR"))
    assert known["priced"] is True
    assert known["gains"][-1][0] == pytest.approx(gain.total.conversions, abs=0.001)


def test_answers_scores_and_rage_belong_to_the_stage_of_their_page(shop_map: JourneyMap) -> None:
    voices = shop_map.voices
    assert [each.answer for each in voices["cart"].answers] == [f"the card form {SCRIPT}", LONG]
    assert voices["cart"].answer_count == 2
    # marks from 4 to 9 are a score, and no words
    (score,) = voices[STAGE].scores
    assert (score.mean, score.count, score.best) == (6.5, 6, 10)
    assert voices[STAGE].answers == ()
    assert voices["cart"].rage == Rate(20, 40)
    assert voices["cart"].is_worse
    assert voices[STAGE].rage == Rate(10, 200)  # of 28 days: what is older is left out
    assert not voices[STAGE].is_worse
    assert voices["buy"].rage is None


def test_a_snoozed_finding_waits_below_and_a_fix_shows_its_verdict(tmp_path: Path) -> None:
    workspace = make_workspace(
        tmp_path / "marked",
        several_points(),
        marks=[
            ("pp-first", "snoozed", NIGHT, NIGHT, "after the sale", None, None),
            ("pp-second", "fixed", NIGHT, None, "new form", MATURED[1], "fix works"),
        ],
    )
    report = read(workspace)
    assert [each.point.pain_point_id for each in report.snoozed] == ["pp-first"]
    assert report.findings[0].point.pain_point_id == "pp-second"
    text = write_report(workspace).read_text("utf-8")
    sentence = text[text.index("<h1>") : text.index("</h1>")]
    assert "headline of pp-second" in sentence
    assert re.search(r"snoozed until 16 October 2026</span>\s*headline of pp-first", text)
    assert "By the data: <b>fix works</b>" in text


def test_kinds_that_are_no_rate_have_a_trend_of_their_nights(tmp_path: Path) -> None:
    slow = {"stage": STAGE, "next_stage": "cart", "observed": 300.0, "expected": 120.0, "ideal": None}
    points = [pain_point("pp-slow", kind="slow", status="ongoing", lost_conversions=None, **slow)]
    (finding,) = read(make_workspace(tmp_path / "slow", points)).findings
    assert [point.observed for point in finding.trend] == [300.0, 300.0]
    page = write_report(make_workspace(tmp_path / "slow2", points)).read_text("utf-8")
    assert "5 min observed" in page
    assert "2 min expected" in page or "120 s expected" in page


def test_pictures_stand_alone_and_those_of_yesterday_go(loud: Workspace, loud_page: Path) -> None:
    folder = loud_page.parent / "pictures"
    names = {each.name for each in folder.iterdir()}
    shown = [
        "journey-1-funnel",
        "journey-1-paths",
        "journey-1-segments",
        "journey-1-map",
        "journey-2-funnel",
        "finding-1",
        "finding-2",
    ]
    assert {f"{name}.{kind}" for name in shown for kind in ("svg", "png")} <= names
    for path in folder.glob("*.svg"):
        text = path.read_text("utf-8")
        ElementTree.fromstring(text)  # a program that draws slides is stricter than a browser
        assert "var(" not in text
        assert "<script" not in text
    drawn = "".join(ElementTree.fromstring((folder / "journey-1-map.svg").read_text("utf-8")).itertext())
    for expected in ("Checkout team", "cart", "−40 a week", "mobile, new visitors", "ideal 60"):
        assert expected in drawn
    for path in folder.glob("*.png"):
        assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    (folder / "finding-99.png").write_bytes(b"old")
    write_report(loud)
    assert {each.name for each in folder.iterdir()} == names


def test_the_drawing_of_the_ways_shows_each_kind_of_move_and_no_markup() -> None:
    names = ("a", SCRIPT, "c" * 60, "goal")
    nodes = tuple(FlowNode(name, 90, 90 if name == "a" else 0, 10, name == "goal") for name in names)
    moves = (
        Move("a", SCRIPT, 80, "ideal"),
        Move("a", "goal", 5, "skip"),
        Move("goal", "a", 7, "back"),
        Move("a", "a", 3, "again"),
    )
    svg = sankey_svg(Flow(nodes, moves, 90, 10), "x")
    tree = ElementTree.fromstring(svg)
    titles = [each.text for each in tree.iter("{http://www.w3.org/2000/svg}title")]
    assert f"a → {SCRIPT}: 80" in titles
    assert {"a → goal: 5", "goal → a: 7"} <= set(titles)
    assert "nan" not in svg
    assert SCRIPT not in svg
    assert ElementTree.tostring(tree).count(b"script>") == 0 or b"&lt;script" in ElementTree.tostring(tree)
    assert sankey_svg(Flow((FlowNode("a", 0, 0, 0, True),), (), 0, 0), "x") == ""


def test_empty_tables_make_a_page_that_says_so(tmp_path: Path) -> None:
    page = write_report(make_workspace(tmp_path / "empty", is_empty=True))
    text = page.read_text("utf-8")
    assert "Nothing to show yet: no data has landed." in text
    assert text.count("Nobody has entered this journey") == 3
    assert sorted(each.name for each in page.parent.iterdir()) == ["journey-map.html", "pictures"]
    assert list((page.parent / "pictures").iterdir()) == []


def test_charts_share_no_ids(loud_page: Path) -> None:
    text = loud_page.read_text("utf-8")
    ids = re.findall(r'<[^<>]*\sid="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    used = re.findall(r"url\(#([^)]+)\)", text)
    # the renderer's own numbers start anew in every process of it, so each chart has a name as well
    assert {re.sub(r"\d+(-\d+)?[wn]?-.*", "", each) for each in used} == {"trend", "funnel", "ways"}
    assert set(used) <= set(ids)
    # four trends; of the shop everyone and two personas, of the sign-up everyone: funnels twice, and ways
    assert text.count("<svg") == 4 + (3 + 1) * 3


def test_the_heat_map_colours_only_what_chance_does_not_explain(loud: Workspace) -> None:
    (map_,) = (each for each in read(loud).maps if each.journey.name == QUOTES)
    table = next(each for each in map_.segments if each.field == "device")
    rows = dict(table.rows)
    into_cart = [each.stage.name for each in map_.transitions].index("cart")
    mobile, desktop = rows["mobile"][into_cart], rows["desktop"][into_cart]
    overall = table.overall[into_cart]
    assert mobile is not None
    assert desktop is not None
    assert overall is not None
    assert mobile.level < 0 < desktop.level
    assert mobile.rate.attempts + desktop.rate.attempts == overall.rate.attempts
    few = dict(next(each for each in map_.segments if each.field == "browser").rows)[QUOTES][into_cart]
    assert few is not None
    assert few.is_few
    assert few.level == 0


def test_the_paths_are_the_most_common_with_their_loops_and_skips(loud: Workspace) -> None:
    (map_,) = (each for each in read(loud).maps if each.journey.name == QUOTES)
    counted = ask(
        loud,
        "select path, count(*), count(converted_at), max(loops), max(skips) from marts.attempts "
        "where journey = ? group by path order by count(*) desc, path limit 10",
        QUOTES,
    )
    shown = [(">".join(p.stages), p.attempts, p.converted, p.loops, len(p.skipped)) for p in map_.paths]
    assert shown == counted
    assert any(loops for *_, loops, _ in counted)
    assert any(skips for *_, skips in counted)


@pytest.mark.parametrize(("successes", "attempts"), [(0, 7), (10, 100), (7, 7), (4875, 28747)])
def test_the_interval_is_wilsons(successes: int, attempts: int) -> None:
    expected = stats.binomtest(successes, attempts).proportion_ci(0.9, "wilson")
    assert Rate(successes, attempts).interval() == pytest.approx((expected.low, expected.high))
