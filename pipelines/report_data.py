"""All the report says, read from the published file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import duckdb

from models.journey import Journey, segment_columns
from models.pain_point import PainPoint
from pipelines.finding_store import COLUMNS
from pipelines.report_map import read_map
from pipelines.report_views import (
    RATE_KINDS,
    Answer,
    FindingView,
    Health,
    Marts,
    Report,
    TrendPoint,
)

TREND_DAYS = timedelta(days=90)


def read_report(connection: duckdb.DuckDBPyConnection, journeys: Sequence[Journey], currency: str) -> Report:
    """All the report needs of the published tables. Raises duckdb.Error."""
    marts = Marts(connection)
    last_days = {journey.name: _last_matured_day(marts, journey.name) for journey in journeys}
    views = _findings(marts, journeys, last_days)
    findings = tuple(each for each in views if each.point.is_open)
    as_of = marts.rows(
        "select coalesce((select max(data_as_of) from marts.runs), "
        "(select max(entry_date) from marts.stage_funnel))"
    )[0][0]
    lost: dict[str, float] = {}
    for each in findings:
        lost[each.goal] = lost.get(each.goal, 0.0) + (each.point.lost_per_week or 0.0)
    money = [each.money_per_week for each in findings if each.money_per_week is not None]
    health = _health(marts, as_of)
    segments = segment_columns(tuple(journeys))
    return Report(
        as_of,
        currency,
        tuple(each for each in health if each.status == "broken" and each.day > as_of - timedelta(days=7)),
        findings,
        tuple(each for each in views if not each.point.is_open),
        tuple(lost.items()),
        sum(money) if money else None,
        tuple(row[0] for row in marts.rows("select note from marts.notes order by journey, note")),
        tuple(read_map(marts, journey, last_days[journey.name], findings, segments) for journey in journeys),
        _answers(marts),
        health,
        _infos(marts, as_of),
    )


def _last_matured_day(marts: Marts, journey: str) -> date | None:
    """The last entry day all of whose attempts are over."""
    query = (
        "select max(entry_date) from (select entry_date from marts.stage_funnel where journey = $journey "
        "group by entry_date having sum(matured) = sum(reached))"
    )
    last: date | None = marts.rows(query, journey=journey)[0][0]
    return last


def _findings(
    marts: Marts, journeys: Sequence[Journey], last_days: dict[str, date | None]
) -> tuple[FindingView, ...]:
    rows = marts.rows(
        f"select {', '.join(COLUMNS)} from marts.pain_points "
        "order by lost_low desc nulls last, lost_conversions desc nulls last, pain_point_id"
    )
    points = [PainPoint(*row) for row in rows]
    most = max((each.lost_per_week or 0.0 for each in points if each.is_open), default=0.0)
    history: dict[str, list[tuple[date, str]]] = {}
    for name, night, status in marts.rows(
        "select pain_point_id, night, status from marts.pain_point_history "
        "qualify status is distinct from lag(status) over (partition by pain_point_id order by night) "
        "order by night"
    ):
        history.setdefault(name, []).append((night, status))
    by_name = {journey.name: journey for journey in journeys}
    views = []
    for point in points:
        journey = by_name.get(point.journey)
        evidence = _evidence(point)
        tasks = {stage.name: stage.tasks for stage in journey.stages} if journey else {}
        last = last_days.get(point.journey)
        each = point.lost_value / point.lost_conversions if point.lost_value and point.lost_conversions else 0
        share = (point.lost_per_week or 0.0) / most if most > 0 else 0.0
        views.append(
            FindingView(
                point,
                journey.goal.name if journey else "goal",
                int(evidence.get("successes", round(point.observed * point.attempts))),
                point.lost_per_week * each if each else None,
                tasks.get(point.stage) or tasks.get(point.next_stage) or (),
                _trend(marts, point, last, set(evidence.get("unseen_days", ()))) if last else (),
                point.started_on or _day(evidence.get("first_day")),
                tuple(history.get(point.pain_point_id, ())),
                3 if share > 0.6 else 2 if share > 0.2 else 1,
            )
        )
    return tuple(views)


def _evidence(point: PainPoint) -> dict[str, Any]:
    try:
        evidence = json.loads(point.evidence or "{}")
    except json.JSONDecodeError:
        return {}
    return evidence if isinstance(evidence, dict) else {}


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _trend(marts: Marts, point: PainPoint, last: date, unseen: set[str]) -> tuple[TrendPoint, ...]:
    if point.kind not in RATE_KINDS:
        return ()
    try:
        # segment_filter is SQL of the program's own making (pipelines.finding_sql), hence no bound value
        rows = marts.rows(
            "select entry_date, sum(matured)::bigint, sum(matured_advanced)::bigint "
            "from marts.stage_funnel where journey = $journey and persona = $persona "
            "and stage = $stage and next_stage = $next_stage and entry_date between $first and $last "
            f"and ({point.segment_filter}) group by entry_date",
            journey=point.journey,
            persona=point.persona,
            stage=point.stage,
            next_stage=point.next_stage,
            first=last - TREND_DAYS,
            last=last,
        )
    except duckdb.BinderException:  # the journey was edited and the segment's column is gone
        return ()
    counts = {day: (n, k) for day, n, k in rows if day.isoformat() not in unseen}
    if not counts:
        return ()
    start = min(counts)
    points = []
    # the first six days have no whole week behind them; with little history they are all there is
    early = 6 if (last - start).days > 20 else 0
    for offset in range(early, (last - start).days + 1):
        day = start + timedelta(days=offset)
        week = [counts.get(day - timedelta(days=back), (0, 0)) for back in range(7)]
        attempts = sum(n for n, _ in week)
        if attempts:
            points.append(TrendPoint(day, sum(k for _, k in week) / attempts))
    return tuple(points)


def _answers(marts: Marts) -> tuple[Answer, ...]:
    rows = marts.rows(
        "select answered_at, page, device, question, answer from marts.survey_answers "
        "where trim(answer) <> '' order by answered_at desc nulls last, question, answer limit 8"
    )
    return tuple(
        Answer(at.date() if isinstance(at, datetime) else None, page, device, question, answer)
        for at, page, device, question, answer in rows
    )


def _health(marts: Marts, as_of: date | None) -> tuple[Health, ...]:
    rows = marts.rows(
        "select source, day, check_name, status, detail from marts.tracking_health "
        "where status in ('broken', 'warning') and day > $as_of::date - 14 "
        "order by day desc, status, source, check_name, detail",
        as_of=as_of,
    )
    return tuple(Health(*row) for row in rows)


def _infos(marts: Marts, as_of: date | None) -> tuple[tuple[str, str, int, str], ...]:
    """(source, check, days, the latest detail) of what is worth knowing but no reason to worry."""
    rows = marts.rows(
        "select source, check_name, count(distinct day), arg_max(detail, day) from marts.tracking_health "
        "where status = 'info' and day > $as_of::date - 14 "
        "group by source, check_name order by source, check_name",
        as_of=as_of,
    )
    return tuple((source, check, days, detail) for source, check, days, detail in rows)
