"""The report in a real browser: opens without a fault, for everybody, at any size; its switches work."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from report_world import (
    FIRST,
    MATURED,
    NIGHT,
    QUOTES,
    SCRIPT,
    STAGE,
    loud_workspace,
    make_workspace,
    pain_point,
)
from test_report import ask, read

from pipelines.report import write_report
from pipelines.workspace import Workspace
from pipelines.world import build_world


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return loud_workspace(tmp_path_factory.mktemp("loud"))


@pytest.fixture(scope="module")
def loud_page(loud: Workspace) -> Path:
    return write_report(loud)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not all(Path(path).exists() for path in ("/usr/bin/chromium", "/usr/bin/chromedriver")):
        reason = "chromium and chromedriver are not installed (apt-get install chromium chromium-driver)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
                 "--no-first-run"):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


def show(browser: Any, page: Path, width: int = 1440) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    browser.get(page.as_uri())


def texts(browser: Any, selector: str) -> list[str]:
    found: list[str] = browser.execute_script(
        "return [...document.querySelectorAll(arguments[0])]"
        ".map(each => each.textContent.trim().replaceAll('\\u00a0', ' '))",
        selector,
    )
    return found


@pytest.mark.parametrize("width", [360, 1440])
def test_the_page_opens_without_errors_requests_or_overflow(
    browser: Any, loud_page: Path, width: int
) -> None:
    browser.get_log("browser"), browser.get_log("performance")
    show(browser, loud_page, width)
    inner, wide = browser.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
    assert inner == width
    assert wide <= width
    if width == 360:  # the drawing of the ways scrolls in its own box, too
        assert browser.execute_script(
            "return [...document.querySelectorAll('.scroll')].every(box => box.clientWidth <= innerWidth)"
        )
    # a wide matrix scrolls in its own box
    assert browser.execute_script("return document.querySelector('.map').scrollWidth > 600")
    assert browser.get_log("browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert [url for url in urls if not url.startswith("data:")] == [loud_page.as_uri()]


def test_hostile_names_stay_text(browser: Any, loud_page: Path) -> None:
    show(browser, loud_page)
    scripts = texts(browser, "script")
    assert len(scripts) == 1
    assert scripts[0].startswith('"use strict"')
    assert browser.execute_script("return document.querySelectorAll('[onload], img, iframe').length") == 0
    assert browser.execute_script("return document.querySelectorAll('svg [onload], svg script').length") == 0
    assert f"Journey: {QUOTES}" in texts(browser, "h2")
    assert STAGE in texts(browser, ".map thead b")
    assert any(text.startswith(STAGE[:20]) for text in texts(browser, ".wide svg text"))
    assert SCRIPT in texts(browser, ".map li")
    assert f"browser={SCRIPT}" in texts(browser, ".facts dd")
    assert {SCRIPT, QUOTES} <= set(texts(browser, ".heat th[scope=row]"))
    assert f"the card form {SCRIPT}" in texts(browser, "blockquote")
    assert any(SCRIPT in text for text in texts(browser, ".alarm li"))


def test_findings_stand_in_rank_order_below_the_sentence_of_the_night(
    browser: Any, loud: Workspace, loud_page: Path
) -> None:
    show(browser, loud_page)
    assert texts(browser, "h1") == ["headline of pp-first"]
    ranked = ask(loud, "select headline from marts.pain_points where status <> 'resolved' "
                 "order by lost_low desc nulls last")  # fmt: skip
    assert texts(browser, "article h3") == [row[0] for row in ranked]
    assert len(ranked) == 4
    assert ["headline of pp-gone" in text for text in texts(browser, ".past li")] == [True]
    # lost a week is summed per goal: 40 + 3.5 and nothing for friction; 12.3 of the other journey
    figures = texts(browser, ".figures dd")
    assert figures[:3] == ["4", "about 44", "about 12"]
    # broken tracking of the last seven days is said before anything else
    alarm = texts(browser, ".alarm li")
    assert len(alarm) == 1
    assert f'event "{SCRIPT}" vanished' in alarm[0]
    assert browser.execute_script(
        "const alarm = document.querySelector('.alarm'), sentence = document.querySelector('h1');"
        "return Boolean(alarm.compareDocumentPosition(sentence) & Node.DOCUMENT_POSITION_FOLLOWING)"
    )
    assert sum("nine days ago" in text for text in texts(browser, "#health td")) == 1
    assert not any("long ago" in text for text in texts(browser, "body"))


def test_the_cells_of_the_map_are_the_numbers_of_the_tables(
    browser: Any, loud: Workspace, loud_page: Path
) -> None:
    counted = ask(
        loud,
        "select next_stage, sum(matured_advanced)::int, sum(matured)::int from marts.stage_funnel "
        "where journey = ? and next_stage is not null and entry_date between ? and ? group by next_stage",
        QUOTES, *MATURED,
    )  # fmt: skip
    map_ = next(each for each in read(loud).maps if each.journey.name == QUOTES)
    columns = {each.stage.name: each for each in map_.columns}
    show(browser, loud_page)
    rows = browser.execute_script(
        "return [...document.querySelector('.map').rows]"
        ".map(r => [...r.cells].map(c => c.innerText.replaceAll('\\u00a0', ' ')))"
    )
    row = {each[0]: each[1:] for each in rows}
    seen = [int(cell.split()[0].replace(",", "")) for cell in row["Attempts that reached it"]]
    assert seen == [each.reached for each in map_.columns]
    for name, k, n in counted:
        cell = row["Conversion from the stage before"][columns[name].stage.number - 1]
        assert float(cell.split()[0]) == pytest.approx(100 * k / n, abs=0.5)
    assert "60 s" in row["Median time from the stage before"][1]
    cart = row["Conversion from the stage before"][3]
    assert "ideal 60 %" in cart
    assert "phone: " in cart
    assert "ideal 55 %" in cart
    assert any("left, and did not come back" in cell for cell in row["What they did instead"])
    assert f"the card form {SCRIPT}" in row["What they say"][3]
    assert "50 % with rage clicks" in row["What they feel"][3]
    assert "more than elsewhere" in row["What they feel"][3]
    assert "6.5 of 10" in row["What they feel"][1]


def test_the_persona_switch_changes_map_funnel_and_ways_by_the_keyboard(
    browser: Any, loud_page: Path
) -> None:
    from selenium.webdriver.common.keys import Keys

    show(browser, loud_page)
    shown = (
        "return [...document.querySelectorAll('#journey-1 [data-view]')].filter(v => v.offsetParent).length"
    )
    every = browser.execute_script(
        "return [...document.querySelectorAll('#journey-1 [data-view=\"1\"]')].length"
    )
    assert browser.execute_script(shown) == every == 3
    first = browser.find_element("css selector", "#journey-1 input[type=radio]")
    assert first.is_selected()
    first.send_keys(Keys.ARROW_RIGHT)
    assert browser.execute_script(shown) == every
    visible = browser.execute_script(
        "return [...document.querySelectorAll('#journey-1 [data-view]')].filter(v => v.offsetParent)"
        ".map(v => v.dataset.view)"
    )
    assert set(visible) == {"2"}
    stages = browser.execute_script(
        "return [...document.querySelectorAll('#journey-1 .map')].filter(m => m.offsetParent)"
        ".map(m => [...m.querySelectorAll('thead b')].map(b => b.textContent))[0]"
    )
    assert "wish" not in stages
    assert "cart" in stages


def test_the_what_if_sliders_count_as_the_model_does(browser: Any, loud: Workspace, loud_page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    show(browser, loud_page)
    found = next(each for each in read(loud).maps if each.journey.name == QUOTES).what_if
    assert found is not None

    def told() -> str:
        return texts(browser, "[data-what-if] .result")[0]

    def said(conversions: float) -> str:
        return f"+{conversions:,.0f}" if conversions >= 9.5 or conversions == 0 else f"+{conversions:.1f}"

    sliders = browser.find_elements("css selector", "#journey-1 input[type=range]")
    assert len(sliders) == len(found.movable) == 2
    assert told().startswith(said(found.subsets[3].conversions) + " buy a week")
    assert told().endswith(" EUR")
    sliders[1].send_keys(Keys.HOME)  # the second stage as today
    assert told().startswith(said(found.subsets[1].conversions) + " ")
    for _ in range(50):
        sliders[0].send_keys(Keys.ARROW_LEFT)
    assert told().startswith(said(found.subsets[1].conversions / 2) + " ")
    lever = found.movable[0]
    middle = (lever.observed + lever.target) / 2
    assert float(sliders[0].get_attribute("aria-valuetext").split("\u00a0")[0]) == pytest.approx(
        100 * middle, abs=0.5
    )
    browser.find_element("css selector", "[data-share='0']").click()
    assert told().startswith("+0 buy")


def test_no_other_script_could_run(browser: Any, loud_page: Path, tmp_path: Path) -> None:
    text = loud_page.read_text("utf-8")
    assert "'unsafe-inline'" not in text[text.index("script-src") : text.index("style-src")]
    tampered = tmp_path / "tampered.html"
    injected = "<script>document.title = 'owned'</script><b onclick=\"1\">x</b></body>"
    tampered.write_text(text.replace("</body>", injected), "utf-8")
    show(browser, tampered)
    assert browser.title.startswith("Journey map")
    assert any("Content Security Policy" in entry["message"] for entry in browser.get_log("browser"))


CONTRAST = """
const luminance = (color) => {
  const [r, g, b] = color.map((part) => {
    const share = part / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const parts = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const ground = (element) => {
  for (let each = element; each; each = each.parentElement) {
    const color = parts(getComputedStyle(each).backgroundColor);
    if (color.length < 4 || color[3] === 1) return color.slice(0, 3);
  }
  return [255, 255, 255];
};
const low = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.textContent.trim() || !element.offsetParent) continue;
  if (element.closest("svg, script")) continue;
  const style = getComputedStyle(element);
  const [one, other] = [parts(style.color).slice(0, 3), ground(element)].map(luminance);
  const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  if (ratio < (large ? 3 : 4.5)) low.push([element.className, element.textContent.slice(0, 30), ratio]);
}
return low;
"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_stands_out_from_its_ground(browser: Any, loud_page: Path, theme: str) -> None:
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    )
    show(browser, loud_page)
    assert browser.execute_script(CONTRAST) == []
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_the_page_can_be_heard_and_walked_through(browser: Any, loud_page: Path) -> None:
    """Landmarks, headings without a gap, a name for everything one can reach, in the order it is read."""
    show(browser, loud_page)
    for landmark in ("main", "nav", "header.page", "footer", "h1"):
        assert len(texts(browser, landmark)) == 1
    levels = browser.execute_script(
        "return [...document.querySelectorAll('h1, h2, h3, h4')].map(h => Number(h.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    nameless = browser.execute_script(
        "return [...document.querySelectorAll('a, button, input, summary, fieldset, figure, [role=region]')]"
        ".filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || (e.labels || []).length"
        "   || e.getAttribute('aria-labelledby')))"
    )
    assert nameless == []
    # a drawing is silent, the figure or region around it speaks
    unspoken = browser.execute_script(
        "return [...document.querySelectorAll('svg')].filter(s => s.getAttribute('aria-hidden') !== 'true'"
        " || !s.closest('[aria-label]')).length"
    )
    assert unspoken == 0
    assert (
        browser.execute_script("return document.querySelectorAll('table:not(:has(th[scope]))').length") == 0
    )
    assert browser.execute_script("return document.querySelectorAll('[tabindex]').length") > 0
    assert browser.execute_script(
        "return [...document.querySelectorAll('[tabindex]')].every(e => e.tabIndex <= 0)"
    )
    broken = browser.execute_script(
        "return [...document.querySelectorAll('a[href^=\"#\"]')]"
        ".filter(a => !document.getElementById(a.getAttribute('href').slice(1))).length"
    )
    assert broken == 0
    assert browser.execute_script("return document.documentElement.lang") == "en"


def test_the_first_tab_leads_past_the_navigation(browser: Any, loud_page: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    show(browser, loud_page)
    ActionChains(browser).send_keys(Keys.TAB).perform()
    link = browser.execute_script(
        "const at = document.activeElement; return [at.getAttribute('href'), at.getBoundingClientRect().left]"
    )
    assert link[0] == "#main"
    assert link[1] >= 0


@pytest.mark.skipif("AXE_CORE" not in os.environ, reason="AXE_CORE names no axe.min.js")
@pytest.mark.parametrize("width", [360, 1440])
def test_axe_finds_no_barrier(browser: Any, loud_page: Path, width: int) -> None:
    show(browser, loud_page, width)
    # the page's own policy would not let another script in; the debugger's may
    browser.execute_script(Path(os.environ["AXE_CORE"]).read_text("utf-8"))
    result = browser.execute_async_script(
        "const done = arguments[arguments.length - 1]; axe.run().then(done, error => done(String(error)))"
    )
    found = [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in result["violations"]]
    assert found == []


def test_a_finding_shows_its_row_and_the_trend_of_its_segment(
    browser: Any, loud: Workspace, loud_page: Path
) -> None:
    show(browser, loud_page)
    facts = " ".join(texts(browser, "#pp-second dd"))
    for expected in ("430 of 1,001", "43 %", "expected 50 %", "21 to 52", "1 in 1,000", "always so"):
        assert expected in facts
    priced = " ".join(texts(browser, "#pp-first dd"))
    for expected in ("1,456 EUR", "848 to 2,064", "26 September 2026", "new visitors & device=mobile"):
        assert expected in priced.replace("device=mobile & new visitors", "new visitors & device=mobile")
    finding = read(loud).findings[0]
    last = finding.trend[-1]
    ((k, n),) = ask(
        loud,
        "select sum(matured_advanced), sum(matured) from marts.stage_funnel where journey = ? "
        "and persona = 'phone' and stage = ? and device = 'mobile' and is_new_user and entry_date "
        "between ? and ?", QUOTES, STAGE, last.day - timedelta(days=6), last.day,
    )  # fmt: skip
    assert last.day == MATURED[1]
    assert last.observed == pytest.approx(k / n)
    assert [status for _, status in finding.history] == ["new", "worsening"]
    assert any("since 26 Sep" in text for text in texts(browser, "#pp-first svg text"))


def stages_of(count: int, segments: str = "[device]") -> str:
    stages = "".join(
        f"  - {{name: step number {n}, match: [{{event: e{n}}}], ideal: {{conversion: 0.9}}}}\n"
        for n in range(count)
    )
    return f"journey: long\nwindow: 1d\nstages:\n{stages}segments: {segments}\n"


def walk(count: int, people: int, **fields: Any) -> list[dict[str, Any]]:
    """People on one day a piece who get as far as their number allows; every seventh goes back once."""
    start = datetime.combine(FIRST, datetime.min.time())
    events = []
    for number in range(people):
        person = {"source": "ga4", "device_id": f"d{number}", "vendor_session_id": "1"}
        person |= {key: value(number) for key, value in fields.items()}
        steps = list(range(max(1, count - number % (count + 1))))
        if number % 7 == 0 and len(steps) > 2:
            steps += [0, 1]
        events += [
            {**person, "event_name": f"e{n}", "event_at": start + timedelta(days=number % 20, minutes=m)}
            for m, n in enumerate(steps)
        ]
    return events


@pytest.mark.parametrize(
    ("name", "journey", "events"),
    [
        ("two", stages_of(2), walk(2, 60, device=lambda n: "mobile" if n % 2 else "desktop")),
        ("forty", stages_of(40), walk(40, 120, device=lambda n: "mobile" if n % 2 else "desktop")),
        (
            "values",
            stages_of(3, "[device, country, browser]"),
            walk(
                3,
                900,
                device=lambda n: "mobile",
                country=lambda n: f"land {n % 300}",
                browser=lambda n: "F" * 80,
            ),
        ),
    ],
)
def test_short_long_and_wide_journeys_fit_the_screen(
    browser: Any, tmp_path: Path, name: str, journey: str, events: list[dict[str, Any]]
) -> None:
    frames = build_world(
        events, [journey], timezone="UTC", inactivity_seconds=1800,
        horizon=datetime.combine(NIGHT, datetime.min.time()),
    )  # fmt: skip
    workspace = make_workspace(tmp_path / name, journeys=[journey], frames=frames)
    page = write_report(workspace)
    stages = journey.count("name: step")
    for width in (360, 1440):
        browser.get_log("browser")
        show(browser, page, width)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert browser.get_log("browser") == []
        assert len(texts(browser, ".map thead b")) == stages
        # no cell spills over its neighbour
        spilling = browser.execute_script(
            "return [...document.querySelectorAll('.map td, .heat td, .heat th')]"
            ".filter(cell => cell.scrollWidth > cell.clientWidth + 1).map(cell => cell.textContent.trim())"
        )
        assert spilling == []
    if name == "values":
        rows = texts(browser, ".heat tbody th")
        assert sum(row.startswith("land ") for row in rows) == 8
        assert any(
            "292 smaller values of country not shown" in text for text in texts(browser, "#journey-1 p")
        )
    assert len(texts(browser, ".lever")) == min(stages - 1, 6)


def test_a_calm_night_says_what_would_have_been_seen(browser: Any, tmp_path: Path) -> None:
    show(browser, write_report(make_workspace(tmp_path / "calm", [pain_point("pp-a", status="resolved")])))
    assert texts(browser, "h1") == ["A calm night: no pain point is open."]
    assert any("a drop of 22 % of that would have been seen" in text for text in texts(browser, "header li"))
    assert texts(browser, "article") == []
    assert len(texts(browser, ".past li")) == 1


def test_an_empty_night_opens_without_a_fault(browser: Any, tmp_path: Path) -> None:
    browser.get_log("browser")
    show(browser, write_report(make_workspace(tmp_path / "empty", is_empty=True)), 360)
    assert texts(browser, "h1") == ["Nothing to show yet: no data has landed."]
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 360
