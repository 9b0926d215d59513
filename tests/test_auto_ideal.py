"""`ideal: auto`: what is proposed, from whom, and that it is said to be a proposal."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from conftest import SHOP_JOURNEY, Painpoints, make_workspace, run_steps

from models.auto_ideal import propose_ideal
from pipelines.auto_ideals import asked_for, proposed_ideals
from pipelines.explore import connect
from pipelines.listing import list_pain_points
from pipelines.workspace import open_workspace

AUTO = SHOP_JOURNEY.replace("ideal: {conversion: 0.5}\n  - name: buy", "ideal: auto\n  - name: buy")


def draw(
    chance: np.random.Generator, n: list[int], rates: list[float]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    attempts = np.array(n, dtype=np.int64)
    return attempts, chance.binomial(attempts, rates).astype(np.int64)


def test_the_proposal_is_what_the_best_quarter_reaches() -> None:
    attempts = np.array([3000, 3000, 3000, 3000], dtype=np.int64)
    proposal = propose_ideal(attempts, np.array([600, 900, 1200, 1800], dtype=np.int64))
    assert proposal is not None
    assert proposal.conversion == pytest.approx(0.6, abs=0.01)
    assert (proposal.segments, proposal.best_attempts) == ((3,), 3000)
    assert proposal.overall == pytest.approx(4500 / 12000)


def test_small_segments_that_were_lucky_do_not_set_it() -> None:
    chance = np.random.default_rng(31)
    raw, proposed = [], []
    for _ in range(200):  # 100 segments of the same true rate
        attempts, advanced = draw(chance, [60] * 100, [0.3] * 100)
        rates = np.sort(advanced / attempts)[::-1]
        proposal = propose_ideal(attempts, advanced)
        assert proposal is not None
        raw.append(rates[:25].mean())
        proposed.append(proposal.conversion)
    assert np.mean(raw) > 0.37, "the best quarter as counted is mostly luck"
    assert np.mean(proposed) < 0.315
    assert max(proposed) < 0.345


def test_true_differences_are_found_whatever_luck_adds() -> None:
    chance = np.random.default_rng(32)
    errors = []
    for _ in range(100):
        truth = chance.beta(30, 70, size=60)
        attempts, advanced = draw(chance, [150] * 60, truth.tolist())
        proposal = propose_ideal(attempts, advanced)
        assert proposal is not None
        errors.append(proposal.conversion - truth[list(proposal.segments)].mean())
    assert abs(np.mean(errors)) < 0.005, "shrunk rates are right on average, also of those that were chosen"


def test_too_few_attempts_propose_nothing() -> None:
    few = np.array([150, 150], dtype=np.int64)
    assert propose_ideal(few, few // 2) is None
    scattered = np.full(100, 10, dtype=np.int64)
    assert propose_ideal(scattered, scattered // 2) is None
    nobody = np.zeros(1, dtype=np.int64)
    assert propose_ideal(np.array([900]), nobody) is None


def lines(days: int = 24) -> list[str]:
    """Of 60 visitors a day a half of the desktops and a fifth of the mobiles fill a cart."""
    rows = []
    for day in range(days):
        for number in range(60):
            device = "mobile" if number % 2 else "desktop"
            at, who = f"2026-03-{day + 1:02d}", f"u{day}-{number}"
            rows.append(f"{at} 10:{number:02d}:00,visit,{who},{device},")
            if number % 20 < (4 if device == "mobile" else 10):
                rows.append(f"{at} 11:{number:02d}:00,cart,{who},{device},")
                rows.append(f"{at} 11:{number:02d}:30,buy,{who},{device},20.5")
    return rows


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_workspace(tmp_path_factory.mktemp("auto") / "shop", journey=AUTO, lines=lines())
    run_steps(folder).close()
    return folder


def test_a_workspace_that_asks_gets_its_best_segments_rate(shop: Path, painpoints: Painpoints) -> None:
    workspace = open_workspace(shop)
    (journey,) = workspace.journeys
    assert asked_for(journey) == {("default", "cart")}
    with connect(shop) as db:
        proposals = proposed_ideals(db, workspace.journeys)
        rates = dict(
            db.execute(
                "select device, sum(matured_advanced) / sum(matured) from marts.stage_funnel "
                "where stage = 'visit' group by device"
            ).fetchall()
        )
        early = proposed_ideals(db, workspace.journeys, {"shop": date(2026, 3, 10)})
    assert list(proposals) == [("shop", "default", "cart")]
    proposal = proposals["shop", "default", "cart"]
    assert proposal.conversion == pytest.approx(rates["desktop"], abs=0.02)
    assert rates["mobile"] < proposal.overall < proposal.conversion
    # an earlier night knows less
    assert early["shop", "default", "cart"].attempts < proposal.attempts
    said = painpoints("what-if", "--stage", "cart", "--workspace", shop)
    assert "its proposed ideal" in " ".join(said.out.split())
    with connect(shop) as db:
        rows = {row["stage"]: row for row in list_pain_points(db) if row["kind"] == "below_ideal"}
    assert "instead of its proposed ideal of" in rows["visit"]["headline"]
    told = json.loads(rows["visit"]["evidence"])["proposed_ideal"]
    assert told["conversion"] == pytest.approx(rows["visit"]["ideal"], abs=1e-3)
    assert told["of_everyone"] < told["conversion"]
    assert all("proposed" not in row["headline"] for stage, row in rows.items() if stage != "visit")
    doctor = painpoints("doctor", "--offline", "--workspace", shop)
    assert "proposed from the segments that do best" in " ".join(doctor.out.split())
