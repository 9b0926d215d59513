"""The alerts of a night: a file for everyone, and a message for each receiver of the config."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb

from connectors.durable_files import replace_json, sync_file
from pipelines import alert_blocks
from pipelines.alerts_choice import News, finding_news, tracking_news
from pipelines.alerts_ledger import make_ledger, not_yet_told, remember_told, told_before
from pipelines.alerts_settings import AlertSettings, ReceiverSettings
from pipelines.alerts_text import as_json, as_markdown, message, subject_of
from pipelines.listing import list_pain_points
from pipelines.night_summary import BREAKS_DAYS
from pipelines.warehouse import open_warehouse
from pipelines.workspace import Workspace

FILE = "(file)"  # no name of a receiver: TOML keys without quotes have no brackets
FINDINGS, TRACKING = "findings", "tracking"

Send = Callable[[str, str, str, Sequence[str]], None]


@dataclass(frozen=True)
class AlertReport:
    """What was told: the night's file, how much each receiver got, and what did not go through."""

    night: date
    path: Path
    sent: Mapping[str, int]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Published:
    """What the alerts are made of, from the published file."""

    night: date
    findings: Sequence[Mapping[str, Any]]
    worsening_since: Mapping[str, date]
    breaks: Sequence[Mapping[str, Any]]


def send_alerts(workspace: Workspace, send: Send = alert_blocks.send) -> AlertReport | None:
    """Tell what is new since the night before, each receiver once; None before the first night.

    ``reports/alerts-<night>.md`` and ``.json`` are written whatever the receivers do. A receiver that
    cannot be reached is a remark, and hears what it missed on the next run.
    """
    published = _read(workspace.published)
    if published is None:
        return None
    settings, night = workspace.settings.alerts, published.night
    sent: dict[str, int] = {}
    remarks: list[str] = []
    with open_warehouse(workspace.warehouse, workspace.settings.engine) as connection:
        make_ledger(connection)
        found = _news(connection, workspace, FILE, published)
        path = _write_files(workspace, night, found[FINDINGS] + found[TRACKING])
        _remember(connection, FILE, night, found)
        for name, receiver in settings.receivers.items():
            due = _due(connection, workspace, name, receiver, published)
            told = [each for news in due.values() for each in news if each.what != "over"]
            try:
                if told:
                    send(receiver.block, subject_of(night, told), message(told, settings.link), receiver.to)
            except Exception as error:  # a block raises what its vendor's client does
                remarks.append(f"receiver {name} ({receiver.block}) was not reached: {_reason(error)}")
                continue
            _remember(connection, name, night, due)
            sent[name] = len(told)
    return AlertReport(night, path, sent, tuple(remarks))


def _reason(error: Exception) -> str:
    # an HTTP client's words hold the address, which for a webhook is the secret
    if isinstance(error, alert_blocks.NoNotifier):
        return str(error)
    status = getattr(getattr(error, "response", None), "status_code", None)
    return type(error).__name__ + (f", HTTP status {status}" if status else "")


def _due(
    connection: duckdb.DuckDBPyConnection,
    workspace: Workspace,
    name: str,
    receiver: ReceiverSettings,
    published: _Published,
) -> dict[str, list[News]]:
    """What the receiver is to hear and has not heard tonight."""
    settings: AlertSettings = workspace.settings.alerts
    news = _news(connection, workspace, name, published)
    if receiver.about == "tracking":
        news[FINDINGS] = []
    if name not in settings.hear_of_tracking():
        news[TRACKING] = []
    if receiver.owners:
        news[FINDINGS] = [each for each in news[FINDINGS] if each.owner in receiver.owners]
    return {
        about: not_yet_told(connection, name, about, published.night, all_) for about, all_ in news.items()
    }


def _news(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, name: str, published: _Published
) -> dict[str, list[News]]:
    night = published.night
    return {
        FINDINGS: finding_news(
            published.findings,
            published.worsening_since,
            told_before(connection, name, FINDINGS, night),
            night,
            workspace.today(),
            workspace.settings.alerts,
        ),
        TRACKING: tracking_news(published.breaks, told_before(connection, name, TRACKING, night)),
    }


def _remember(
    connection: duckdb.DuckDBPyConnection, name: str, night: date, found: Mapping[str, Sequence[News]]
) -> None:
    for about, news in found.items():
        remember_told(connection, name, about, night, not_yet_told(connection, name, about, night, news))


def _write_files(workspace: Workspace, night: date, news: Sequence[News]) -> Path:
    shown = [each for each in news if each.what != "over"]
    workspace.reports.mkdir(exist_ok=True)
    path = workspace.reports / f"alerts-{night}.md"
    replace_json(path.with_suffix(".json"), as_json(night, shown))
    part = path.with_name(path.name + ".part")
    part.write_text(as_markdown(night, shown), "utf-8")
    sync_file(part)
    os.replace(part, path)
    return path


_WORSENING_SINCE = """
with last_other as (
    select pain_point_id, max(night) as night
    from marts.pain_point_history
    where status <> 'worsening'
    group by pain_point_id
)
select h.pain_point_id, min(h.night) as since
from marts.pain_point_history as h
left join last_other as o on h.pain_point_id = o.pain_point_id
where h.status = 'worsening' and (o.night is null or h.night > o.night)
group by h.pain_point_id
"""
_BREAKS = """
select source, day, check_name, detail
from marts.tracking_health
where status = 'broken' and day > ?
order by day desc, source, check_name, detail
"""


def _read(path: Path) -> _Published | None:
    with closing(duckdb.connect(str(path), read_only=True)) as connection:
        night: date | None = connection.execute("select max(data_as_of) from marts.runs").fetchall()[0][0]
        if night is None:
            return None
        cursor = connection.execute(_BREAKS, [night - timedelta(days=BREAKS_DAYS)])
        names = [column[0] for column in cursor.description or []]
        breaks = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        since = dict(connection.execute(_WORSENING_SINCE).fetchall())
        return _Published(night, list_pain_points(connection), since, breaks)
