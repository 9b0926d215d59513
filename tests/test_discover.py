"""A first journey from the data: its milestones, their order and rates, and a file to be used at once."""

from __future__ import annotations

import json
import random
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import CRM_CONFIG, Painpoints, make_workspace

from connectors.shop import generate_shop
from models.discovery import EventCount, choose_goal, propose
from models.discovery_rates import stage_rates, window_days
from models.journey_file import parse_journey
from pipelines.scaffold import TEMPLATES

CONFIG = CRM_CONFIG + "[detection]\nreplay_nights = 1\n"


# --- milestones ------------------------------------------------------------------------------------


def firsts(*people: str) -> pd.DataFrame:
    """First occurrences, of people written as their events in order: "view cart pay"."""
    rows = [
        {"user": str(number), "event": event, "us": place * 60_000_000}
        for number, person in enumerate(people)
        for place, event in enumerate(person.split())
    ]
    return pd.DataFrame(rows, columns=["user", "event", "us"])


def test_milestones_are_what_tells_those_who_convert_in_the_order_they_go() -> None:
    people = ["session_start list view cart pay"] * 8 + ["list session_start cart view pay"] * 2
    reach = {"session_start": 1.0, "list": 0.95, "view": 0.5, "cart": 0.2, "pay": 0.1}

    found = propose(firsts(*people), 10, reach)

    assert [each.events for each in found.milestones] == [("list",), ("view",), ("cart",), ("pay",)]
    view = found.milestones[1]
    assert (view.share, view.lift, view.precedes) == (1.0, 2.0, 0.8)
    assert found.left_out.keys() == {"session_start"}


def test_what_everyone_does_is_no_milestone_unless_it_opens_the_journey() -> None:
    people = ["list consent cart"] * 10
    found = propose(firsts(*people), 10, {"list": 0.9, "consent": 0.98, "cart": 0.2})
    assert [each.events for each in found.milestones] == [("list",), ("cart",)]
    assert found.left_out["consent"] == "98% of everyone do it, whether they convert or not"


def test_a_visit_opens_a_journey_whose_first_milestone_many_visitors_miss() -> None:
    people = ["session_start view cart"] * 10
    found = propose(firsts(*people), 10, {"session_start": 1.0, "view": 0.2, "cart": 0.1})
    assert [each.events for each in found.milestones] == [("session_start",), ("view",), ("cart",)]


def test_what_some_of_them_do_is_optional_and_what_comes_together_is_one_stage() -> None:
    people = ["view wish cart"] * 3 + ["view cart"] * 7
    rows = firsts(*people)
    twins = rows[rows["event"] == "cart"].assign(event="basket", us=lambda frame: frame["us"] + 1000)
    reach = {"view": 0.9, "wish": 0.1, "cart": 0.2, "basket": 0.2}
    found = propose(pd.concat([rows, twins]), 10, reach)
    assert [(each.events, each.optional) for each in found.milestones] == [
        (("view",), False),
        (("wish",), True),
        (("cart", "basket"), False),
    ]


def test_the_goal_is_what_carries_orders_else_a_name_people_use() -> None:
    view = EventCount("view_item", 900, 500, 0, 90_000.0)
    order = EventCount("Bestellung", 50, 45, 50, 2000.0)
    refund = EventCount("refund", 70, 60, 70, -900.0)
    assert choose_goal([view, order, refund]) == "Bestellung"
    assert choose_goal([view, EventCount("sign_up", 30, 30, 0, 0.0)]) == "sign_up"
    assert choose_goal([view]) is None


# --- rates -----------------------------------------------------------------------------------------


def test_rates_agree_with_counting_each_attempt_by_hand() -> None:
    rng = random.Random(4)
    visits = [
        [[rng.randrange(1000) * 1_000_000 for _ in range(rng.choice([0, 1, 1, 3]))] for _ in range(4)]
        for _ in range(300)
    ]
    shape = np.array([[[min(v), max(v)] if v else [np.nan] * 2 for v in row] for row in visits])
    required = np.array([True, False, True, True])

    rates = stage_rates(shape[:, :, 0], shape[:, :, 1], required)

    assert rates[0] is None
    assert rates[1] is None
    for place, (a, b) in ((2, (0, 2)), (3, (2, 3))):
        reached = [row for row in visits if row[a]]
        advanced = [row for row in reached if any(at >= min(row[a]) for at in row[b])]
        rate = rates[place]
        assert rate is not None
        assert rate.reached == len(reached)
        assert rate.conversion == pytest.approx(len(advanced) / len(reached))
        assert rate.ideal <= rate.conversion < rate.ideal + 0.01


@pytest.mark.parametrize(
    ("days", "window"), [([0.1] * 10, 1), ([0.1] * 7 + [5] * 3, 7), ([10] * 10, 14), ([25] * 10, 30), ([], 7)]
)
def test_the_window_fits_most_conversions(days: list[float], window: int) -> None:
    assert window_days(np.array(days, dtype=float) * 86400)[0] == window


# --- the command -----------------------------------------------------------------------------------


def lines(view: str = "view", people: int = 400) -> list[str]:
    """Each day 20 people: all come, half look, a quarter put into the cart, a tenth buy."""
    made = []
    for number in range(people):
        day, who, device = number // 20 + 1, f"u{number}", "mobile" if number % 2 else "desktop"
        for minute, (event, every) in enumerate((("hello", 1), (view, 2), ("cart", 4), ("order", 10))):
            if number % every == 0 or (event == "cart" and number % 10 == 0):
                money = "25" if event == "order" else ""
                made.append(f"2026-03-{day:02d} 10:{minute:02d}:00,{event},{who},{device},{money}")
    return made


@pytest.fixture
def landed(tmp_path: Path, painpoints: Painpoints) -> Path:
    """What a person has first: a config, files, and no journey that fits."""
    folder = make_workspace(tmp_path / "new", config=CONFIG.replace('"buy"', '"order"'), lines=lines())
    assert painpoints("pull", "--workspace", folder).code == 0
    (folder / "journeys" / "shop.yaml").unlink()
    return folder


def test_a_first_journey_is_found_in_what_landed_and_builds(landed: Path, painpoints: Painpoints) -> None:
    out = landed / "journeys" / "order.yaml"

    done = painpoints("discover", "--goal", "order", "--out", out, "--workspace", landed)

    assert done.code == 0, done.err
    text = out.read_text("utf-8")
    journey = parse_journey(text, out)
    assert [each.name for each in journey.required_stages_of("default")] == ["hello", "view", "cart", "order"]
    assert [each.ideal.conversion for each in journey.stages] == [None, 0.5, 0.6, 0.33]
    assert (journey.sources, journey.segments) == (("crm",), ("device",))
    assert journey.goal.value == "value"
    # every guess is explained where it stands
    guesses = [line for line in text.splitlines() if "ideal:" in line or "window:" in line or "name:" in line]
    assert all("# " in line for line in guesses)

    again = painpoints("discover", "--goal", "order", "--out", out, "--workspace", landed)
    assert (again.code, out.read_text("utf-8")) == (0, text), "asked twice, it says the same"
    assert painpoints("run", "--workspace", landed).code == 0
    later = painpoints("discover", "--goal", "order", "--out", out, "--workspace", landed)
    assert later.code == 0, later.err
    assert out.read_text("utf-8") == text, "the published events say it too"


def test_an_earlier_discovery_is_written_anew_and_one_that_somebody_edited_is_left_alone(
    landed: Path, painpoints: Painpoints
) -> None:
    out = landed / "journeys" / "first.yaml"
    asked = ("discover", "--goal", "order", "--out", out, "--json", "--workspace", landed)
    first = json.loads(painpoints(*asked).out)["journey"]
    more = (landed / "exports" / "crm.csv").read_text("utf-8").replace("2026-03", "2026-02")
    (landed / "exports" / "crm_2.csv").write_text(more.replace(",u", ",v"), "utf-8")
    assert painpoints("pull", "--workspace", landed).code == 0
    second = json.loads(painpoints(*asked).out)["journey"]
    assert second != first
    assert out.read_text("utf-8") == second
    out.write_text(second.replace("window: 1d", "window: 2d"), "utf-8")

    done = painpoints(*asked)

    assert done.code == 1
    assert "no discovery that nobody edited; nothing was written" in done.err
    assert "window: 2d" in out.read_text("utf-8")


def test_what_cannot_be_found_is_said_with_what_to_do(landed: Path, painpoints: Painpoints) -> None:
    wrong = painpoints("discover", "--goal", "nothing", "--workspace", landed)
    assert wrong.code == 1
    assert "no event is named 'nothing'" in wrong.err
    assert "hello, view, cart, order" in wrong.err
    unknown = painpoints("discover", "--workspace", landed)
    assert unknown.code == 1
    assert "no event looks like a goal. Name one with --goal" in " ".join(unknown.err.split())


def test_the_names_of_events_stay_names_whatever_they_hold(tmp_path: Path, painpoints: Painpoints) -> None:
    hostile = "yes: {a} # *all* 'x' > \\ \u2028 é"
    folder = make_workspace(tmp_path / "w", config=CONFIG, lines=lines(f'"{hostile}"'))
    done = painpoints("pull", "--workspace", folder)
    assert done.code == 0, done.err
    done = painpoints("discover", "--goal", "order", "--workspace", folder)
    assert done.code == 0, done.err
    journey = parse_journey(done.out)
    assert len(journey.stages) == 4
    (condition,) = journey.stages[1].match[0].conditions
    assert condition.values == (hostile.replace("*", "\\*"),)


def test_a_site_that_sends_page_views_alone_has_its_pages_as_milestones(
    tmp_path: Path, painpoints: Painpoints
) -> None:
    paths = {"hello": "/", "view": "/products/42", "cart": "/cart", "order": "/thanks"}
    rows = []
    for line in lines():
        when, what, who, device, amount = line.split(",")
        rows.append(f"{when},page_view,{who},{device},,{paths[what]}")
        if what == "order":
            rows.append(f"{when[:-2]}30,generate_lead,{who},{device},{amount},/thanks")
    config = CONFIG.replace('value = "amount"}', 'value = "amount", page = "page"}')
    folder = make_workspace(tmp_path / "w", config=config)
    (folder / "exports" / "crm.csv").write_text(
        "\n".join(["when,what,who,device,amount,page", *rows]) + "\n", "utf-8"
    )
    assert painpoints("pull", "--workspace", folder).code == 0

    done = painpoints("discover", "--workspace", folder)

    assert done.code == 0, done.err
    stages = parse_journey(done.out).stages
    assert [each.name for each in stages] == ["visit", "products", "cart", "thanks", "generate_lead"]
    assert [each.values for each in stages[1].match[0].conditions] == [("page_view",), ("/products*",)]


def test_a_name_that_another_journey_has_is_not_taken_again(landed: Path, painpoints: Painpoints) -> None:
    (landed / "journeys" / "own.yaml").write_text(
        "journey: order\nstages: [{name: a, match: [{event: a}]}, {name: b, match: [{event: b}]}]\n", "utf-8"
    )
    done = painpoints("discover", "--goal", "order", "--workspace", landed)
    assert parse_journey(done.out).name == "order_2"


def test_the_planted_funnel_of_a_shop_is_found(tmp_path: Path, painpoints: Painpoints) -> None:
    generate_shop(tmp_path, days=21, users=4000, last_day=date(2026, 5, 31))
    config = (TEMPLATES / "demo_painpoints.toml").read_text("utf-8")
    (tmp_path / "painpoints.toml").write_text(config.split("[sources.mixpanel]")[0], "utf-8")
    assert painpoints("pull", "--workspace", tmp_path).code == 0

    done = painpoints("discover", "--workspace", tmp_path)

    assert done.code == 0, done.err
    journey = parse_journey(done.out)
    planted = ["discover", "consider", "cart", "checkout", "pay", "buy"]
    assert [each.name for each in journey.required_stages_of("default")] == planted
    assert all(each.ideal.conversion for each in journey.required_stages_of("default")[1:])
