"""The findings of the last night with their trend, their history and what people said of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import duckdb

from models.journey import Journey
from models.pain_point import PainPoint
from pipelines.finding_store import COLUMNS
from pipelines.report_marts import Marts
from pipelines.report_views import RATE_KINDS, FindingView, MarkView, TrendPoint

TREND_DAYS = timedelta(days=90)


def read_findings(
    marts: Marts, journeys: Sequence[Journey], last_days: dict[str, date | None]
) -> tuple[FindingView, ...]:
    """All of the last night, resolved ones too, ranked by the lower end of what they cost.

    ``last_days`` are the journeys' last entry days all of whose attempts are over.
    """
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
    marks = _marks(marts)
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
                point.lost_per_week * each if each and point.lost_per_week else None,
                tasks.get(point.stage) or tasks.get(point.next_stage) or (),
                _rates(marts, point, last, set(evidence.get("unseen_days", ())))
                if last and point.kind in RATE_KINDS
                else _nights(marts, point),
                point.started_on or _day(evidence.get("first_day")),
                tuple(history.get(point.pain_point_id, ())),
                3 if share > 0.6 else 2 if share > 0.2 else 1,
                marks.get(point.pain_point_id),
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


def _marks(marts: Marts) -> dict[str, MarkView]:
    if not marts.has("pain_points", "mark"):  # published before people could mark findings
        return {}
    rows = marts.rows(
        "select pain_point_id, mark, marked_at::date, mark_until, mark_note, fixed_on, fix_verdict "
        "from marts.pain_points where mark is not null"
    )
    return {name: MarkView(*mark) for name, *mark in rows}


def _nights(marts: Marts, point: PainPoint) -> tuple[TrendPoint, ...]:
    """What was observed each night, of kinds that no one rate of the funnel tells."""
    if point.kind in RATE_KINDS:
        return ()
    rows = marts.rows(
        "select night, observed from marts.pain_point_history where pain_point_id = $name "
        "and observed is not null and night > $night::date - 90 order by night",
        name=point.pain_point_id,
        night=point.last_seen,
    )
    return tuple(TrendPoint(night, observed) for night, observed in rows)


def _rates(marts: Marts, point: PainPoint, last: date, unseen: set[str]) -> tuple[TrendPoint, ...]:
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
