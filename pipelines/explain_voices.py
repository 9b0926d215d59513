"""What people said and felt at a finding's stage: survey answers word for word, recordings with rage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
from sqlglot import exp

from models.finding import Conditions
from models.journey import Journey
from pipelines.explain_instead import Days, differ
from pipelines.match_sql import rule_expression

MOST_ANSWERS = 8
MOST_PAGES = 400
DAYS_BEFORE = timedelta(days=28)


@dataclass(frozen=True)
class Said:
    """One survey answer, as typed; ``day`` in the workspace's time zone."""

    day: date
    page: str | None
    device: str | None
    question: str | None
    answer: str


@dataclass(frozen=True)
class Felt:
    """Recordings that ended on the stage's pages, and those with rage clicks or u-turns among them.

    ``others_*`` are those of other devices on the same days, or, of a finding without a device, those of
    the 28 days before; ``compared_with`` says which, None where there are none.
    """

    recordings: int
    with_rage: int
    u_turns: int
    compared_with: str | None
    others_recordings: int
    others_with_rage: int
    differs: bool | None


@dataclass(frozen=True)
class Voices:
    """``answers`` are the latest of ``answer_count``; ``pages`` are where the stage's events happen."""

    pages: tuple[str, ...]
    answer_count: int
    answers: tuple[Said, ...]
    felt: Felt


def stage_pages(connection: duckdb.DuckDBPyConnection, journey: Journey, stage: str) -> tuple[str, ...]:
    """The pages most of whose stage events belong to ``stage``, the most frequented first."""
    numbered = exp.Case()
    for each in journey.stages:
        numbered = numbered.when(
            rule_expression(each.match, "e", published=True), exp.Literal.string(each.name)
        )
    matched = exp.select(exp.column("page", "e"), exp.alias_(numbered, "stage")).from_("marts.events as e")
    query = (
        f"with matched as ({matched.sql('duckdb')}), "
        "counted as (select page, stage, count(*) as events from matched "
        "where page is not null and stage is not null group by page, stage), "
        "ranked as (select page, stage, events, "
        "row_number() over (partition by page order by events desc, stage) as place from counted) "
        "select page from ranked where place = 1 and stage = $stage order by events desc, page limit $most"
    )
    rows = connection.execute(query, {"stage": stage, "most": MOST_PAGES}).fetchall()
    return tuple(page for (page,) in rows)


def voices(
    connection: duckdb.DuckDBPyConnection,
    pages: tuple[str, ...],
    conditions: Conditions,
    days: Days,
    began: date | None,
    zone: str,
) -> Voices:
    """What was said and felt on ``pages`` in the days of the finding, on its device where it has one."""
    devices = [value for column, value in conditions if column == "device" and value is not None]
    answers = connection.execute(
        "select local_day(epoch_us(answered_at), $zone), page, device, question, "
        "coalesce(answer, comment) as said from marts.survey_answers "
        "where list_contains($pages::varchar[], page) "
        "and local_day(epoch_us(answered_at), $zone) between $first and $last "
        "and (len($devices::varchar[]) = 0 or list_contains($devices::varchar[], device)) "
        "and trim(coalesce(answer, comment, '')) <> '' order by answered_at desc, question, said",
        {"zone": zone, "pages": list(pages), "first": days.first, "last": days.last, "devices": devices},
    ).fetchall()
    return Voices(
        pages,
        len(answers),
        tuple(Said(*row) for row in answers[:MOST_ANSWERS]),
        _felt(connection, pages, devices, days, began),
    )


def _felt(
    connection: duckdb.DuckDBPyConnection,
    pages: tuple[str, ...],
    devices: list[str],
    days: Days,
    began: date | None,
) -> Felt:
    own = _feelings(connection, pages, devices, days.first, days.last, is_other=False)
    compared = None
    others = (0, 0, 0)
    if devices:
        others = _feelings(connection, pages, devices, days.first, days.last, is_other=True)
        compared = "other devices on the same days"
    elif began is not None:
        before = began - DAYS_BEFORE
        others = _feelings(connection, pages, [], before, began - timedelta(days=1), is_other=False)
        compared = "the 28 days before"
    if not others[0] or not own[0]:
        return Felt(*own, None, 0, 0, None)
    return Felt(*own, compared, others[0], others[1], differ(own[1], own[0], others[1], others[0]))


def _feelings(
    connection: duckdb.DuckDBPyConnection,
    pages: tuple[str, ...],
    devices: list[str],
    first: date,
    last: date,
    *,
    is_other: bool,
) -> tuple[int, int, int]:
    """Recordings, those with rage clicks, and u-turns."""
    rows = connection.execute(
        "select coalesce(sum(recordings), 0)::bigint, coalesce(sum(recordings_with_rage), 0)::bigint, "
        "coalesce(sum(u_turns), 0)::bigint from marts.page_feedback "
        "where list_contains($pages::varchar[], page) and day between $first and $last "
        "and (len($devices::varchar[]) = 0 "
        "or list_contains($devices::varchar[], device) <> $is_other)",
        {"pages": list(pages), "first": first, "last": last, "devices": devices, "is_other": is_other},
    ).fetchall()
    recordings, with_rage, u_turns = rows[0]
    return int(recordings), int(with_rage), int(u_turns)
