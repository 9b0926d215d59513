"""Friction and answers of Hotjar in the marts: per page and day, and per person where an id was passed."""

from __future__ import annotations

import csv
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
from conftest import CRM_CONFIG, crm_lines, make_workspace
from hotjar_server import CLIENT_ID, CLIENT_SECRET, HotjarServer

from connectors.day_pull import Nights
from connectors.day_range import EVERY_DAY
from connectors.hotjar_api import HotjarSite, pull_responses
from connectors.patience import Patience
from connectors.secret import Secret
from connectors.shop_hotjar import RECORDINGS_HEADER
from pipelines import steps
from pipelines.workspace import open_workspace

MADRID = ZoneInfo("Europe/Madrid")
QUESTION, NPS = "What stopped you?", "How likely are you to recommend us?"
QUESTIONS = (
    {"id": "q1", "type": "long-text", "text": QUESTION},
    {"id": "q2", "type": "nps", "text": NPS},
    {"id": "q3", "type": "multiple-option", "text": "What did you look for?"},
)
CONFIG = CRM_CONFIG + (
    '\n[sources.hotjar]\nrecordings = "exports/rec*.csv"\nsurveys = "exports/survey*.csv"\n'
    'user_id = "shop_user"\n'
)
SURVEYS_HEADER = (
    "Number", "User", "Date Submitted", "Country", "Source URL", "Device", "Browser", "OS",
    "Hotjar User ID", "shop_user", QUESTION, f"Tags for: {QUESTION}", NPS, "What did you look for?",
)  # fmt: skip


def recording(number: int, created: str, **cells: str) -> dict[str, str]:
    filled = dict.fromkeys(RECORDINGS_HEADER, "N/A") | {
        "Recording URL": f"https://insights.hotjar.com/r/{number}",
        "Created": created,
        "Hotjar User ID": f"hj-{number}",
        "Device": "Mobile",
        "Landing Page URL": "https://shop.example/",
        "Exit Page URL": "https://shop.example/checkout?step=2",
        "Rage Clicks": "0",
        "U-Turns": "0",
        "shop_user": "",
    }
    return filled | cells


def answered(number: int, submitted: str, **cells: str) -> dict[str, str]:
    filled = dict.fromkeys(SURVEYS_HEADER, "") | {
        "Number": str(number),
        "Date Submitted": submitted,
        "Country": "Spain",
        "Source URL": "https://shop.example/checkout",
        "Device": "Mobile",
        "Hotjar User ID": f"hj-{number}",
    }
    return filled | cells


def response(key: str, created: str, answers: Sequence[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    return {
        "id": key,
        "answers": list(answers),
        "country": "ES",
        "created_time": created,
        "device": "mobile",
        "hotjar_user_id": f"hj-{key}",
        "is_complete": True,
        "response_origin_url": "https://shop.example/checkout?step=1#pay",
        "user_attributes": [],
    } | fields


def write(path: Path, rows: Sequence[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@contextmanager
def marts(
    folder: Path,
    recordings: Sequence[dict[str, str]],
    surveys: Sequence[dict[str, str]],
    responses: Sequence[dict[str, Any]] = (),
    crm: Sequence[str] | None = None,
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published marts of a workspace with these Hotjar files, and responses pulled from the API."""
    make_workspace(folder, config=CONFIG, lines=crm)
    write(folder / "exports" / "rec.csv", recordings)
    write(folder / "exports" / "survey.csv", surveys)
    workspace = open_workspace(folder)
    steps.pull(workspace)
    nights = Nights(MADRID, timedelta(days=3), lambda: datetime(2026, 4, 30, tzinfo=UTC))
    with HotjarServer({77: {"all": responses}}, questions=QUESTIONS) as server:
        site = HotjarSite(4711, Secret(CLIENT_ID), Secret(CLIENT_SECRET), api_url=server.url)
        pull_responses(
            workspace.source_lake("hotjar"),
            site,
            nights,
            asked=EVERY_DAY,
            patience=Patience(attempts=1),
            progress=lambda _: None,
        )
    steps.build(workspace)
    with duckdb.connect(str(workspace.published), read_only=True) as db:
        yield db


def rows(db: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return db.execute(query).fetchall()


def test_the_person_of_a_recording_and_an_answer_is_the_one_of_the_events(tmp_path: Path) -> None:
    crm = [*crm_lines(3), "2026-03-02 10:00:00,visit,0,mobile,"]
    recordings = [
        recording(1, "2026-03-01 10:00:00", shop_user="u0-0"),
        recording(2, "2026-03-02 10:00:00", shop_user=" u1-3 "),
        recording(3, "2026-03-02 11:00:00", shop_user="N/A"),
        recording(4, "2026-03-02 12:00:00", shop_user="0"),
        recording(5, "2026-03-02 13:00:00", shop_user="never seen"),
    ]
    surveys = [answered(1, "2026-03-01 10:05:00", shop_user="u0-1", **{QUESTION: "the price"})]
    responses = [
        response(
            "r1",
            "2026-03-02T09:00:00Z",
            [{"question_id": "q1", "answer": "no PayPal", "comment": None}],
            user_attributes=[{"name": "plan", "value": "pro"}, {"name": "shop_user", "value": "u1-6"}],
        ),
        response("r2", "2026-03-02T09:01:00Z", [{"question_id": "q1", "answer": "slow"}]),
    ]
    with marts(tmp_path / "w", recordings, surveys, responses, crm) as db:
        people = dict(rows(db, "select user_id, user_key from marts.events where user_id is not null"))
        assert rows(db, "select user_id, user_key from marts.recordings order by recorded_at") == [
            ("u0-0", people["u0-0"]),
            ("u1-3", people["u1-3"]),
            (None, None),
            ("0", None),  # a placeholder joins nobody
            ("never seen", None),
        ]
        assert rows(
            db, "select answer, user_id, user_key from marts.survey_answers order by answered_at"
        ) == [
            ("the price", "u0-1", people["u0-1"]),
            ("no PayPal", "u1-6", people["u1-6"]),
            ("slow", None, None),
        ]
        assert rows(db, "select distinct question from marts.survey_answers") == [(QUESTION,)], (
            "the column of user ids is no question"
        )
        joined = rows(
            db,
            "select count(distinct e.user_key) from marts.recordings as r "
            "inner join marts.events as e on r.user_key = e.user_key",
        )
        assert joined == [(2,)]


def test_without_a_named_column_the_marts_have_no_person(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "w", config=CONFIG.replace('user_id = "shop_user"\n', ""))
    write(folder / "exports" / "rec.csv", [recording(1, "2026-03-01 10:00:00", shop_user="u0-0")])
    write(folder / "exports" / "survey.csv", [answered(1, "2026-03-01 10:05:00", **{QUESTION: "price"})])
    workspace = open_workspace(folder)
    steps.pull(workspace)
    steps.build(workspace)
    with duckdb.connect(str(workspace.published), read_only=True) as db:
        assert rows(db, "select user_id, user_key from marts.recordings") == [(None, None)]
        assert rows(db, "select user_id, user_key, answer from marts.survey_answers") == [
            (None, None, "price")
        ]
    # naming it later stages anew what has landed, without another pull
    (folder / "painpoints.toml").write_text(CONFIG, "utf-8")
    steps.build(open_workspace(folder))
    with duckdb.connect(str(workspace.published), read_only=True) as db:
        assert rows(db, "select user_id from marts.recordings where user_key is not null") == [("u0-0",)]


def test_answers_that_come_as_csv_and_by_the_api_are_there_once(tmp_path: Path) -> None:
    surveys = [
        # Madrid's clock, seconds, a number of its own; the API has UTC, microseconds and an id
        answered(1, "2026-03-05 11:00:30", shop_user="u3-0", **{QUESTION: "the price", NPS: "3"}),
        answered(2, "2026-03-05 11:00:40", **{QUESTION: "the price"}),
        answered(3, "2026-03-05 11:02:00", **{"What did you look for?": "shoes; hats"}),
        answered(4, "2026-03-05 12:00:00", **{QUESTION: "only in the CSV", "Hotjar User ID": ""}),
        answered(5, "2026-03-05 12:30:10", **{QUESTION: "nobody knows who", "Hotjar User ID": "N/A"}),
    ]
    responses = [
        response(
            "1",
            "2026-03-05T10:00:30.123456Z",
            [
                {"question_id": "q1", "answer": "the price", "comment": "too high"},
                {"question_id": "q2", "answer": 3},
            ],
        ),
        response("2", "2026-03-05T10:00:40Z", [{"question_id": "q1", "answer": "the price"}]),
        response("3", "2026-03-05T10:02:00Z", [{"question_id": "q3", "answer": ["shoes", "hats"]}]),
        response(
            "5",
            "2026-03-05T11:30:10Z",
            [{"question_id": "q1", "answer": "nobody knows who"}],
            hotjar_user_id=None,
        ),
        response("6", "2026-03-05T11:31:00Z", [{"question_id": "gone", "answer": "old", "comment": " "}]),
        response("7", "2026-03-05T11:32:00Z", [{"question_id": "q1", "answer": None, "comment": None}]),
        response("8", "2026-03-05T11:33:00Z", []) | {"answers": None},
    ]
    recordings = [recording(1, "2026-03-01 10:00:00")]
    with marts(tmp_path / "w", recordings, surveys, responses) as db:
        found = rows(
            db,
            "select response_number, question, answer, comment, question_type, user_id, page "
            "from marts.survey_answers order by answered_at, question",
        )
        assert found == [
            ("1", NPS, "3", None, "nps", "u3-0", "/checkout"),
            # the CSV knows who it was, the API what was typed beside it
            ("1", QUESTION, "the price", "too high", "long-text", "u3-0", "/checkout"),
            ("2", QUESTION, "the price", None, "long-text", None, "/checkout"),
            ("3", "What did you look for?", "shoes, hats", None, "multiple-option", None, "/checkout"),
            ("4", QUESTION, "only in the CSV", None, None, None, "/checkout"),
            ("5", QUESTION, "nobody knows who", None, "long-text", None, "/checkout"),
            ("6", "gone", "old", None, None, None, "/checkout"),
        ]


@pytest.fixture(scope="module")
def busy_month() -> tuple[list[dict[str, str]], list[dict[str, str]], list[dict[str, Any]]]:
    """Recordings, CSV answers and API responses around a change of clocks, some of them near midnight."""
    draw = random.Random(20260329)
    pages = ["https://shop.example", "https://shop.example/checkout?x=1", "//shop.example/p/1#a", "N/A"]
    first = datetime(2026, 3, 27, tzinfo=UTC)

    def moment() -> datetime:
        return first + timedelta(minutes=draw.randrange(4 * 24 * 60))

    def wall(at: datetime) -> str:
        return f"{at.astimezone(MADRID):%Y-%m-%d %H:%M:%S}"

    recordings, surveys, responses = [], [], []
    for number in range(400):
        recordings.append(
            recording(
                number,
                wall(moment()),
                **{
                    "Exit Page URL": draw.choice(pages),
                    "Device": draw.choice(["Mobile", "Desktop", "N/A"]),
                    "Rage Clicks": draw.choice(["0", "0", "1", "5", "N/A"]),
                    "U-Turns": draw.choice(["0", "2"]),
                },
            )
        )
    for number in range(120):
        cells = {QUESTION: draw.choice(["", "price"]), NPS: draw.choice(["", "2"])}
        surveys.append(answered(number, wall(moment()), **cells, **{"Source URL": draw.choice(pages)}))
    for number in range(1000, 1150):
        score = draw.choice([0, 6, 7, 10, "6", "11", None])
        answers = [{"question_id": "q2", "answer": score}, {"question_id": "q1", "answer": "slow"}]
        responses.append(
            response(
                str(number),
                f"{moment():%Y-%m-%dT%H:%M:%SZ}",
                answers,
                device=draw.choice(["mobile", "desktop"]),
                response_origin_url=draw.choice(pages[:3]),
            )
        )
    return recordings, surveys, responses


def path_of(url: str) -> str | None:
    return {
        "https://shop.example": "/",
        "https://shop.example/checkout?x=1": "/checkout",
        "//shop.example/p/1#a": "/p/1",
    }.get(url)


def test_page_feedback_is_what_counting_by_hand_gives(
    tmp_path: Path,
    busy_month: tuple[list[dict[str, str]], list[dict[str, str]], list[dict[str, Any]]],
) -> None:
    recordings, surveys, responses = busy_month
    counts: dict[tuple[Any, ...], Counter[str]] = {}

    def at(day: str, page: str | None, device: str | None) -> Counter[str]:
        return counts.setdefault(("hotjar", day, page, device), Counter())

    for each in recordings:
        device = each["Device"].lower() if each["Device"] != "N/A" else None
        cell = at(each["Created"][:10], path_of(each["Exit Page URL"]), device)
        rage = int(each["Rage Clicks"]) if each["Rage Clicks"] != "N/A" else 0
        cell.update(recordings=1, rage=rage, turns=int(each["U-Turns"]), raging=int(rage > 0))
    for each in surveys:
        given = sum(bool(each[question]) for question in (QUESTION, NPS))
        if given:
            at(each["Date Submitted"][:10], path_of(each["Source URL"]), "mobile").update(answers=given)
    for made in responses:
        day = datetime.fromisoformat(made["created_time"]).astimezone(MADRID).date().isoformat()
        score = made["answers"][0]["answer"]
        at(day, path_of(made["response_origin_url"]), made["device"]).update(
            answers=1 + (score is not None),
            scores=int(score is not None and int(score) <= 10),
            low=int(score is not None and int(score) <= 6),
        )
    names = ("recordings", "rage", "turns", "raging", "answers", "scores", "low")
    wanted = {key: tuple(cell[name] for name in names) for key, cell in counts.items()}
    # the shop's log reaches over the clock change, as the days of Hotjar do
    crm = [
        f"2026-03-{day} 10:00:00,{what},u{day},mobile,1"
        for day in (27, 31)
        for what in ("visit", "cart", "buy")
    ]
    with marts(tmp_path / "w", recordings, surveys, responses, crm) as db:
        found = rows(
            db,
            "select source, day::varchar, page, device, recordings, rage_clicks, u_turns, "
            "recordings_with_rage, survey_answers, scores, low_scores from marts.page_feedback",
        )
        assert len(found) > 40
        assert {row[:4]: row[4:] for row in found} == wanted
        assert len(found) == len(wanted), "one row per source, day, page and device"


def test_building_twice_gives_the_same_feedback(
    tmp_path: Path,
    busy_month: tuple[list[dict[str, str]], list[dict[str, str]], list[dict[str, Any]]],
) -> None:
    shown = "select * from marts.{} order by all"
    names = ("recordings", "survey_answers", "page_feedback")
    with marts(tmp_path / "w", *busy_month) as db:
        before = {name: rows(db, shown.format(name)) for name in names}
    workspace = open_workspace(tmp_path / "w")
    steps.pull(workspace)
    steps.build(workspace)
    with duckdb.connect(str(workspace.published), read_only=True) as db:
        assert {name: rows(db, shown.format(name)) for name in names} == before
