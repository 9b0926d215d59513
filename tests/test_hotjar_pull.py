"""Hotjar's survey responses over a loopback API: what lands, and what is seen when the API misbehaves."""

from __future__ import annotations

import gzip
import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus
from zoneinfo import ZoneInfo

import pytest
from hotjar_server import (
    CLIENT_ID,
    CLIENT_SECRET,
    Body,
    Close,
    CutBody,
    CutJson,
    Hang,
    HotjarServer,
    Meanwhile,
    Misbehaviour,
    SameCursor,
    SamePage,
    Status,
)

from connectors import hotjar_client, landing
from connectors.day_pull import Nights
from connectors.day_range import EVERY_DAY, DayRange
from connectors.errors import (
    AccessDenied,
    AnswerBroken,
    QuotaExhausted,
    RequestRefused,
    SourceError,
    VendorUnavailable,
)
from connectors.hotjar_api import HotjarSite, check_hotjar, pull_responses
from connectors.landing import SourceLake
from connectors.patience import Patience
from connectors.pull_report import PullReport
from connectors.secret import Secret

MADRID = ZoneInfo("Europe/Madrid")
NOON = datetime(2026, 3, 20, 11, tzinfo=UTC)
QUESTIONS = ({"id": "q1", "type": "long-text", "text": "What stopped you?"},)


def response(key: str, created: str, answer: str = "nothing") -> dict[str, Any]:
    return {
        "id": key,
        "answers": [{"question_id": "q1", "answer": answer, "comment": None, "tags": [], "sentiment": None}],
        "browser": "Safari",
        "country": "ES",
        "created_time": created,
        "device": "mobile",
        "hotjar_user_id": f"hj-{key}",
        "is_complete": True,
        "os": "iOS",
        "recording_url": None,
        "response_origin_url": "https://shop.example/checkout",
        "user_attributes": [{"name": "shop_user", "value": key}],
        "window_size": {"width": 390, "height": 844},
    }


def month(survey: int = 77, days: Sequence[int] = range(1, 20), a_day: int = 2) -> dict[str, list[Any]]:
    return {
        f"2026-03-{day:02d}": [
            response(f"{survey}-{day:02d}-{n}", f"2026-03-{day:02d}T{9 + n:02d}:30:00.250000Z")
            for n in range(a_day)
        ]
        for day in days
    }


def expected(days: dict[str, list[Any]]) -> dict[str, list[str]]:
    return {day: sorted(each["id"] for each in made) for day, made in days.items() if made}


@dataclass
class Pulls:
    """Pulls into one lake, and what a person sees and waits for."""

    lake: SourceLake
    url: str
    now: datetime = NOON
    waits: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    secret: str = CLIENT_SECRET
    site_id: int = 4711
    survey_ids: tuple[int, ...] = ()
    zone: ZoneInfo = MADRID

    def site(self) -> HotjarSite:
        return HotjarSite(self.site_id, Secret(CLIENT_ID), Secret(self.secret), self.survey_ids, self.url)

    def pull(self, asked: DayRange = EVERY_DAY, attempts: int = 3) -> PullReport:
        nights = Nights(self.zone, timedelta(days=3), lambda: self.now)
        patience = Patience(attempts=attempts, sleep=self.waits.append)
        return pull_responses(
            self.lake, self.site(), nights, asked=asked, patience=patience, progress=self.told.append
        )

    def lines(self) -> dict[str, list[dict[str, Any]]]:
        return {
            day.isoformat(): [
                json.loads(line)
                for path in self.lake.part_paths(manifest, "responses")
                for line in gzip.decompress(path.read_bytes()).splitlines()
            ]
            for day, manifest in self.lake.days().items()
        }

    def landed(self) -> dict[str, list[str]]:
        return {day: sorted(line["row"]["id"] for line in lines) for day, lines in self.lines().items()}

    def files(self) -> dict[str, bytes]:
        """Every landed file but the moments in the manifests."""
        found = {}
        for path in sorted(self.lake.root.rglob("*")):
            if path.is_file():
                body = path.read_bytes()
                if path.name == "manifest.json":
                    body = json.dumps(json.loads(body) | {"landed_at": None}).encode()
                found[str(path.relative_to(self.lake.root))] = body
        return found


Start = Callable[..., tuple[HotjarServer, Pulls]]


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Start:
    def begin(responses: dict[int, Any], **options: Any) -> tuple[HotjarServer, Pulls]:
        server = HotjarServer(responses, questions=QUESTIONS, **options)
        server.start()
        request.addfinalizer(server.stop)
        return server, Pulls(SourceLake(tmp_path / "lake", "hotjar"), server.url)

    return begin


def test_responses_of_all_surveys_land_once_by_day_as_hotjar_sent_them(start: Start) -> None:
    first, second = month(77), month(78, days=range(5, 9), a_day=3)
    _, pulls = start({77: first, 78: second}, page_size=7)
    report = pulls.pull()
    wanted = {day: sorted(expected(first)[day] + expected(second).get(day, [])) for day in first}
    assert pulls.landed() == wanted
    assert (report.rows, len(report.changed_days)) == (50, 19)
    assert report.bytes_read > 10_000
    (line,) = (line for line in pulls.lines()["2026-03-05"] if line["row"]["id"] == "78-05-2")
    moment = datetime(2026, 3, 5, 11, 30, 0, 250_000, tzinfo=UTC)
    assert line["at"] == int(moment.timestamp() * 1_000_000)
    row = line["row"]
    assert row["response_origin_url"] == "https://shop.example/checkout"
    assert json.loads(row["answers"]) == response("x", "")["answers"]
    assert (row["is_complete"], row["recording_url"], row["user_attributes.shop_user"]) == (
        "true",
        None,
        "78-05-2",
    )
    assert json.loads(row["survey.questions"]) == {"q1": "What stopped you?"}
    assert json.loads(row["survey.question_types"]) == {"q1": "long-text"}
    assert any("survey 78 (2 of 2 surveys), 12 rows" in told for told in pulls.told)


def test_pulling_again_changes_nothing_and_asks_only_for_what_is_recent(start: Start) -> None:
    server, pulls = start({77: month()}, page_size=4)
    pulls.pull()
    before = pulls.files()
    server.requests.clear()
    again = pulls.pull()
    assert pulls.files() == before
    assert again.changed_days == ()
    # 16 to 19 March are the newest landed day and the look-back: two pages, and one to see the end of it
    assert [each.partition("@")[2] for each in server.requests if "responses" in each] == ["", "4", "8"]


def test_only_the_named_surveys_are_pulled(start: Start) -> None:
    server, pulls = start({77: month(77), 78: month(78)})
    pulls.survey_ids = (78,)
    pulls.pull()
    assert pulls.landed() == expected(month(78))
    assert not any("77" in request for request in server.requests)


def test_the_next_nights_bring_what_is_new_and_what_changed_within_the_look_back(start: Start) -> None:
    server, pulls = start({77: month()}, page_size=4)
    pulls.pull()
    late, old, gone = (next(r for r in server.lists[77] if r["id"] == key) for key in
                       ("77-17-1", "77-02-1", "77-18-0"))  # fmt: skip
    late["answers"][0]["answer"] = "changed"
    old["answers"][0]["answer"] = "changed long after"
    server.lists[77].remove(gone)
    server.lists[77].insert(0, response("new", "2026-03-20T22:59:59Z"))
    pulls.now = NOON + timedelta(days=1)
    report = pulls.pull()
    assert report.changed_days == (date(2026, 3, 17), date(2026, 3, 18), date(2026, 3, 20))
    assert pulls.landed() == expected(month()) | {"2026-03-18": ["77-18-1"], "2026-03-20": ["new"]}
    answers = {line["row"]["id"]: line["row"]["answers"] for day in pulls.lines().values() for line in day}
    assert '"changed"' in answers["77-17-1"]
    assert "long after" not in answers["77-02-1"], "older than the look-back stays as it landed"


def test_a_day_lands_once_it_is_over_and_is_the_day_of_the_zone(start: Start) -> None:
    made = {
        "2026-03-28": [response("a", "2026-03-28T22:59:59Z")],
        # on the 29th Madrid's clocks go forward: its midnights are 23:00 and 22:00 UTC
        "2026-03-29": [response("b", "2026-03-28T23:00:00Z"), response("c", "2026-03-29T21:59:59+00:00")],
        "2026-03-30": [response("d", "2026-03-29T22:00:00Z")],
    }
    _, pulls = start({77: made})
    pulls.now = datetime(2026, 3, 30, 21, 59, tzinfo=UTC)
    pulls.pull()
    assert pulls.landed() == {"2026-03-28": ["a"], "2026-03-29": ["b", "c"]}
    pulls.now = datetime(2026, 3, 30, 22, tzinfo=UTC)
    pulls.pull()
    assert pulls.landed() == expected(made)


TRANSIENT: list[tuple[Misbehaviour, str]] = [
    (Status(429, retry_after="7"), "slow down"),
    (Status(429), "slow down"),
    (Status(500), "fails on its side (500)"),
    (Status(503), "fails on its side (503)"),
    (Close(), "cannot be reached"),
    (Hang(), "too long"),
    (CutJson(), "not whole JSON"),
    (CutBody(), "cut short"),
    (Body("<html>busy</html>"), "not whole JSON"),
    (Body('{"detail": "try later"}'), "no list of results"),
    (Body('{"results": [{"name": "x"}]}'), "has no id|lacks its id"),
]


@pytest.mark.parametrize("request_number", [1, 2, 4], ids=["list", "first page", "third page"])
@pytest.mark.parametrize(("misbehaviour", "reason"), TRANSIENT, ids=lambda each: str(each)[:40])
def test_what_passes_is_waited_for_and_nothing_is_lost_or_doubled(
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    misbehaviour: Misbehaviour,
    reason: str,
    request_number: int,
) -> None:
    monkeypatch.setattr(hotjar_client, "TIMEOUT_SECONDS", (1.0, 0.3 if misbehaviour == Hang() else 20.0))
    server, pulls = start({77: month()}, page_size=10)
    server.script = [None] * (request_number - 1) + [misbehaviour, None, None, misbehaviour]
    pulls.pull(attempts=4)
    assert pulls.landed() == expected(month())
    assert len(pulls.waits) == 2
    if misbehaviour == Status(429, retry_after="7"):
        assert pulls.waits == [7, 7], "as long as the vendor says"
    assert (
        sum(any(each in told for each in reason.split("|")) and "trying again" in told for told in pulls.told)
        == 2
    )


@pytest.mark.parametrize(
    ("storm", "error", "at_page"),
    [
        (Status(429, retry_after="5"), QuotaExhausted, 2),
        (Status(429), QuotaExhausted, 2),
        (Status(500), VendorUnavailable, 1),
        (Status(502), VendorUnavailable, 3),
        (Close(), VendorUnavailable, 2),
        (CutJson(), AnswerBroken, 3),
        (CutBody(), AnswerBroken, 3),
        (SameCursor(), AnswerBroken, 2),
    ],
)
def test_a_storm_leaves_the_lake_as_it_was_and_the_next_pull_makes_it_right(
    start: Start, storm: Misbehaviour, error: type[SourceError], at_page: int
) -> None:
    server, pulls = start({77: month(days=range(1, 11))}, page_size=3)
    pulls.now = datetime(2026, 3, 11, 12, tzinfo=UTC)
    pulls.pull()
    before = pulls.files()
    for day in range(11, 20):
        server.lists[77][:0] = reversed(month()[f"2026-03-{day:02d}"])
    pulls.now = NOON
    ahead: list[Misbehaviour | None] = [None] * at_page
    server.script = [*ahead, storm] + ([*ahead[1:], storm] * 2)
    with pytest.raises(error) as raised:
        pulls.pull()
    after = {name: body for name, body in pulls.files().items() if not name.startswith("incoming.part")}
    assert after == {name: body for name, body in before.items() if not name.startswith("incoming.part")}
    assert "pull again later" in str(raised.value).lower()
    assert len(pulls.waits) == 2, "three attempts"
    assert any("failed" in told for told in pulls.told)
    server.script.clear()
    pulls.pull()
    assert pulls.landed() == expected(month())


def test_a_wait_longer_than_the_patience_is_told_at_once(start: Start) -> None:
    server, pulls = start({77: month()})
    later = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    server.script = [None, Status(429, retry_after=later)]
    with pytest.raises(QuotaExhausted) as raised:
        pulls.pull()
    assert raised.value.retry_after_seconds is not None
    assert 7000 < raised.value.retry_after_seconds <= 7200
    assert pulls.waits == []


def test_a_survey_that_fails_does_not_undo_those_before_it(start: Start) -> None:
    server, pulls = start({77: month(77), 78: month(78)})
    server.script = [None, None, Status(403)]
    with pytest.raises(AccessDenied):
        pulls.pull()
    assert pulls.landed() == expected(month(77))
    assert any(
        "survey 78 (2 of 2 surveys): failed; the 1 surveys before it have landed" in t for t in pulls.told
    )
    pulls.pull()
    assert pulls.landed() == {
        day: sorted(keys + expected(month(78))[day]) for day, keys in expected(month(77)).items()
    }


def test_a_page_that_comes_twice_counts_once(start: Start) -> None:
    server, pulls = start({77: month()}, page_size=5)
    server.script = [None, None, SamePage(), None, SamePage()]
    pulls.pull()
    assert pulls.landed() == expected(month())
    assert sum(len(lines) for lines in pulls.lines().values()) == 38
    assert pulls.waits == []


def test_responses_that_arrive_between_pages_double_nothing(start: Start) -> None:
    def arrive(server: HotjarServer) -> None:
        key = f"late-{len(server.lists[77])}"
        server.lists[77].insert(0, response(key, "2026-03-20T10:00:00Z"))

    server, pulls = start({77: month()}, page_size=5)
    pulls.pull()
    server.lists[77].insert(0, response("yesterday", "2026-03-19T20:00:00Z"))
    server.script = [None, *[Meanwhile(arrive)] * 6]
    pulls.pull()
    wanted = expected(month())
    wanted["2026-03-19"].append("yesterday")
    assert pulls.landed() == wanted
    pulls.now = NOON + timedelta(days=1)
    server.script.clear()
    pulls.pull()
    arrived = sorted(each["id"] for each in server.lists[77] if each["id"].startswith("late"))
    assert len(arrived) >= 3
    assert pulls.landed() == wanted | {"2026-03-20": arrived}


def test_of_a_response_that_is_sent_twice_the_later_one_counts(start: Start) -> None:
    def complete(server: HotjarServer) -> None:
        server.lists[77][4]["answers"][0]["answer"] = "said in the meantime"
        server.lists[77].insert(0, response("new", "2026-03-20T10:00:00Z"))

    server, pulls = start({77: month()}, page_size=5)
    twice = server.lists[77][4]["id"]
    server.script = [None, None, Meanwhile(complete)]
    pulls.pull()
    assert pulls.landed() == expected(month())
    (row,) = (line["row"] for day in pulls.lines().values() for line in day if line["row"]["id"] == twice)
    assert "said in the meantime" in row["answers"]


def test_another_order_of_the_same_responses_and_fields_changes_nothing(start: Start) -> None:
    made = [response(key, "2026-03-19T10:00:00Z") for key in "cadb"]
    server, pulls = start({77: {"2026-03-19": made}}, page_size=3)
    pulls.pull()
    before = pulls.files()
    server.lists[77] = [dict(reversed(each.items())) for each in reversed(made)]
    assert pulls.pull().changed_days == ()
    assert pulls.files() == before


def test_a_token_that_expires_between_pages_is_renewed_without_a_wait(start: Start) -> None:
    server, pulls = start({77: month()}, page_size=5)
    expiry = Meanwhile(HotjarServer.expire_tokens)
    server.script = [None, None, expiry, None, None, expiry]
    pulls.pull()
    assert pulls.landed() == expected(month())
    assert (server.tokens_given, pulls.waits) == (3, [])


def test_pages_that_never_bring_anything_new_end_in_an_error(start: Start) -> None:
    server, pulls = start({77: month()}, page_size=5)
    server.script = [None, None, *[SamePage()] * 40]
    with pytest.raises(AnswerBroken, match="no response that was not on a page before"):
        pulls.pull(attempts=1)
    assert pulls.landed() == {}


def test_a_list_in_another_order_is_walked_to_its_end(start: Start) -> None:
    server, pulls = start({77: month()}, page_size=4, newest_first=False)
    pulls.pull()
    server.lists[77].append(response("new", "2026-03-20T10:00:00Z"))
    pulls.now = NOON + timedelta(days=1)
    pulls.pull()
    assert pulls.landed() == expected(month()) | {"2026-03-20": ["new"]}


def test_a_range_of_days_lands_alone_and_the_rest_with_the_next_pull(start: Start) -> None:
    server, pulls = start({77: month()}, page_size=4)
    pulls.pull(DayRange(date(2026, 3, 10), date(2026, 3, 12)))
    assert list(pulls.landed()) == ["2026-03-10", "2026-03-11", "2026-03-12"]
    pulls.pull()
    assert pulls.landed() == expected(month())
    for each in server.lists[77]:
        each["country"] = "FR"
    report = pulls.pull(DayRange(date(2026, 3, 4), date(2026, 3, 5)))
    assert report.changed_days == (date(2026, 3, 4), date(2026, 3, 5))
    assert pulls.landed() == expected(month())
    server.requests.clear()
    pulls.pull()
    assert len(server.requests) < 6, "what is whole is not walked anew"
    assert pulls.pull(DayRange(date(2026, 3, 20), None)).rows == 0


def test_a_day_whose_folder_was_deleted_comes_back(start: Start) -> None:
    _, pulls = start({77: month()}, page_size=4)
    pulls.pull()
    for path in (pulls.lake.root / "date=2026-03-02").iterdir():
        path.unlink()
    pulls.pull()
    assert pulls.landed() == expected(month())


def test_another_time_zone_moves_the_responses_to_its_days(start: Start) -> None:
    made = {"2026-03-05": [response("a", "2026-03-05T03:00:00Z"), response("b", "2026-03-12T12:00:00Z")]}
    _, pulls = start({77: made})
    pulls.pull()
    pulls.zone = ZoneInfo("America/New_York")
    pulls.pull()
    assert pulls.landed() == {"2026-03-04": ["a"], "2026-03-12": ["b"]}


@pytest.mark.parametrize(("where", "step"), [(SourceLake, "_adopt"), (landing, "write_manifest")])
def test_killed_while_landing_the_next_pull_completes_it(
    start: Start, monkeypatch: pytest.MonkeyPatch, where: object, step: str
) -> None:
    _, pulls = start({77: month()}, page_size=4)
    real, calls = getattr(where, step), 0

    def dying(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 8:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(where, step, dying)
        with pytest.raises(KeyboardInterrupt):
            pulls.pull()
    assert 0 < len(pulls.landed()) < 19
    pulls.pull()
    assert pulls.landed() == expected(month())


@dataclass(frozen=True)
class Mistake:
    """A usual mistake, and what its error says."""

    error: type[SourceError]
    says: tuple[str, ...]
    secret: str = CLIENT_SECRET
    site_id: int = 4711
    survey_ids: tuple[int, ...] = ()
    script: tuple[Misbehaviour | None, ...] = ()
    token_script: tuple[Misbehaviour | None, ...] = ()


MISTAKES = {
    "secret of another key": Mistake(
        AccessDenied,
        ("does not accept the client id", "/v1/oauth/token", "one year"),
        secret="other+secret/x==",
    ),
    "no client, as RFC 6749 says it": Mistake(
        AccessDenied, ("does not accept the client id",), token_script=(Status(400),)
    ),
    "plan without the API": Mistake(
        AccessDenied, ("(403)", "Ask Scale plan", "export the survey as CSV"), script=(None, Status(403))
    ),
    "key without access to the site": Mistake(AccessDenied, ("(403)",), script=(Status(403),)),
    "organisation's id for the site's": Mistake(
        RequestRefused, ("(404)", "site_id is the number in the tracking code"), site_id=99
    ),
    "survey of another site": Mistake(
        RequestRefused, ("has no survey 5", "survey_ids", "the site has 77"), survey_ids=(77, 5)
    ),
    "an address that is not Hotjar's": Mistake(
        RequestRefused, ("(404)", "api_url"), token_script=(Status(404),)
    ),
    "a token that is never accepted": Mistake(
        AccessDenied, ("fresh token (401)", "HOTJAR_CLIENT_ID"), script=(Status(401), Status(401))
    ),
    "a request Hotjar does not know any more": Mistake(
        RequestRefused, ("(410)", "changed its API"), script=(None, Status(410))
    ),
    "a redirect to elsewhere": Mistake(RequestRefused, ("(307)", "api_url"), script=(Status(307),)),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES)
def test_usual_mistakes_are_explained_at_once_and_no_secret_shows(
    start: Start, caplog: pytest.LogCaptureFixture, mistake: Mistake
) -> None:
    caplog.set_level(logging.DEBUG)
    server, pulls = start({77: month()}, script=[*mistake.script], token_script=[*mistake.token_script])
    pulls.secret, pulls.site_id, pulls.survey_ids = mistake.secret, mistake.site_id, mistake.survey_ids
    with pytest.raises(mistake.error) as raised:
        pulls.pull()
    shown = str(raised.value)
    assert all(words in shown for words in mistake.says), shown
    assert pulls.waits == [], "waiting would not help"
    assert pulls.landed() == {}
    server.script, server.token_script = [*mistake.script], [*mistake.token_script]
    with pytest.raises(mistake.error) as checked:
        check_hotjar(pulls.site())
    assert all(words in str(checked.value) for words in mistake.says)
    everything = [shown, repr(raised.value), *pulls.told, caplog.text, repr(pulls.site()), str(checked.value)]
    for secret in (mistake.secret, quote_plus(mistake.secret), CLIENT_ID, "of-an-hour"):
        assert not any(secret in text for text in everything), secret
    pulls.secret, pulls.site_id, pulls.survey_ids = CLIENT_SECRET, 4711, ()
    server.script, server.token_script = [], []
    pulls.pull()
    assert pulls.landed() == expected(month()), "once it is corrected, all lands"


def test_the_check_names_what_can_be_read_with_one_response_at_most(start: Start) -> None:
    server, pulls = start({77: month(), 78: {}})
    assert check_hotjar(pulls.site()) == "site 4711: the responses of 2 surveys can be read (77, 78)"
    assert server.requests == [
        "/v1/oauth/token",
        "/v1/sites/4711/surveys",
        "/v1/sites/4711/surveys/77/responses",
    ]


def test_half_an_emoji_and_a_long_answer_land(start: Start) -> None:
    made = {"2026-03-05": [response("a", "2026-03-05T10:00:00Z", "no \ud83d" + "x" * 300_000)]}
    _, pulls = start({77: made})
    pulls.pull()
    (line,) = pulls.lines()["2026-03-05"]
    (answer,) = json.loads(line["row"]["answers"])
    assert answer["answer"].startswith("no ")
    assert len(answer["answer"]) > 300_000


def test_ten_nights_of_failures_end_as_nights_without_any(start: Start, tmp_path: Path) -> None:
    troubles = [
        Status(500), Status(429, "3"), CutJson(), SamePage(), Close(), SameCursor(), Status(503),
        Meanwhile(HotjarServer.expire_tokens), Status(403), CutBody(),
    ]  # fmt: skip
    server, pulls = start({77: {}, 78: {}}, page_size=3)
    calm = Pulls(SourceLake(tmp_path / "calm", "hotjar"), server.url)
    for night, trouble in enumerate(troubles):
        day = f"2026-03-{night + 1:02d}"
        for survey in (77, 78):
            server.lists[survey][:0] = reversed(month(survey, days=[night + 1], a_day=5)[day])
        pulls.now = calm.now = datetime(2026, 3, night + 2, 3, tzinfo=UTC)
        server.script = [None] * (1 + night % 4) + [trouble] * (1 + night % 2)
        try:
            pulls.pull()
        except SourceError as error:
            pulls.told.append(str(error))
        server.script.clear()
        calm.pull()
    pulls.pull()
    assert pulls.landed() == calm.landed()
    versions = {day: each.version for day, each in pulls.lake.days().items()}
    assert versions == {day: each.version for day, each in calm.lake.days().items()}


def test_a_disk_that_is_full_is_no_riddle_and_nothing_of_the_survey_lands(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, pulls = start({77: month()})
    connect = sqlite3.connect

    def tiny(path: Path, **options: Any) -> sqlite3.Connection:
        connection = connect(path, **options)
        connection.execute("pragma max_page_count = 4")
        return connection

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", tiny)
        with pytest.raises(OSError, match=r"survey 77 cannot be kept there .*full"):
            pulls.pull()
    assert pulls.landed() == {}
    pulls.pull()
    assert pulls.landed() == expected(month())


def test_a_key_that_is_not_accepted_is_named_as_the_config_names_it(start: Start) -> None:
    _, pulls = start({77: month()})
    with pytest.raises(AccessDenied, match="Check SHOP2_CLIENT_ID and SHOP2_CLIENT_SECRET"):
        check_hotjar(replace(pulls.site(), client_secret=Secret("wrong"), credentials="SHOP2"))
