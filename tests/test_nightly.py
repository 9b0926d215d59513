"""The Prefect flow: its artifacts, its retries, and a night on a real server with a real worker."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import duckdb
import httpx
import pytest
from markdown_it import MarkdownIt
from mixpanel_server import MixpanelServer, refusal
from test_alerts import Webhook

os.environ.setdefault("DO_NOT_TRACK", "1")  # prefect looks at it when it is imported

from prefect.flows import load_flow_from_entrypoint

from connectors.errors import AccessDenied, FileForeign, QuotaExhausted, VendorUnavailable
from pipelines.errors import ConfigError, PainpointsError
from pipelines.night_retries import can_pull_again, is_storage_trouble
from pipelines.night_summary import (
    BREAKS_SHOWN,
    PICTURE_BYTES,
    escaped,
    findings_table,
    read_night,
    sentence,
    small_picture,
    summary,
)
from pipelines.nightly import nightly

T = TypeVar("T")
ROOT = Path(__file__).parent.parent
NIGHT = date(2026, 3, 12)
HOSTILE = "Shop | Web\nteam <b>*now*</b> `x` [a](http://b) \\| 5 & 6 ~~no~~ a_b_c"
SECRET = "a secret/of+the service=="
START_SECONDS = 180.0
RUN_SECONDS = 240.0


# --- the artifacts ---------------------------------------------------------------------------------


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A published file with the columns the artifacts read."""
    path = tmp_path / "painpoints.duckdb"
    with closing(duckdb.connect(str(path))) as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.pain_points (pain_point_id text, headline text, status text, owner text, "
            "lost_per_week double, lost_value double, lost_low double, currency text, q_value double)"
        )
        connection.execute("create table marts.runs (data_as_of date)")
        connection.execute(
            "create table marts.tracking_health "
            "(source text, day date, check_name text, status text, detail text)"
        )
        connection.execute("create table marts.events as select range as n from range(1234)")
        connection.execute("create table marts.sessions as select range as n from range(30)")
        connection.execute("create table marts.attempts as select range as n from range(20)")
    return path


def insert(path: Path, table: str, *rows: tuple[Any, ...]) -> None:
    with closing(duckdb.connect(str(path))) as connection:
        for row in rows:
            connection.execute(f"insert into marts.{table} values ({', '.join('?' * len(row))})", row)


def add_findings(path: Path) -> None:
    insert(path, "runs", (NIGHT - timedelta(days=1),), (NIGHT,))
    insert(
        path,
        "pain_points",
        ("a", "wide guess", "ongoing", None, 50.0, 900.0, 1.0, "EUR", 0.001),
        ("b", f"cart to buy {HOSTILE}", "new", HOSTILE, 12.34, 1234.5, 40.0, "EUR", 0.00012345678),
        ("c", "no money", "worsening", "Web", float("nan"), None, None, "EUR", float("nan")),
        ("d", "over", "resolved", "Web", 9.0, 9.0, 9.0, "EUR", 0.1),
    )


def test_the_table_lists_open_findings_the_surest_loss_first(published: Path) -> None:
    add_findings(published)

    table = findings_table(read_night(published))

    line = " ".join(HOSTILE.split())
    assert table == [
        {
            "rank": 1,
            "headline": f"cart to buy {line}",
            "status": "new",
            "owner": line,
            "lost per week": 12.3,
            "money": "1,234 EUR",
            "q": 0.000123,
        },
        {
            "rank": 2,
            "headline": "wide guess",
            "status": "ongoing",
            "owner": "",
            "lost per week": 50.0,
            "money": "900 EUR",
            "q": 0.001,
        },
        {
            "rank": 3,
            "headline": "no money",
            "status": "worsening",
            "owner": "Web",
            "lost per week": None,
            "money": "",
            "q": None,
        },
    ]
    json.dumps(table, allow_nan=False)


def test_a_night_without_findings_says_so(published: Path) -> None:
    night = read_night(published)

    (row,) = findings_table(night)
    assert row["headline"] == sentence(night) == "No pain point is open."
    text = summary(night, Path("/shop/reports/journey-map.html"))
    assert "no night judged yet" in text
    assert "Pain points: none" in text
    assert "Broken tracking" not in text


def test_the_summary_says_broken_tracking_first(published: Path) -> None:
    add_findings(published)
    recent = [("crm", NIGHT - timedelta(days=n % 6), "event_vanished", "broken", HOSTILE) for n in range(25)]
    insert(
        published,
        "tracking_health",
        *recent,
        ("crm", NIGHT - timedelta(days=30), "event_vanished", "broken", "long ago"),
        ("crm", NIGHT, "duplicates", "info", "harmless"),
    )

    text = summary(read_night(published), Path("/shop/reports/journey_map.html"))

    assert text.startswith("**Broken tracking in the last 7 days of data: 25.**")
    assert text.index("and 5 more in") < text.index(
        "3 pain points are open, 1 of them new. First: cart to buy"
    )
    assert "Data as of 2026-03-12" in text
    assert "Published: 1,234 events, 30 sessions, 20 attempts" in text
    assert "Pain points: 1 new, 1 ongoing, 1 resolved, 1 worsening" in text
    assert "long ago" not in text
    assert "harmless" not in text
    _, rows = rendered(text)
    line = " ".join(HOSTILE.split())
    assert rows[0] == ["source", "day", "check", "detail"]
    assert len(rows) == BREAKS_SHOWN + 1
    assert all(row[0] == "crm" and row[2] == "event_vanished" and row[3] == line for row in rows[1:])


def test_a_source_that_failed_is_said_before_all_else(published: Path) -> None:
    add_findings(published)
    insert(
        published,
        "tracking_health",
        ("crm", NIGHT, "event_vanished", "broken", "gone"),
        ("mixpanel", NIGHT + timedelta(days=1), "source_failed", "broken", HOSTILE),
    )
    text = summary(read_night(published), Path("/shop/reports/journey-map.html"))
    assert text.startswith("**1 source failed; the night was built from what landed.**\n\n- mixpanel: ")
    assert text.index("mixpanel") < text.index("**Broken tracking in the last 7 days of data: 1.**")


def test_the_picture_of_the_map_is_shown_unless_it_is_too_large(tmp_path: Path) -> None:
    assert small_picture(tmp_path / "none") is None
    (tmp_path / "funnel.png").write_bytes(b"x")
    (tmp_path / "journey-map.png").write_bytes(b"x")
    assert small_picture(tmp_path) == tmp_path / "journey-map.png"
    (tmp_path / "journey-map.png").write_bytes(b"x" * (PICTURE_BYTES + 1))
    assert small_picture(tmp_path) == tmp_path / "funnel.png"


def test_user_text_is_text_in_markdown() -> None:
    paragraphs, rows = rendered(escaped(HOSTILE))

    assert paragraphs == [" ".join(HOSTILE.split())]
    assert rows == []


def rendered(markdown: str) -> tuple[list[str], list[list[str]]]:
    """Paragraphs and table rows as a reader sees them; fails when user text became markup."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    paragraphs: list[str] = []
    rows: list[list[str]] = []
    for before, token in pairwise(tokens):
        if token.type == "tr_open":
            rows.append([])
        if token.type != "inline":
            continue
        parts = token.children or []
        assert not {part.type for part in parts} - {"text", "text_special", "strong_open", "strong_close"}
        text = "".join(part.content for part in parts)
        if before.type in ("th_open", "td_open"):
            rows[-1].append(text)
        else:
            paragraphs.append(text)
    return paragraphs, rows


# --- what is tried again ---------------------------------------------------------------------------


def test_only_what_waiting_can_help_is_pulled_again() -> None:
    assert can_pull_again(ConnectionResetError("gone"))
    assert can_pull_again(OSError("disk"))
    assert not can_pull_again(FileForeign("no column", where="a.csv", remedy="Map it"))
    assert not can_pull_again(ConfigError("wrong"))
    assert can_pull_again(VendorUnavailable("no answer", where="vendor", remedy="Wait"))
    assert not can_pull_again(AccessDenied("not yours", where="vendor", remedy="Ask"))


@pytest.mark.parametrize(("seconds", "again"), [(None, True), (600.0, True), (3600.0, False)])
def test_a_vendor_that_asks_for_a_long_wait_is_left_alone_and_the_error_names_it(
    seconds: float | None, again: bool
) -> None:
    slow = QuotaExhausted("slow down", where="vendor", remedy="Wait", retry_after_seconds=seconds)
    assert can_pull_again(slow) == again
    assert ("asks to wait 3,600 s" in str(slow)) == (seconds == 3600)


def test_a_back_fill_that_ends_before_it_begins_is_refused_before_anything(tmp_path: Path) -> None:
    with pytest.raises(PainpointsError, match="from_day 2026-03-05 is after to_day 2026-03-04"):
        nightly.fn(str(tmp_path / "none"), date(2026, 3, 5), date(2026, 3, 4))


def test_writing_is_tried_again_only_after_trouble_with_the_disk_or_a_lock() -> None:
    locked = PainpointsError("cannot be opened")
    locked.__cause__ = duckdb.IOException("Could not set lock")
    assert is_storage_trouble(locked)
    assert is_storage_trouble(OSError("disk full"))
    assert not is_storage_trouble(PainpointsError("a check failed"))
    assert not is_storage_trouble(duckdb.BinderException("no such column"))
    assert not is_storage_trouble(None)


def test_the_entrypoint_of_the_deployment_is_the_flow() -> None:
    # without use_placeholder_flow=False an import error hides behind a placeholder
    loaded = load_flow_from_entrypoint("pipelines.nightly:nightly", use_placeholder_flow=False)

    assert loaded is nightly
    assert loaded.name == "painpoints-nightly"


# --- a night on a server ---------------------------------------------------------------------------


@pytest.mark.slow
def test_a_night_from_the_deployment_to_the_artifacts(
    platform: Platform, workspace: Path, mixpanel: MixpanelServer, webhook: Webhook
) -> None:
    """Two sources, one of them live: its credentials are Secret blocks of the server, and nowhere else.

    The second night the vendor refuses: the night is published all the same, and ends as failed.
    """
    deployment = platform.get("/deployments/name/painpoints-nightly/nightly")
    assert deployment["work_pool_name"] == "painpoints"
    assert deployment["parameters"] == {"workspace": "./workspace"}
    assert [each["schedule"]["cron"] for each in deployment["schedules"]] == ["30 4 * * *"]
    assert [each["schedule"]["timezone"] for each in deployment["schedules"]] == ["Europe/Madrid"]
    assert deployment["global_concurrency_limit"]["limit"] == 1
    assert deployment["concurrency_options"]["collision_strategy"] == "ENQUEUE"
    assert deployment["pull_steps"] == [
        {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
    ]
    back_fill = platform.get("/deployments/name/painpoints-nightly/back-fill")
    assert back_fill["parameters"] == {"workspace": "./workspace", "from_day": None, "to_day": None}
    assert back_fill["schedules"] == []

    run = platform.run(deployment["id"], {"workspace": str(workspace)})

    assert run["state"]["type"] == "COMPLETED", platform.story(run)
    tasks = {"pull crm": 1, "pull mixpanel": 1, "build": 1, "detect": 1, "report": 1, "alert": 1}
    assert soon(lambda: platform.task_runs(run), lambda found: found == tasks) == tasks
    limit = platform.get("/v2/concurrency_limits/painpoints-writer")
    assert (limit["limit"], limit["active_slots"]) == (1, 0)
    check_artifacts(platform, workspace)
    check_assets(platform, run)
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert mixpanel.asked_days == [yesterday - timedelta(days=1), yesterday]
    account = platform.get("/v2/concurrency_limits/painpoints-mixpanel-123")
    assert (account["limit"], account["active_slots"]) == (1, 0)
    assert "crm: exports/crm.csv" in soon(lambda: platform.logs(run), lambda text: "exports" in text)
    (told,) = webhook.heard
    assert "new" in told["subject"]

    mixpanel.misbehaviours.append(refusal(403, "not yours"))  # its body repeats what was sent to it

    # a back-fill, which is the same flow with days
    days = {"from_day": str(yesterday), "to_day": str(yesterday)}
    partial = platform.run(back_fill["id"], {"workspace": str(workspace)} | days)

    assert (partial["state"]["type"], partial["state"]["name"]) == ("FAILED", "Partial"), platform.story(
        partial
    )
    assert partial["state"]["message"].startswith("source mixpanel: ")
    assert "not yours" in partial["state"]["message"]
    # not tried again, and the rest of the night goes on
    assert soon(lambda: platform.task_runs(partial), lambda found: found == tasks) == tasks
    errors = soon(lambda: platform.logs(partial, level=40), lambda text: "source mixpanel: " in text)
    assert "not yours" in errors
    summary_now = platform.get("/artifacts/painpoints-summary/latest")["data"]
    assert summary_now.startswith("**1 source failed; the night was built from what landed.**")
    with closing(duckdb.connect(str(workspace / "painpoints.duckdb"), read_only=True)) as connection:
        statuses = connection.execute("select status from marts.runs order by started_at").fetchall()
    assert statuses == [("done",), ("partial",)]
    # the same night again: of the findings nothing is told twice, of the source that failed it is
    assert [each["subject"].split(": ")[1] for each in webhook.heard[1:]] == ["1 tracking broken"]

    # at debug level too: no log, no state, no artifact, and no file of the workspace or of the server
    for shown in (run, partial):
        assert SECRET not in platform.logs(shown) + json.dumps(shown)
    assert SECRET not in json.dumps(platform.post("/artifacts/filter", {}))
    files = [path for folder in (workspace, platform.folder) for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "prefect.db" for path in files)
    assert [path for path in files if SECRET.encode() in path.read_bytes()] == []


def check_assets(platform: Platform, run: dict[str, Any]) -> None:
    """The lineage from the vendor to the marts, as the server's events have it."""
    asked = {"event": {"prefix": ["prefect.asset.materialization.succeeded"]}}

    def read() -> dict[str, set[str]]:
        found = platform.post("/events/filter", {"filter": asked, "limit": 50})["events"]
        return {
            event["resource"]["prefect.resource.id"].partition("/shop/")[2]: {
                each["prefect.resource.id"]
                for each in event["related"]
                if each["prefect.resource.role"] == "asset"
            }
            for event in found
        }

    assets = soon(read, lambda found: "reports/journey-map" in found)
    assert assets["lake/mixpanel"] == {"mixpanel://us/123"}
    assert assets["lake/crm"] == {"file://exports/crm*.csv"}
    lakes = {each.rpartition("/shop/")[2] for each in assets["marts/attempts"]}
    assert {"lake/crm", "lake/mixpanel"} <= lakes
    assert "marts/stage_cohorts" in {each.rpartition("/shop/")[2] for each in assets["marts/pain_points"]}
    assert "marts/pain_points" in {each.rpartition("/shop/")[2] for each in assets["reports/journey-map"]}


def check_artifacts(platform: Platform, workspace: Path) -> None:
    with closing(duckdb.connect(str(workspace / "painpoints.duckdb"), read_only=True)) as connection:
        found = connection.execute(
            "select headline, status, owner, lost_per_week from marts.pain_points where status <> 'resolved'"
        ).fetchall()
        night = connection.execute("select max(night) from marts.pain_point_history").fetchall()[0][0]
        runs = connection.execute("select status, events from marts.runs").fetchall()
        events = connection.execute("select count(*) from marts.events").fetchall()[0][0]
        broken = connection.execute(
            "select count(*) from marts.tracking_health where status = 'broken'"
        ).fetchall()[0][0]
    assert found
    assert broken
    assert runs == [("done", events)]

    table = json.loads(platform.get("/artifacts/painpoints-findings/latest")["data"])
    assert sorted(
        (row["headline"], row["status"], row["owner"], row["lost per week"]) for row in table
    ) == sorted(
        (" ".join(headline.split()), status, " ".join(owner.split()), round(lost, 1))
        for headline, status, owner, lost in found
    )
    assert [row["rank"] for row in table] == list(range(1, len(found) + 1))

    text = platform.get("/artifacts/painpoints-summary/latest")["data"]
    assert text.startswith(f"**Broken tracking in the last 7 days of data: {broken}.**")
    assert f"Data as of {night}" in text
    assert f"{events:,} events" in text
    assert escaped(table[0]["headline"]) in text
    (report,) = (workspace / "reports").glob("*.html")
    assert escaped(str(report)) in text
    assert "[all findings](</artifacts/key/painpoints-findings>)" in text
    assert "[journey map](<https://shop.example/map>)" in text
    for key in ("pull-crm", "pull-mixpanel", "build", "detect", "report"):
        assert platform.get(f"/artifacts/painpoints-{key}/latest")["data"] == 100.0


@pytest.fixture
def mixpanel() -> Iterator[MixpanelServer]:
    """A vendor without events, that asks for credentials all the same."""
    with MixpanelServer(secret=SECRET) as server:
        yield server


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server, ThreadPoolExecutor(1) as thread:
        thread.submit(server.serve_forever, 0.1)
        yield server
        server.shutdown()


@pytest.fixture
def workspace(tmp_path: Path, mixpanel: MixpanelServer) -> Path:
    """A shop of 20 days: 30 people look a day, 24 put into the cart, 6 buy; once the cart is not tracked."""
    root = tmp_path / "shop"
    (root / "exports").mkdir(parents=True)
    (root / "journeys").mkdir()
    (root / "painpoints.toml").write_text(
        'timezone = "Europe/Madrid"\n[sources.crm]\nkind = "table"\nfiles = "exports/crm*.csv"\n'
        'columns = {event_at = "time", event_name = "event", user_id = "user_id", value = "value"}\n'
        f'[sources.mixpanel]\nproject_id = 123\napi_url = "{mixpanel.url}"\nhistory = "2d"\n'
        "[detection]\nreplay_nights = 2\n"
        '[alerts]\nlink = "https://shop.example/map"\n'
        '[alerts.receivers.shop]\nblock = "custom-webhook/shop"\n',
        "utf-8",
    )
    owner = json.dumps("Shop | Web\nteam")
    (root / "journeys" / "shop.yaml").write_text(
        "journey: shop\nwindow: 1d\nsegments: []\nsources: [crm]\nstages:\n"
        f"  - {{name: look, match: [{{event: view}}], owner: {owner}}}\n"
        f"  - {{name: cart, match: [{{event: cart}}], owner: {owner}, ideal: {{conversion: 0.8}}}}\n"
        "  - {name: buy, match: [{event: buy}], value: value, ideal: {conversion: 0.7}}\n",
        "utf-8",
    )
    first, days = datetime(2026, 3, 1, 9), 20
    with (root / "exports" / "crm.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["user_id", "event", "time", "value"])
        for day in range(days):
            for n in range(30):
                user, at = f"user-{day}-{n}", first + timedelta(days=day, minutes=n)
                writer.writerow([user, "view", at, ""])
                if n < 24 and day != days - 3:
                    writer.writerow([user, "cart", at + timedelta(minutes=5), ""])
                if n < 6:
                    writer.writerow([user, "buy", at + timedelta(minutes=9), "40"])
    return root


@dataclass(frozen=True)
class Platform:
    """A server with a worker, spoken to as the UI does."""

    api: httpx.Client
    folder: Path
    env: dict[str, str]

    def get(self, path: str) -> Any:
        return self.ask("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        return self.ask("POST", path, body)

    def ask(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        """Ask as Prefect's own client does: its SQLite is locked at times, it says 503 and means "again"."""
        for wait in (0.2, 0.5, 1.0, 2.0, 4.0, 8.0):
            answer = self.api.request(method, path, json=body)
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                break
            time.sleep(wait)
        return answer.raise_for_status().json()

    def run(self, deployment: str, parameters: dict[str, str]) -> dict[str, Any]:
        """Trigger a run and wait until it is over."""
        once = {"idempotency_key": str(uuid4())}  # asked twice, it still is one run
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}} | once
        run: dict[str, Any] = self.post(f"/deployments/{deployment}/create_flow_run", body)
        end = time.monotonic() + RUN_SECONDS
        while run["state"]["type"] not in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
            if time.monotonic() > end:
                pytest.fail(f"not over after {RUN_SECONDS:.0f} s\n{self.story(run)}")
            time.sleep(1)
            run = self.get(f"/flow_runs/{run['id']}")
        return run

    def task_runs(self, run: dict[str, Any]) -> dict[str, int]:
        """Name and number of tries of every task of a run."""
        found = self.post("/task_runs/filter", {"flow_runs": {"id": {"any_": [run["id"]]}}})
        return {each["name"]: each["run_count"] for each in found}

    def logs(self, run: dict[str, Any], level: int = 0) -> str:
        which = {"flow_run_id": {"any_": [run["id"]]}, "level": {"ge_": level}}
        body = {"logs": which, "sort": "TIMESTAMP_ASC"}
        return "\n".join(each["message"] for each in self.post("/logs/filter", body))

    def story(self, run: dict[str, Any]) -> str:
        """Everything known of a run that went wrong."""
        texts = [f"state: {run['state']}", f"logs of the run:\n{self.logs(run)}"]
        for path in sorted(self.folder.glob("*.log")):
            texts.append(f"{path.name}:\n{path.read_text('utf-8', 'replace')[-6000:]}")
        return "\n\n".join(texts)


@pytest.fixture
def platform(tmp_path: Path, mixpanel: MixpanelServer, webhook: Webhook) -> Iterator[Platform]:
    """A server with a fresh database, a process worker, which makes its pool, and prefect.yaml deployed."""
    folder = tmp_path / "platform"
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    env = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")} | {
        "PREFECT_HOME": str(folder),
        "PREFECT_API_URL": url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_LEVEL": "DEBUG",
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "NO_PROXY": "127.0.0.1",
    }
    server = ["server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (
        started(server, env, folder / "server.log") as process,
        httpx.Client(base_url=url, trust_env=False, timeout=60) as api,
    ):
        wait_for(api, process, folder / "server.log")
        worker = ["worker", "start", "--pool", "painpoints", "--type", "process"]
        with started(worker, env, folder / "worker.log"):
            secrets = {"mixpanel-service-account": mixpanel.username, "mixpanel-service-secret": SECRET}
            set_up(env | {"SECRETS": json.dumps(secrets), "WEBHOOK": webhook.url})
            yield Platform(api, folder, env)


def soon(read: Callable[[], T], is_there: Callable[[T], bool]) -> T:
    """What ``read`` returns once it is complete: the server hears of tasks and logs a little later."""
    for _ in range(40):
        found = read()
        if is_there(found):
            break
        time.sleep(0.5)
    return found


# One process for what a person does in four commands: each would import Prefect for seconds.
SET_UP = """
import json, os, runpy, sys, time
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound

for name, text in json.loads(os.environ["SECRETS"]).items():
    Secret(value=text).save(name)
CustomWebhookNotificationBlock(
    name="shop", url=os.environ["WEBHOOK"], json_data={"subject": "{{subject}}", "body": "{{body}}"}
).save("shop")
with get_client(sync_client=True) as client:
    for _ in range(600):
        try:
            client.read_work_pool("painpoints")
            break
        except ObjectNotFound:
            time.sleep(0.2)
sys.argv = ["prefect", "deploy", "--all"]
runpy.run_module("prefect", run_name="__main__")
"""


def set_up(env: dict[str, str]) -> None:
    """Make the blocks, wait for the worker's pool, and deploy."""
    done = subprocess.run(
        [sys.executable, "-c", SET_UP],
        env=env,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@contextmanager
def started(arguments: list[str], env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A prefect process in a process group of its own, ended with all its children."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *arguments],
            env=env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            for how in (signal.SIGINT, signal.SIGKILL):
                try:
                    os.killpg(process.pid, how)
                    process.wait(20)
                except (ProcessLookupError, subprocess.TimeoutExpired):
                    continue


def wait_for(api: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            if api.get("/health").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    pytest.fail(f"the server did not start\n{log.read_text('utf-8', 'replace')[-6000:]}")
