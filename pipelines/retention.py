"""Retention: landed files and rows of events go after their time, counts stay longer.

Days are counted back from the newest day that has landed. First the counts of days that will lose their
past are frozen, then the rows go, each file whole or not at all; the ledger says what is done.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import duckdb

from connectors.manifest import PEOPLE_DATASETS
from pipelines.errors import ConfigError
from pipelines.expired_rows import find_needed_rows, keep_late_rows, keep_needed_rows
from pipelines.frozen_marts import freeze
from pipelines.lake_sweep import landed_sources, staged_name
from pipelines.retention_ledger import read_retention, write_retention
from pipelines.source_settings import LiveSource
from pipelines.sql_models import Progress
from pipelines.workspace import Workspace

# What looks back from a day looks back this far at most (sql/intermediate/tracking_levels.sql: 56 days).
LOOKING_BACK_DAYS = 60
ROW_TIMES = {
    "marts.events": "event_at",
    "marts.sessions": "started_at",
    "marts.stage_visits": "entered_at",
    "marts.attempts": "entered_at",
    "marts.recordings": "recorded_at",
    "marts.survey_answers": "answered_at",
}


@dataclass(frozen=True)
class RetentionPlan:
    """What may go tonight: the first days to keep, None for all; ``frozen_before`` goes with events."""

    raw_from: date | None = None
    events_from: date | None = None
    frozen_before: date | None = None
    marts_from: date | None = None


@dataclass(frozen=True)
class Freed:
    """What went: landed days whose files went, staged days that lost rows, bytes."""

    raw_days: int = 0
    event_days: int = 0
    bytes: int = 0


def refuse_too_short(workspace: Workspace) -> None:
    """Raise ConfigError where events would go before the counts of their days are final."""
    days, least = workspace.settings.retention.event_days, least_event_days(workspace)
    if days is not None and days < least:
        raise ConfigError(
            f"{workspace.config_path}, retention.event_days = {days}: it takes at least {least} with these "
            f"journeys and sources: {LOOKING_BACK_DAYS} days that later days are compared with, the longest "
            "window, and the days a vendor may still change. Nothing was changed"
        )


def least_event_days(workspace: Workspace) -> int:
    """The shortest ``event_days`` with which every count is final before its events go."""
    return LOOKING_BACK_DAYS + _settling_days(workspace)


def _settling_days(workspace: Workspace) -> int:
    """Days until a day's attempts are over and its vendors are done with it."""
    windows = [journey.window for journey in workspace.journeys]
    look_backs = [
        each.look_back for each in workspace.settings.sources.values() if isinstance(each, LiveSource)
    ]
    one = timedelta(days=1)
    return math.ceil(max(windows) / one) + math.ceil(max(look_backs, default=one) / one) + 2


def plan_retention(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> RetentionPlan:
    """What may go by the tables of the last build. Nothing goes that a count still needs."""
    settings, done = workspace.settings.retention, read_retention(workspace.lake)
    newest, horizon = connection.execute(
        "select (select max(day) from lake.days where not coalesce(is_to_come, false)), "
        "(select min(local_day(h.horizon_us, s.timezone)) from intermediate.horizons as h "
        "cross join config.settings as s)"
    ).fetchall()[0]
    if newest is None:
        return RetentionPlan(done.raw_from, done.events_from, done.frozen_before)

    def back(days: int | None) -> date | None:
        return None if days is None else newest - timedelta(days=days - 1)

    events_from, frozen_before = done.events_from, done.frozen_before
    if settings.event_days is not None:
        final = min(horizon, newest) - timedelta(days=_settling_days(workspace))
        wanted = newest - timedelta(days=settings.event_days - 1)
        edge = min(wanted, final - timedelta(days=LOOKING_BACK_DAYS))
        events_from = max(edge, done.events_from or edge)
        frozen_before = max(events_from + timedelta(days=LOOKING_BACK_DAYS), done.frozen_before or date.min)
    raw_from = max(
        (each for each in (back(settings.raw_days), events_from, done.raw_from) if each), default=None
    )
    return RetentionPlan(raw_from, events_from, frozen_before, back(settings.mart_days))


def note_plan(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> None:
    """Keep for publishing from when on rows are shown (``config.row_times``)."""
    plan = plan_retention(connection, workspace)
    connection.execute(
        "create or replace table config.row_times (mart varchar, column_name varchar, since timestamp)"
    )
    if plan.events_from is not None:
        since = _edge(workspace, plan.events_from).replace(tzinfo=None)
        for mart, column in ROW_TIMES.items():
            connection.execute("insert into config.row_times values (?, ?, ?)", [mart, column, since])


def apply_retention(connection: duckdb.DuckDBPyConnection, workspace: Workspace, progress: Progress) -> Freed:
    """Let go what is over its time, by the tables of the last build. May be killed and begun again."""
    plan = plan_retention(connection, workspace)
    done = read_retention(workspace.lake)
    freed = Freed()
    if plan.marts_from is not None:
        connection.execute("delete from state.pain_point_history where night < ?", [plan.marts_from])
        connection.execute("delete from state.runs where finished_at < ?", [plan.marts_from])
    if plan.events_from is not None and plan.frozen_before is not None:
        if plan.frozen_before != done.frozen_before or plan.marts_from is not None:
            done = freeze(connection, workspace, plan.frozen_before, plan.marts_from)
        if plan.events_from != done.events_from:
            freed = _drop_events(connection, workspace, plan.events_from)
            done = replace(done, events_from=plan.events_from)
            write_retention(workspace.lake, done)
    if plan.raw_from is not None:
        freed = _drop_raw(workspace, plan.raw_from, freed)
        if plan.raw_from != done.raw_from:
            write_retention(workspace.lake, replace(done, raw_from=plan.raw_from))
    if freed.bytes:
        progress(
            f"retention: files of {freed.raw_days} landed days and event rows of {freed.event_days} days "
            f"went, {freed.bytes:,} bytes"
        )
    return freed


def _edge(workspace: Workspace, day: date) -> datetime:
    zone = ZoneInfo(workspace.settings.timezone)
    return datetime.combine(day, time(), zone).astimezone(ZoneInfo("UTC"))


def _drop_events(connection: duckdb.DuckDBPyConnection, workspace: Workspace, first: date) -> Freed:
    edge_us = int(_edge(workspace, first).timestamp()) * 1_000_000
    find_needed_rows(connection, edge_us)
    days, size = set(), 0
    for source in workspace.settings.sources:
        for path in sorted((workspace.staged / source).glob("*.parquet")):
            dataset, day, _ = staged_name(path)
            if day is None or day >= first:
                continue
            rewrite = keep_needed_rows if dataset == "events" else keep_late_rows
            size += rewrite(connection, path, edge_us)
            days.add(day)
    return Freed(0, len(days), size)


def _drop_raw(workspace: Workspace, first: date, freed: Freed) -> Freed:
    days, size = 0, freed.bytes
    for source in landed_sources(workspace):
        lake = workspace.source_lake(source)
        for day, manifest in lake.days().items():
            if day < first and (dropped := lake.drop_parts(manifest, PEOPLE_DATASETS)):
                days, size = days + 1, size + dropped
    return Freed(days, freed.event_days, size)
