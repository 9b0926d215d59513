"""All the report says, read from the published file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import duckdb

from models.journey import Journey, segment_columns
from pipelines.placebo_nights import placebo_sentence
from pipelines.report_findings import read_findings
from pipelines.report_map import read_map
from pipelines.report_marts import Marts
from pipelines.report_views import Answer, Health, JourneyMap, Report


def read_report(
    connection: duckdb.DuckDBPyConnection, journeys: Sequence[Journey], currency: str, zone: str = "UTC"
) -> Report:
    """All the report needs of the published tables; ``zone`` tells the days of answers. Raises duckdb.Error.

    ``connection`` may be read-only: what is made on the way are temporary tables of its own.
    """
    marts = Marts(connection)
    last_days = {journey.name: _last_matured_day(marts, journey.name) for journey in journeys}
    views = read_findings(marts, journeys, last_days)
    findings = tuple(each for each in views if each.point.is_open and not each.is_snoozed)
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
    # the journey that hurts most comes first; of calm ones the order of the files stays
    rank = {each.point.journey: place for place, each in reversed(list(enumerate(findings)))}
    maps: tuple[JourneyMap, ...] = tuple(
        read_map(marts, journey, last_days[journey.name], findings, segments, zone)
        for journey in sorted(journeys, key=lambda each: rank.get(each.name, len(findings)))
    )
    return Report(
        as_of,
        currency,
        tuple(each for each in health if each.status == "broken" and each.day > as_of - timedelta(days=7)),
        findings,
        tuple(each for each in views if not each.point.is_open),
        tuple(each for each in views if each.point.is_open and each.is_snoozed),
        tuple(lost.items()),
        sum(money) if money else None,
        tuple(row[0] for row in marts.rows("select note from marts.notes order by journey, note")),
        maps,
        _answers(marts, zone),
        health,
        _infos(marts, as_of),
        placebo_sentence(marts.connection),
    )


def _last_matured_day(marts: Marts, journey: str) -> date | None:
    """The last entry day all of whose attempts are over."""
    query = (
        "select max(entry_date) from (select entry_date from marts.stage_funnel where journey = $journey "
        "group by entry_date having sum(matured) = sum(reached))"
    )
    last: date | None = marts.rows(query, journey=journey)[0][0]
    return last


def _answers(marts: Marts, zone: str) -> tuple[Answer, ...]:
    rows = marts.rows(
        "select answered_at at time zone 'UTC' at time zone $zone, page, device, question, answer "
        "from marts.survey_answers "
        "where trim(answer) <> '' order by answered_at desc nulls last, question, answer limit 8",
        zone=zone,
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
