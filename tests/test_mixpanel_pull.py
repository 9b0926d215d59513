"""Mixpanel's Export API: what a user sees of each failure, and what the lake holds after the next pull."""

from __future__ import annotations

import base64
import gzip
import html
import json
import logging
import random
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import quote, quote_plus
from zoneinfo import ZoneInfo

import pytest
from mixpanel_server import (
    ERROR_LINE,
    PASSING,
    TERMINATED_EARLY,
    WEB_PAGE,
    Misbehaviour,
    MixpanelServer,
    event,
    refusal,
)

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
from connectors.export_stream import save_body
from connectors.landing import SourceLake
from connectors.manifest import PARTIAL
from connectors.meter import Meter
from connectors.mixpanel_api import MixpanelProject, check_mixpanel, pull_mixpanel
from connectors.mixpanel_client import MixpanelClient
from connectors.pace import Pace
from connectors.patience import Patience
from connectors.pull_report import PullReport
from connectors.secret import Secret
from connectors.sorted_lines import write_sorted

PLANTED = 'planted/"Geheimnis" Ünïcode&42'
USERNAME = "robot.9f8e7d.mp-service-account"
TOKEN = base64.b64encode(f"{USERNAME}:{PLANTED}".encode()).decode()

TODAY = date(2026, 3, 20)
NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)
YESTERDAY = TODAY - timedelta(days=1)


def days_ago(number: int) -> date:
    return TODAY - timedelta(days=number)


@dataclass
class Night:
    """Pulls as a night would, from a server into a lake, and remembers what was said and slept."""

    server: MixpanelServer
    root: Path
    project: MixpanelProject
    now: datetime = NOON
    history: timedelta = timedelta(days=3)
    look_back: timedelta = timedelta(days=2)
    said: list[str] = field(default_factory=list)
    sleeps: list[float] = field(default_factory=list)
    progress: Callable[[str], None] | None = None

    @property
    def lake(self) -> SourceLake:
        return SourceLake(self.root, "mixpanel")

    def pull(self, asked: DayRange = EVERY_DAY, *, attempts: int = 5) -> PullReport:
        return pull_mixpanel(
            self.lake,
            self.project,
            Nights(ZoneInfo("UTC"), self.look_back, lambda: self.now),
            history=self.history,
            asked=asked,
            patience=Patience(attempts=attempts, sleep=self.sleeps.append),
            progress=self.progress or self.said.append,
            pace=Pace(60, 1000, sleep=self.sleeps.append),
        )

    def landed(self) -> dict[date, list[bytes]]:
        """The lines of each landed day, in their order in the lake."""
        return {
            day: [
                line
                for path in self.lake.part_paths(manifest, "events")
                for line in gzip.decompress(path.read_bytes()).splitlines(keepends=True)
            ]
            for day, manifest in self.lake.days().items()
        }

    def is_right(self, *days: date) -> bool:
        """Whether exactly ``days`` have landed, with the lines that the server has of them."""
        return self.landed() == {day: sorted(self.server.lines(day)) for day in sorted(days)}


def some_days() -> dict[date, list[dict[str, object]]]:
    return {
        days_ago(ago): [
            event(days_ago(ago), second, name, f"u{second % 7}", page="/Größe\u2028", n=second / 3)
            for second, name in enumerate(["Viewed", "Cart", "Bought"] * (10 + ago))
        ]
        for ago in range(12)
    }


RECENT = [days_ago(3), days_ago(2), days_ago(1)]


@pytest.fixture
def server() -> Iterator[MixpanelServer]:
    with MixpanelServer(some_days(), username=USERNAME, secret=PLANTED) as running:
        yield running


@pytest.fixture
def night(server: MixpanelServer, tmp_path: Path) -> Night:
    project = MixpanelProject(123, "eu", Secret(USERNAME), Secret(PLANTED), api_url=server.url)
    return Night(server, tmp_path / "lake", project)


def test_a_first_pull_lands_the_history_one_day_a_request(night: Night) -> None:
    report = night.pull()
    assert night.is_right(*RECENT)
    assert night.server.asked_days == RECENT
    assert report.changed_days == tuple(RECENT)
    assert report.rows == sum(len(night.server.days[day]) for day in RECENT)  # type: ignore[arg-type]
    assert {request.accept_encoding for request in night.server.requests} == {"gzip"}
    plain_size = sum(len(line) for day in RECENT for line in night.server.lines(day))
    assert 0 < report.bytes_read < plain_size
    manifest = night.lake.days()[YESTERDAY]
    assert [part.origin for part in manifest.parts] == ["Mixpanel project 123 (eu)"]
    assert PARTIAL not in manifest.parts[0].flags


def test_a_server_that_does_not_zip_gives_the_same_versions(night: Night, tmp_path: Path) -> None:
    night.pull()
    night.server.zips = False
    other = replace(night, root=tmp_path / "other")
    other.pull()
    versions = [{d: m.version for d, m in each.lake.days().items()} for each in (night, other)]
    assert versions[0] == versions[1]


@pytest.mark.parametrize("wrong", PASSING, ids=lambda wrong: f"{wrong.kind} {wrong.status} {wrong.days}")
def test_what_passes_is_tried_again_and_the_lake_is_right(night: Night, wrong: Misbehaviour) -> None:
    night.server.misbehaviours = [wrong, wrong]
    night.pull()
    assert night.is_right(*RECENT)
    assert len(night.sleeps) == 2
    assert sum("trying again in" in line for line in night.said) == 2


@pytest.mark.parametrize("wrong", PASSING, ids=lambda wrong: f"{wrong.kind} {wrong.status} {wrong.days}")
def test_without_patience_nothing_of_the_day_lands_and_the_next_pull_goes_on_there(
    night: Night, wrong: Misbehaviour
) -> None:
    right = Misbehaviour("reversed")
    night.server.misbehaviours = [right, wrong]
    with pytest.raises((QuotaExhausted, VendorUnavailable, AnswerBroken)):
        night.pull(attempts=1)
    assert night.is_right(RECENT[0])
    assert not list(night.root.rglob("*.part"))[1:]  # the folder of incoming files, and nothing in it
    night.server.requests.clear()
    night.now += timedelta(minutes=1)
    night.look_back = timedelta()
    night.pull()
    assert night.is_right(*RECENT)
    assert night.server.asked_days == RECENT[1:]


@pytest.mark.parametrize(
    ("wrong", "kind", "words"),
    [
        (refusal(401), AccessDenied, "MIXPANEL_SERVICE_ACCOUNT and MIXPANEL_SERVICE_SECRET"),
        (refusal(403), AccessDenied, "Add it to the project with a role that may export"),
        (refusal(402, "not in your plan"), RequestRefused, "not in your plan"),
        (refusal(400, "to_date is in the future"), RequestRefused, "to_date is in the future"),
        (refusal(400), RequestRefused, "the project may live in eu or in"),
        (refusal(302, Location="https://elsewhere.example/"), RequestRefused, "Check api_url"),
    ],
    ids=lambda value: getattr(value, "status", ""),
)
def test_what_does_not_pass_is_said_once(
    night: Night, wrong: Misbehaviour, kind: type[SourceError], words: str
) -> None:
    night.server.misbehaviours = [wrong]
    with pytest.raises(kind, match="Mixpanel project 123") as caught:
        night.pull()
    assert words in str(caught.value)
    assert night.sleeps == []
    assert len(night.server.requests) == 1
    assert night.landed() == {}
    night.pull()
    assert night.is_right(*RECENT)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (ERROR_LINE, 'line 35 is no event: Mixpanel says "query took too long"'),
        (TERMINATED_EARLY, 'Mixpanel says "export terminated early"'),
        (WEB_PAGE, 'a web page came, no export: Mixpanel says "Log in Hello"'),
        (Misbehaviour("only", text="[1, 2]\n"), "no JSON object"),
        (Misbehaviour("last line", text='{"event": "x", "properties": {"em'), "is not whole JSON"),
        (Misbehaviour("last line", text='{"event": "x", "properties": {}}\n'), "has no time"),
        (Misbehaviour("last line", text='{"event": "x", "properties": {"time": "soon"}}\n'), "has no time"),
        (Misbehaviour("last line", text='{"event": "x", "properties": {"time": NaN}}\n'), "of another day"),
        (Misbehaviour("moved days", days=2), "of another day"),
        (Misbehaviour("cut line"), "is cut short"),
        (Misbehaviour("cut body"), "the connection broke off after"),
        (Misbehaviour("cut chunks"), "the connection broke off after"),
        (Misbehaviour("cut gzip"), "the gzip data is cut short or damaged"),
        (Misbehaviour("damaged gzip"), "the gzip data is cut short or damaged"),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_a_broken_answer_says_how_it_is_broken(night: Night, wrong: Misbehaviour, words: str) -> None:
    night.server.days[days_ago(3)] = some_days()[days_ago(3)][:34]
    night.server.misbehaviours = [wrong]
    with pytest.raises(AnswerBroken) as caught:
        night.pull(attempts=1)
    assert words in str(caught.value)
    assert str(days_ago(3)) in str(caught.value)


def test_an_event_is_not_quoted_in_an_error(night: Night) -> None:
    night.server.misbehaviours = [
        Misbehaviour("last line", text='{"event": "x", "properties": {"$email": "a@b')
    ]
    with pytest.raises(AnswerBroken) as caught:
        night.pull(attempts=1)
    assert "a@b" not in str(caught.value)


def test_429_waits_as_long_as_it_is_told(night: Night) -> None:
    in_a_minute = format_datetime(NOON + timedelta(seconds=61), usegmt=True)
    night.server.misbehaviours = [
        refusal(429, Retry_After="37"),
        refusal(429, Retry_After=in_a_minute),
        refusal(429, Retry_After="whenever"),
    ]
    night.pull()
    assert night.sleeps[:2] == [37.0, 61.0]
    assert 0 <= night.sleeps[2] <= 16
    assert night.is_right(*RECENT)


def test_a_wait_longer_than_patience_ends_the_pull_with_the_seconds_told(night: Night) -> None:
    night.server.misbehaviours = [refusal(429, Retry_After="3000")]
    with pytest.raises(QuotaExhausted) as caught:
        night.pull()
    assert caught.value.retry_after_seconds == 3000
    assert night.sleeps == []


def test_a_storm_of_500_ends_after_all_attempts_and_the_next_pull_lands_everything(night: Night) -> None:
    night.server.misbehaviours = [refusal(500)] * 5
    with pytest.raises(VendorUnavailable):
        night.pull()
    assert len(night.sleeps) == 4
    assert night.landed() == {}
    night.pull()
    assert night.is_right(*RECENT)


def test_an_unreachable_vendor_is_unavailable(night: Night) -> None:
    night.project = replace(night.project, api_url="http://127.0.0.1:9")
    with pytest.raises(VendorUnavailable, match="cannot be reached"):
        night.pull(attempts=1)


@pytest.mark.parametrize("kind", ["silence", "stall"])
def test_a_vendor_that_falls_silent_is_unavailable(night: Night, tmp_path: Path, kind: str) -> None:
    night.server.misbehaviours = [Misbehaviour(kind)]  # type: ignore[arg-type]
    client = MixpanelClient(night.project, timeouts_seconds=(1.0, 0.2))
    day = YESTERDAY.isoformat()
    with pytest.raises(VendorUnavailable):
        save_body(
            client.query_export({"from_date": day, "to_date": day}, add_gzip_header=True, raw_stream=True),
            tmp_path / "body",
            Meter(lambda _: None, ""),
            where="here",
        )


def test_an_answer_that_ends_with_its_connection_is_taken_when_its_gzip_is_whole(night: Night) -> None:
    night.server.misbehaviours = [Misbehaviour("no length")]
    night.pull()
    assert night.is_right(*RECENT)
    assert night.sleeps == []


def test_nothing_at_all_is_no_empty_day_unless_the_answer_says_so(night: Night) -> None:
    night.server.days[days_ago(3)] = []
    night.server.misbehaviours = [Misbehaviour("no length")]
    with pytest.raises(AnswerBroken, match="is empty and does not say so"):
        night.pull(attempts=1)
    night.pull()
    assert night.is_right(*RECENT)


@pytest.mark.parametrize("answer", ["chunks", "length", "gzip of nothing"])
def test_an_empty_day_lands_without_rows_and_is_not_asked_for_for_ever(night: Night, answer: str) -> None:
    night.history, night.look_back = timedelta(days=1), timedelta()
    night.server.days[YESTERDAY] = []
    if answer != "chunks":
        whole = Misbehaviour("reversed" if answer == "length" else "damaged gzip")
        night.server.misbehaviours = [whole]  # of nothing, the "damage" is none
    assert night.pull().rows == 0
    assert night.landed() == {YESTERDAY: []}
    night.pull()
    assert night.server.asked_days == [YESTERDAY]
    assert night.sleeps == []


def test_the_same_lines_in_another_order_change_nothing(night: Night) -> None:
    night.pull()
    before = night.landed()
    night.server.misbehaviours = [Misbehaviour("reversed")] * 3
    night.now += timedelta(hours=1)
    report = night.pull()
    assert report.days_read == 2  # the look-back
    assert report.changed_days == ()
    assert night.landed() == before


def test_doubled_lines_are_kept_for_the_models_to_count(night: Night) -> None:
    night.history = timedelta(days=1)
    night.server.misbehaviours = [Misbehaviour("doubled")]
    night.pull()
    assert night.landed() == {YESTERDAY: sorted([*night.server.lines(YESTERDAY)] * 2)}
    report = night.pull()
    assert report.changed_days == (YESTERDAY,)
    assert night.is_right(YESTERDAY)


def test_half_an_emoji_lands_as_a_line_that_can_be_read(night: Night) -> None:
    night.history = timedelta(days=1)
    night.server.days[YESTERDAY] = [event(YESTERDAY, 1, text="ok \ud83d"), event(YESTERDAY, 2, text="😀")]
    night.pull()
    lines = night.landed()[YESTERDAY]
    assert [json.loads(line)["properties"]["text"] for line in lines] == ["ok ?", "😀"]


def test_a_day_rewritten_inside_the_look_back_is_pulled_again_and_outside_it_is_not(night: Night) -> None:
    night.pull()
    old = night.landed()
    night.now += timedelta(days=1)
    for day in RECENT:
        night.server.days[day] = [*some_days()[day], event(day, 80_000, "Late")]
    night.server.requests.clear()
    report = night.pull()
    # seen two days after its end (the look-back), days_ago(3) is done with
    assert night.server.asked_days == [days_ago(2), days_ago(1), TODAY]
    assert report.changed_days == (days_ago(2), days_ago(1), TODAY)
    landed = night.landed()
    assert landed[days_ago(3)] == old[days_ago(3)]
    assert landed[days_ago(2)] == sorted(night.server.lines(days_ago(2)))


def test_a_missed_week_is_made_up_for(night: Night) -> None:
    night.now -= timedelta(days=8)
    night.pull()
    night.now += timedelta(days=8)
    night.pull()
    assert night.is_right(*[days_ago(ago) for ago in range(1, 12)])


def test_a_range_that_is_asked_for_is_pulled_again_and_reaches_into_today_at_most(night: Night) -> None:
    night.pull()
    night.server.days[days_ago(3)] = [event(days_ago(3), 5, "Rewritten")]
    night.server.requests.clear()
    night.now += timedelta(minutes=1)
    night.pull(DayRange(days_ago(3), TODAY + timedelta(days=4)))
    assert night.server.asked_days == [*RECENT, TODAY]
    assert night.is_right(*RECENT, TODAY)
    assert PARTIAL in night.lake.days()[TODAY].parts[0].flags
    night.now += timedelta(days=1)
    night.server.days[TODAY] = [event(TODAY, second) for second in range(9)]
    assert TODAY in night.pull().changed_days
    assert night.is_right(*RECENT, TODAY)


def test_an_open_end_is_closed_by_yesterday_and_an_open_beginning_by_the_history(night: Night) -> None:
    night.pull(DayRange(first=days_ago(5)))
    assert night.server.asked_days == [days_ago(ago) for ago in (5, 4, 3, 2, 1)]
    night.server.requests.clear()
    night.now += timedelta(minutes=1)
    night.history = timedelta(days=2)
    night.pull(DayRange(last=days_ago(4)))
    assert night.server.asked_days == [days_ago(5), days_ago(4)]


def test_a_future_range_asks_for_nothing(night: Night) -> None:
    assert night.pull(DayRange(TODAY + timedelta(days=1), TODAY + timedelta(days=3))).days_read == 0
    assert night.server.requests == []


def test_a_killed_back_fill_goes_on_without_asking_again_for_days_done(night: Night) -> None:
    asked = DayRange(days_ago(9), days_ago(2))
    told = 0

    def kill_at_the_fourth(line: str) -> None:
        nonlocal told
        told += 1
        if told == 4:
            raise KeyboardInterrupt

    night.progress = kill_at_the_fourth
    with pytest.raises(KeyboardInterrupt):
        night.pull(asked)
    done = len(night.landed())
    assert 3 <= done <= 4
    night.server.requests.clear()
    night.progress = None
    night.now += timedelta(minutes=1)
    night.pull(asked)
    assert night.server.asked_days == [days_ago(ago) for ago in range(9 - done, 1, -1)]
    assert night.is_right(*[days_ago(ago) for ago in range(2, 10)])


def test_the_hourly_quota_is_waited_for_and_said(night: Night) -> None:
    night.history = timedelta(days=5)
    pull_mixpanel(
        night.lake,
        replace(night.project, requests_per_hour=4),
        Nights(ZoneInfo("UTC"), timedelta(), lambda: NOON),
        history=night.history,
        asked=EVERY_DAY,
        patience=Patience(sleep=night.sleeps.append),
        progress=night.said.append,
    )
    long = [seconds for seconds in night.sleeps if seconds > 1]
    assert len(long) == 1
    assert 3500 < long[0] <= 3600
    assert sum("4 requests an hour are allowed" in line for line in night.said) == 1


def test_the_pace_lets_start_three_a_second_and_sixty_an_hour() -> None:
    now = 0.0
    starts: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    pace = Pace(60, 3, sleep=sleep, clock=lambda: now)
    for _ in range(150):
        pace.wait("a day", lambda _: None)
        starts.append(now)
        now += 0.01
    assert all(later - earlier > 1 - 1e-9 for earlier, later in zip(starts, starts[3:], strict=False))
    assert all(later - earlier > 3600 - 1e-9 for earlier, later in zip(starts, starts[60:], strict=False))
    assert now < 2 * 3600 + 60


def test_the_doctor_exports_one_event(night: Night) -> None:
    assert "answers, with events" in check_mixpanel(night.project, YESTERDAY)
    assert night.server.requests[0].params["limit"] == "1"
    night.server.days[YESTERDAY] = []
    assert "has no event" in check_mixpanel(night.project, YESTERDAY)
    assert len(night.server.requests) == 2


def test_the_doctor_names_the_region_that_answers(night: Night) -> None:
    with MixpanelServer({}, username=USERNAME, secret="another") as elsewhere:
        regions = {"us": elsewhere.url, "eu": elsewhere.url, "in": night.server.url}
        wrong = replace(night.project, region="in", api_url=elsewhere.url)
        with pytest.raises(AccessDenied) as caught:  # with an api_url, no vendor's host is tried
            check_mixpanel(wrong, YESTERDAY, regions=regions)
        assert "answers" not in str(caught.value)

        tried = replace(night.project, region="us", api_url=None)
        with pytest.raises(AccessDenied, match='set region = "in"'):
            check_mixpanel(tried, YESTERDAY, regions=regions)


@pytest.mark.parametrize("path", ["", "/", "/api", "/api/"])
def test_an_api_url_may_end_with_api_or_not(night: Night, path: str) -> None:
    night.project = replace(night.project, api_url=night.server.url + path)
    night.pull()
    assert night.is_right(*RECENT)


def test_regions_have_their_own_hosts(night: Night) -> None:
    hosts = {
        region: MixpanelClient(replace(night.project, region=region, api_url=None)).raw_api
        for region in ("us", "eu", "in")
    }
    assert hosts == {
        "us": "https://data.mixpanel.com/api",
        "eu": "https://data-eu.mixpanel.com/api",
        "in": "https://data-in.mixpanel.com/api",
    }


ECHOES = [
    *[refusal(status, "echo") for status in (400, 401, 402, 403, 404, 429, 500)],
    *[
        Misbehaviour("only", text=text)
        for text in (
            json.dumps({"error": f"Basic {TOKEN} {PLANTED} {USERNAME}"}) + "\n",
            json.dumps({"error": PLANTED}).replace("G", "\\u0047"),
            f"<html>x=Basic {TOKEN}&amp;y={html.escape(PLANTED)}</html>",
            f"<html>{html.escape(PLANTED)}</html>".replace("h", "&#104;"),
            f"sent {TOKEN.rstrip('=')}",
            f"sent {quote(PLANTED, safe='')}",
            f"sent {quote_plus(PLANTED)}",
        )
    ],
    Misbehaviour("cut body"),
]


def locals_of(error: SourceError) -> Iterator[str]:
    """What a traceback with local variables shows of the program's own frames and its libraries'."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    shown = traceback.TracebackException(type(error), error, trace, capture_locals=True)
    return shown.format()


@pytest.mark.parametrize("wrong", ECHOES, ids=lambda wrong: f"{wrong.kind} {wrong.status}")
def test_the_secret_shows_nowhere(
    night: Night, wrong: Misbehaviour, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[str] = []
    with caplog.at_level(logging.DEBUG):
        night.server.misbehaviours = [wrong, wrong]
        for attempt in (lambda: check_mixpanel(night.project, YESTERDAY), lambda: night.pull(attempts=1)):
            try:
                attempt()
            except SourceError as error:
                shown += [str(error), repr(error), repr(error.__dict__), *traceback.format_exception(error)]
                if not wrong.text.startswith(("{", "<", "sent")):  # a line that echoes is a local itself
                    shown += locals_of(error)
        night.pull()
    assert night.is_right(*RECENT)
    assert "/2.0/export" in caplog.text  # the records of the HTTP client are among them
    printed = capsys.readouterr()
    shown += [caplog.text, *(repr(record.__dict__) for record in caplog.records), printed.out, printed.err]
    shown += [*night.said, repr(night.project), repr(MixpanelClient(night.project).__dict__)]
    for path in night.root.rglob("*"):
        shown.append(path.name)
        if path.is_file():
            data = path.read_bytes()
            shown.append((gzip.decompress(data) if path.suffix == ".gz" else data).decode())
    everything = "\n".join(shown)
    for form in ("Geheimnis", TOKEN.rstrip("="), TOKEN[:40]):
        assert form not in everything


def test_lines_are_sorted_the_same_however_little_memory_there_is(tmp_path: Path) -> None:
    lines = [f"{n * 7919 % 1000}-ä".encode() + b"\n" * (n % 2) for n in range(3000)]
    rows = {write_sorted(lines, tmp_path / f"{size}.gz", chunk_bytes=size) for size in (500, 9_000, 10**9)}
    assert rows == {3000}
    files = [path.read_bytes() for path in tmp_path.iterdir()]
    assert len(files) == 3
    assert len(set(files)) == 1
    assert files[0][4:8] == bytes(4)  # no date, which would make another version of it every second
    assert gzip.decompress(files[0]).splitlines() == sorted(line.strip() for line in lines)


PULL_AND_MEASURE = """
import json, sys, time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo
from connectors.day_pull import Nights
from connectors.day_range import EVERY_DAY
from connectors.landing import SourceLake
from connectors.mixpanel_api import MixpanelProject, pull_mixpanel
from connectors.patience import Patience
from connectors.secret import Secret
url, root = sys.argv[1:]
def peak():  # in bytes, of this process alone; ru_maxrss begins with its parent's
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024
before = peak()
started = time.monotonic()
report = pull_mixpanel(
    SourceLake(Path(root), "mixpanel"),
    MixpanelProject(123, "us", Secret("u"), Secret("s"), api_url=url),
    Nights(ZoneInfo("UTC"), timedelta(), lambda: datetime(2026, 3, 20, 12, tzinfo=UTC)),
    history=timedelta(days=1), asked=EVERY_DAY, patience=Patience(attempts=1),
    progress=lambda line: print(line, file=sys.stderr),
)
seconds = time.monotonic() - started
measured = {"rows": report.rows, "seconds": seconds, "extra": peak() - before, "peak": peak()}
print(json.dumps(measured))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measures memory as Linux tells it")
def test_a_day_of_a_million_events_takes_less_than_200_mb(tmp_path: Path) -> None:
    texts = [random.Random(n).randbytes(190).hex() for n in range(5_000)]

    def many() -> Iterator[dict[str, object]]:
        for n in range(1_000_000):
            text, second = texts[n * 31 % len(texts)], n * 7919 % 86_400
            yield event(YESTERDAY, second, f"Event {n % 40}", f"user-{n % 99_991}", text=text, n=n)

    with MixpanelServer({YESTERDAY: many}, username="u", secret="s") as server:
        run = subprocess.run(
            [sys.executable, "-c", PULL_AND_MEASURE, server.url, str(tmp_path / "lake")],
            capture_output=True,
            text=True,
            check=True,
        )
    measured = json.loads(run.stdout)
    assert measured["rows"] == 1_000_000
    assert measured["extra"] < 200_000_000
    print(measured, run.stderr.splitlines()[-1])  # shown with pytest -s


def shifted(day: date, hours: float, events: int = 60) -> list[dict[str, object]]:
    """Events over a whole day that begins so many hours after midnight UTC."""
    step = 86_400 // events
    return [event(day, int(hours * 3600) + number * step, "Viewed", f"u{number}") for number in range(events)]


def remarks_of(night: Night, zone: str = "UTC", times: str = "UTC", day: date = YESTERDAY) -> tuple[str, ...]:
    night.now += timedelta(minutes=1)  # each time the day is asked for anew
    report = pull_mixpanel(
        night.lake,
        night.project,
        Nights(ZoneInfo(zone), timedelta(), lambda: night.now),
        history=timedelta(days=1),
        asked=DayRange(day, day),
        patience=Patience(sleep=night.sleeps.append),
        progress=night.said.append,
        times=ZoneInfo(times),
    )
    return report.remarks


def test_days_of_another_zone_than_the_configs_are_remarked_with_the_zone_that_fits(night: Night) -> None:
    night.server.days[YESTERDAY] = shifted(YESTERDAY, -9)  # Tokyo's day
    (remark,) = remarks_of(night)
    assert "from 2026-03-18 15:00 to 2026-03-19 14:36 (UTC)" in remark
    assert "Set project_timezone of this source" in remark
    assert "(UTC+9 would fit)" in remark
    assert remarks_of(night, "Asia/Tokyo") == ()
    (remark,) = remarks_of(night, "Asia/Kolkata")
    assert "a day of Asia/Kolkata is from 18:30 to 18:30" in remark


def test_a_quiet_night_leaves_several_zones_that_fit_and_a_quiet_day_none_to_speak_of(night: Night) -> None:
    day_time = [event(YESTERDAY, -8 * 3600 + 600 * n, "Viewed", f"u{n}") for n in range(60)]
    night.server.days[YESTERDAY] = day_time
    (remark,) = remarks_of(night)
    assert "(UTC+8 to UTC+14 would fit)" in remark
    night.server.days[YESTERDAY] = day_time[:49]
    assert remarks_of(night) == ()


def test_times_on_a_wall_clock_are_compared_as_such(night: Night) -> None:
    """Old projects write their wall clock; on 29 March 2026 Madrid's has 23 hours."""
    night.now = datetime(2026, 4, 1, 12, tzinfo=UTC)
    for day in (YESTERDAY, date(2026, 3, 29)):
        night.server.days[day] = shifted(day, 0)
        assert remarks_of(night, "Europe/Madrid", "Europe/Madrid", day) == ()
    # the same project, did it write UTC
    night.server.days[YESTERDAY] = shifted(YESTERDAY, -1)
    assert remarks_of(night, "Europe/Madrid", "UTC") == ()
    (remark,) = remarks_of(night, "Europe/Madrid", "Europe/Madrid")
    assert "(UTC+1 would fit)" in remark
    assert 'keep timezone = "Europe/Madrid" only if' in remark


def test_half_an_hour_of_another_day_is_no_other_zone(night: Night) -> None:
    night.server.days[YESTERDAY] = shifted(YESTERDAY, -0.5)
    assert remarks_of(night) == ()
    night.server.days[YESTERDAY] = shifted(YESTERDAY, -0.6)
    assert len(remarks_of(night)) == 1


def test_429_without_a_time_waits_until_the_hour_of_our_own_requests_frees(night: Night) -> None:
    night.project = replace(night.project, requests_per_hour=9)
    night.history, night.server.misbehaviours = timedelta(days=4), [refusal(429)]

    def pull(longest: float) -> None:
        pull_mixpanel(
            night.lake,
            night.project,
            Nights(ZoneInfo("UTC"), timedelta(), lambda: night.now),
            history=night.history,
            asked=EVERY_DAY,
            patience=Patience(attempts=2, longest_wait_seconds=longest, sleep=night.sleeps.append),
            progress=night.said.append,
        )

    pull(900)
    assert all(seconds <= 2 for seconds in night.sleeps), "one request of nine: the hour is not used up"
    night.sleeps.clear()
    night.now += timedelta(minutes=55)
    night.history, night.server.misbehaviours = timedelta(days=5), [refusal(429)]
    pull(900)
    assert [seconds for seconds in night.sleeps if seconds > 2] == [300]
    assert night.is_right(*[days_ago(ago) for ago in range(1, 6)])
    night.sleeps.clear()
    night.history, night.server.misbehaviours = timedelta(days=6), [refusal(429)]
    pull(200)
    assert [seconds for seconds in night.sleeps if seconds > 2] == [200]


def test_the_pace_is_shared_over_a_file_and_survives_a_damaged_one(tmp_path: Path) -> None:
    now = 1_000_000.0
    slept: list[float] = []
    said: list[str] = []

    def pace() -> Pace:
        return Pace(4, 100, sleep=slept.append, clock=lambda: now, memory=tmp_path / "pace.json")

    for _ in range(3):
        pace().wait("a day", said.append)
    pace().count()
    assert slept == []
    now += 600
    pace().wait("a day", said.append)
    assert slept == [3000.0]
    assert said == ["a day: waiting 3,000 s, for 4 requests an hour are allowed"]
    (tmp_path / "pace.json").write_bytes(b"\xff{")
    pace().wait("a day", said.append)
    now -= 10 * 86_400  # the machine's clock was wrong
    pace().wait("a day", said.append)
    assert len(slept) == 1


def test_the_doctors_request_counts_and_never_waits(night: Night) -> None:
    night.root.mkdir()
    pace = Pace(1, 1, sleep=night.sleeps.append, memory=night.root / "pace.json")
    for _ in range(2):
        check_mixpanel(night.project, YESTERDAY, pace=pace)
    assert night.sleeps == []
    pace.wait("a day", night.said.append)
    assert len(night.sleeps) == 1
