"""Alerts: what is news, to whom, and that nobody hears the same thing twice."""

from __future__ import annotations

import functools
import json
import shutil
import smtplib
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import CRM_CONFIG, make_workspace
from prefect.blocks.notifications import CustomWebhookNotificationBlock, MicrosoftTeamsWebhook
from pydantic import SecretStr

from pipelines import alert_blocks
from pipelines.alerts import Send, send_alerts
from pipelines.alerts_choice import News, Told, finding_news, tracking_news
from pipelines.alerts_settings import AlertSettings
from pipelines.alerts_text import as_markdown, message
from pipelines.settings import parse_settings
from pipelines.workspace import Workspace, open_workspace

NIGHT = date(2026, 3, 12)
HOSTILE = "<!channel> @everyone [win](http://evil) `x` {{token}}"


def finding(name: str = "pp-1", status: str = "new", **other: Any) -> dict[str, Any]:
    return {
        "pain_point_id": name,
        "kind": "regression",
        "status": status,
        "owner": "Product",
        "headline": f"{name} stalls",
        "lost_conversions": 20.0,
        "lost_value": 400.0,
        "lost_per_week": 10.0,
        "mark": None,
        "mark_until": None,
    } | other


# --- what is news ----------------------------------------------------------------------------------


def whats(row: dict[str, Any], *told: Told, since: date | None = None, **settings: Any) -> list[str]:
    news = finding_news(
        [row], {"pp-1": since} if since else {}, told, NIGHT, NIGHT + timedelta(days=1),
        AlertSettings.model_validate(settings),
    )  # fmt: skip
    return [each.what for each in news]


def ago(days: int, what: str) -> Told:
    return Told(NIGHT - timedelta(days=days), "pp-1", what)


def test_a_finding_is_new_once_whatever_its_status_when_it_is_first_told() -> None:
    assert whats(finding()) == ["new"]
    assert whats(finding(status="ongoing")) == ["new"], "nobody has heard of it before"
    for status in ("new", "ongoing", "recovering", "reopened"):
        assert whats(finding(status=status), ago(1, "new")) == []


def test_worsening_is_told_when_it_begins_and_not_every_night() -> None:
    worse = finding(status="worsening")
    assert whats(worse, ago(9, "new"), since=NIGHT) == ["worsening"]
    assert whats(worse, ago(9, "new"), ago(1, "worsening"), since=NIGHT - timedelta(days=1)) == []
    assert whats(worse, ago(40, "new"), ago(30, "worsening"), since=NIGHT - timedelta(days=30)) == []
    # one that goes to and fro is told once a week
    assert whats(worse, ago(40, "new"), ago(3, "worsening"), since=NIGHT) == []
    assert whats(worse, ago(40, "new"), ago(30, "worsening"), since=NIGHT) == ["worsening"]
    assert whats(worse, ago(9, "new"), ago(3, "worsening"), since=NIGHT, quiet="2d") == ["worsening"]


def test_a_resolved_one_is_told_to_who_heard_of_it_and_may_come_back_as_new() -> None:
    assert whats(finding(status="resolved")) == []
    assert whats(finding(status="resolved"), ago(9, "new")) == ["resolved"]
    assert whats(finding(status="resolved"), ago(9, "new"), ago(1, "resolved")) == []
    assert whats(finding(status="reopened"), ago(9, "new"), ago(1, "resolved")) == ["new"]


def test_thresholds_keep_the_small_ones_back_until_they_grow() -> None:
    assert whats(finding(), least_lost_per_week=11) == []
    assert whats(finding(), least_lost_per_week=10) == ["new"]
    assert whats(finding(), least_money_per_week=201) == []
    assert whats(finding(), least_money_per_week=200) == ["new"]
    assert whats(finding(), kinds=["slow"]) == []
    unknown = {"lost_conversions": None, "lost_per_week": None, "lost_value": None}
    assert whats(finding(**unknown), least_lost_per_week=5, least_money_per_week=5) == ["new"]


def test_a_snoozed_one_is_told_on_its_day() -> None:
    asleep = finding(mark="snoozed", mark_until=NIGHT + timedelta(days=9))
    assert whats(asleep) == []
    assert whats(asleep | {"mark_until": NIGHT}) == ["new"]


def test_a_break_is_told_when_it_begins_whatever_its_numbers_and_again_when_it_returns() -> None:
    row = {"source": "ga4", "day": NIGHT, "check_name": "event_vanished", "detail": "cart: 0 of 1,234"}
    (begun,) = tracking_news([row, row | {"day": NIGHT - timedelta(days=1), "detail": "cart: 3 of 900"}], [])
    assert begun.what == "broken"
    assert "0 of 1,234" in begun.text
    told = [Told(NIGHT - timedelta(days=1), begun.subject, "broken")]
    assert tracking_news([row | {"detail": "cart: 5 of 1,001"}], told) == []
    (over,) = tracking_news([], told)
    assert (over.subject, over.what) == (begun.subject, "over")
    again = tracking_news([row], [*told, Told(NIGHT, begun.subject, "over")])
    assert [each.what for each in again] == ["broken"]
    failed = row | {"check_name": "source_failed", "detail": "no answer"}
    (one,) = tracking_news([failed], [])
    assert tracking_news([failed | {"detail": "refused"}], [Told(NIGHT, one.subject, "broken")]) == []


# --- what is said ----------------------------------------------------------------------------------


def test_a_message_has_broken_tracking_first_and_a_digest_an_owner() -> None:
    news = [
        News("a", "new", "Product", "cart stalls"),
        News("b", "resolved", "Payments", "pay is well"),
        News("c", "worsening", "Product", "view stalls"),
        News("d", "broken", "", "ga4: gone"),
    ]
    assert message(news, "https://shop/map").splitlines() == [
        "Broken tracking:",
        "- ga4: gone",
        "",
        "Product:",
        "- New: cart stalls",
        "- Worsening: view stalls",
        "",
        "Payments:",
        "- Resolved: pay is well",
        "",
        "https://shop/map",
    ]


def test_what_visitors_wrote_mentions_and_links_nobody() -> None:
    text = message([News("a", "new", HOSTILE, HOSTILE)], None)
    for mark in ("<!", "@everyone", "](", "`"):
        assert mark not in text
    assert "everyone" in text
    assert "\\<\\!channel\\>" in as_markdown(NIGHT, [News("a", "new", "x", HOSTILE)])


# --- to whom ---------------------------------------------------------------------------------------


class Webhook(HTTPServer):
    """A receiver on this machine; ``refuses`` makes it answer 500."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[dict[str, Any]] = []
        self.refuses = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook-secret"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Webhook)
        if not self.server.refuses:
            self.server.heard.append(json.loads(body))
        self.send_response(500 if self.server.refuses else 200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    with Webhook() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def send(webhook: Webhook) -> Send:
    """The real blocks of Prefect, loaded from here rather than from a server."""

    def load(name: str) -> object:
        if name == "teams/none":
            return MicrosoftTeamsWebhook(url=SecretStr("https://127.0.0.1:9/webhookb2/a/b/c"))
        return CustomWebhookNotificationBlock(
            name=name,
            url=webhook.url,
            json_data={"to": "{{name}}", "subject": "{{subject}}", "body": "{{body}}", "key": "{{token}}"},
            secrets={"token": "hidden"},
        )

    return lambda block, subject, body, to: alert_blocks.send(block, subject, body, to, load)


@pytest.fixture
def shop(tmp_path: Path) -> Workspace:
    """A workspace with a published night; no step has run, as the alerts read published tables only."""
    folder = make_workspace(
        tmp_path / "shop",
        config=CRM_CONFIG
        + '[alerts]\nlink = "https://shop/map"\n'
        + '[alerts.receivers.product]\nblock = "custom-webhook/product"\nowners = ["Product"]\n'
        + '[alerts.receivers.oncall]\nblock = "custom-webhook/oncall"\nabout = "tracking"\n'
        + '[alerts.receivers.boss]\nblock = "custom-webhook/boss"\n',
    )
    publish(folder, NIGHT, finding(), finding("pp-2", owner="Payments"), finding("pp-3", owner=None))
    return open_workspace(folder, lambda: datetime(2026, 3, 13, 5, tzinfo=UTC))


def publish(folder: Path, night: date, *findings: dict[str, Any], breaks: int = 1) -> None:
    path = folder / "painpoints.duckdb"
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as db:
        db.execute("create schema marts")
        db.execute("create table marts.runs as select ?::date as data_as_of", [night])
        db.execute(
            "create table marts.pain_points (pain_point_id text, kind text, status text, owner text, "
            "headline text, lost_conversions double, lost_value double, lost_per_week double, mark text, "
            "mark_until date, lost_low double)"
        )
        db.execute("create table marts.pain_point_history (night date, pain_point_id text, status text)")
        db.execute(
            "create table marts.tracking_health "
            "(source text, day date, check_name text, status text, detail text)"
        )
        for each in findings:
            db.execute(
                "insert into marts.pain_points by name select " + ", ".join(f"? as {name}" for name in each),
                list(each.values()),
            )
            db.execute(
                "insert into marts.pain_point_history values (?, ?, ?)",
                [night, each["pain_point_id"], each["status"]],
            )
        for _ in range(breaks):
            db.execute(
                "insert into marts.tracking_health values ('crm', ?, 'event_vanished', 'broken', 'cart 0')",
                [night],
            )


def test_each_receiver_hears_what_is_its_own_once_and_the_file_has_it_all(
    shop: Workspace, webhook: Webhook, send: Send
) -> None:
    report = send_alerts(shop, send)

    assert report is not None
    assert (report.sent, report.remarks) == ({"product": 1, "oncall": 1, "boss": 3}, ())
    heard = {each["to"]: each for each in webhook.heard}
    assert "pp-1 stalls" in heard["custom-webhook/product"]["body"]
    assert "pp-2" not in heard["custom-webhook/product"]["body"]
    assert heard["custom-webhook/oncall"]["subject"].endswith("2026-03-12: 1 tracking broken")
    assert "cart" not in heard["custom-webhook/boss"]["body"], "tracking has its own receiver"
    assert heard["custom-webhook/boss"]["body"].endswith("https://shop/map\n")
    assert heard["custom-webhook/boss"]["key"] == "hidden"
    files = {path.name: path.read_bytes() for path in shop.reports.iterdir()}
    assert sorted(files) == ["alerts-2026-03-12.json", "alerts-2026-03-12.md"]
    told = json.loads(files["alerts-2026-03-12.json"])
    assert [each["owner"] for each in told["digests"]] == ["Product", "Payments", "no owner"]
    assert len(told["tracking"]) == 1

    again = send_alerts(shop, send)

    assert again is not None
    assert again.sent == {"product": 0, "oncall": 0, "boss": 0}
    assert len(webhook.heard) == 3, "the night was run again, and told nobody twice"
    assert {path.name: path.read_bytes() for path in shop.reports.iterdir()} == files


def test_the_next_night_tells_only_what_changed(shop: Workspace, webhook: Webhook, send: Send) -> None:
    send_alerts(shop, send)
    webhook.heard.clear()
    publish(
        shop.root,
        NIGHT + timedelta(days=1),
        finding(status="ongoing"),
        finding("pp-2", "resolved", owner="Payments"),
        finding("pp-3", "worsening", owner=None),
        breaks=0,
    )

    send_alerts(shop, send)

    (boss,) = webhook.heard
    assert boss["subject"] == "painpoints, night of 2026-03-13: 1 worsening, 1 resolved"
    assert "pp-1" not in boss["body"]


def test_data_that_ends_earlier_than_it_did_makes_nothing_news_again(
    shop: Workspace, webhook: Webhook, send: Send
) -> None:
    send_alerts(shop, send)
    heard = len(webhook.heard)
    publish(shop.root, NIGHT - timedelta(days=2), finding(), finding("pp-2", owner="Payments"))
    again = send_alerts(shop, send)
    assert again is not None
    assert again.night == NIGHT - timedelta(days=2)
    assert len(webhook.heard) == heard


def test_a_receiver_that_fails_is_a_remark_and_hears_it_later(
    shop: Workspace, webhook: Webhook, send: Send
) -> None:
    webhook.refuses = True
    failed = send_alerts(shop, send)
    assert failed is not None
    assert failed.sent == {}
    assert failed.remarks[0] == (
        "receiver product (custom-webhook/product) was not reached: HTTPStatusError, HTTP status 500"
    )
    assert failed.path.exists(), "the file is there all the same"
    webhook.refuses = False
    publish(shop.root, NIGHT + timedelta(days=1), finding(status="ongoing"), breaks=1)

    later = send_alerts(shop, send)

    assert later is not None
    assert later.sent == {"product": 1, "oncall": 1, "boss": 1}
    assert later.remarks == ()


def test_no_remark_repeats_the_address_of_a_receiver(shop: Workspace, send: Send) -> None:
    config = shop.config_path.read_text("utf-8").replace("custom-webhook/boss", "teams/none")
    shop.config_path.write_text(config, "utf-8")
    report = send_alerts(open_workspace(shop.root), send)
    assert report is not None
    assert report.sent.keys() == {"product", "oncall"}
    (remark,) = report.remarks
    assert "receiver boss (teams/none) was not reached" in remark
    assert "webhookb2" not in remark


def test_a_mail_account_needs_addresses_and_sends_plain_text() -> None:
    sent: list[EmailMessage] = []

    class Server(smtplib.SMTP):
        def __init__(self) -> None: ...  # connects nowhere

        def __exit__(self, *_: object) -> None: ...

        def send_message(self, msg: Any, *_: Any, **__: Any) -> Any:
            sent.append(msg)

    class Account:
        username = "night@shop.example"

        def get_server(self) -> smtplib.SMTP:
            return Server()

    send = functools.partial(
        alert_blocks.send, "email-server-credentials/shop", "2 new", "cart \u2039b\u203a"
    )
    with pytest.raises(alert_blocks.NoNotifier, match="no addresses in `to`"):
        send(load=lambda _: Account())
    send(["a@shop.example", "b@shop.example"], load=lambda _: Account())
    (mail,) = sent
    assert (mail["Subject"], mail["From"]) == ("2 new", "night@shop.example")
    assert mail["To"] == "a@shop.example, b@shop.example"
    assert mail.get_content() == "cart \u2039b\u203a\n"
    with pytest.raises(alert_blocks.NoNotifier, match=r"secret/x \(object\) cannot send messages"):
        alert_blocks.send("secret/x", "s", "b", load=lambda _: object())


def test_without_prefect_the_file_is_written_and_the_remark_says_what_is_missing(
    shop: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    report = send_alerts(shop)
    assert report is not None
    assert len(report.remarks) == 3
    assert "PREFECT_API_URL is not set" in report.remarks[0]
    assert "pp-1 stalls" in report.path.read_text("utf-8")


def test_without_a_tracking_receiver_breaks_go_to_who_hears_of_everyone(
    shop: Workspace, webhook: Webhook, send: Send
) -> None:
    text = shop.config_path.read_text("utf-8")
    shop.config_path.write_text(text.replace('about = "tracking"', 'owners = ["Nobody"]'), "utf-8")
    shutil.rmtree(shop.reports, ignore_errors=True)
    report = send_alerts(open_workspace(shop.root), send)
    assert report is not None
    assert report.sent == {"product": 1, "oncall": 0, "boss": 4}
    assert [each["to"] for each in webhook.heard if "cart 0" in each["body"]] == ["custom-webhook/boss"]


@pytest.mark.parametrize(
    "alerts",
    [{"receivers": {"a": {"block": "https://hooks.slack.com/services/T/B/X"}}}, {"kinds": ["all"]}, {"x": 1}],
)
def test_a_wrong_section_is_refused(alerts: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="alerts"):
        parse_settings({"sources": {"ga4": {"files": "x"}}, "alerts": alerts})
