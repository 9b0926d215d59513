"""What people said and felt at each stage: survey answers word for word, scores, rage clicks and u-turns."""

from __future__ import annotations

from datetime import date, timedelta

from sqlglot import exp

from models.journey import Journey
from pipelines.explain_instead import differ
from pipelines.match_sql import rule_expression
from pipelines.report_marts import Marts
from pipelines.report_views import Answer, Rate, Score, StageVoice

FELT_DAYS = timedelta(days=28)
SAID_DAYS = timedelta(days=90)
MOST_ANSWERS = 3
FEWEST_SCORES = 5
SCALES = {"nps": 10, "rating-1-5": 5, "rating-1-7": 7}


def read_voices(marts: Marts, journey: Journey, last: date | None, zone: str) -> dict[str, StageVoice]:
    """Per stage, of the days up to the last of the data; ``zone`` is the workspace's."""
    ends = marts.rows("select max(session_date) from marts.sessions")[0][0] or last
    if ends is None:
        return {}
    stages = _stages_of_pages(marts, journey, ends)
    felt = _felt(marts, journey, ends)
    answers, counts = _said(marts, stages, ends, zone)
    scores = _scores(marts, stages, ends)
    voices = {}
    for stage in journey.stages:
        own = felt.get(stage.name)
        others = [each for name, each in felt.items() if name != stage.name]
        seen, raged = sum(each[0] for each in others), sum(each[1] for each in others)
        is_worse = bool(
            own and seen and own[1] / own[0] > raged / seen and differ(own[1], own[0], raged, seen)
        )
        voices[stage.name] = StageVoice(
            answers.get(stage.name, ()),
            counts.get(stage.name, 0),
            scores.get(stage.name, ()),
            Rate(own[1], own[0]) if own else None,
            Rate(own[2], own[0]) if own else None,
            is_worse,
        )
    return voices


def _stages_of_pages(marts: Marts, journey: Journey, ends: date) -> dict[str, str]:
    """The stage that most events of a page belong to, of pages on which somebody answered a survey."""
    if not marts.rows("select 1 from marts.survey_answers where page is not null limit 1"):
        return {}
    stage = exp.Case()
    for each in journey.stages:
        stage = stage.when(rule_expression(each.match, "e", published=True), exp.Literal.string(each.name))
    matched = (
        exp.select(exp.column("page", "e"), exp.alias_(stage, "stage"))
        .from_("marts.events as e")
        .where("e.event_at >= $first", "e.page in (select page from marts.survey_answers)", dialect="duckdb")
    )
    rows = marts.rows(
        f"with matched as ({matched.sql('duckdb')}), counted as (select page, stage, count(*) as events "
        "from matched where stage is not null group by page, stage) "
        "select page, stage from counted "
        "qualify row_number() over (partition by page order by events desc, stage) = 1",
        first=ends - FELT_DAYS,
    )
    return dict(rows)


def _felt(marts: Marts, journey: Journey, ends: date) -> dict[str, tuple[int, int, int]]:
    """Recordings, those with rage clicks and those with u-turns, per stage with any."""
    if not marts.has("stage_friction", "stage"):
        return {}
    rows = marts.rows(
        "select stage, sum(recordings)::bigint, sum(recordings_with_rage)::bigint, "
        "sum(recordings_with_u_turns)::bigint from marts.stage_friction "
        "where journey = $journey and day > $first group by stage",
        journey=journey.name,
        first=ends - FELT_DAYS,
    )
    return {stage: (seen, raged, turned) for stage, seen, raged, turned in rows if seen}


def _said(
    marts: Marts, stages: dict[str, str], ends: date, zone: str
) -> tuple[dict[str, tuple[Answer, ...]], dict[str, int]]:
    found: dict[str, list[Answer]] = {}
    for day, page, device, question, said in marts.rows(
        "select (answered_at at time zone 'UTC' at time zone $zone)::date, page, device, question, answer "
        "from marts.survey_answers where page is not null and answered_at > $first "
        "and trim(answer) <> '' and try_cast(answer as double) is null "
        "order by answered_at desc, question, answer",
        first=ends - SAID_DAYS,
        zone=zone,
    ):
        if page in stages:
            found.setdefault(stages[page], []).append(Answer(day, page, device, question, said))
    return (
        {stage: tuple(rows[:MOST_ANSWERS]) for stage, rows in found.items()},
        {stage: len(rows) for stage, rows in found.items()},
    )


def _scores(marts: Marts, stages: dict[str, str], ends: date) -> dict[str, tuple[Score, ...]]:
    """Means of questions that are answered by numbers from 0 to 10, whether or not the export says so."""
    kind = "question_type" if marts.has("survey_answers", "question_type") else "null::varchar"
    sums: dict[tuple[str, str | None, str | None], list[float]] = {}
    for page, question, asked, count, total in marts.rows(
        f"select page, question, {kind} as kind, count(*), sum(try_cast(answer as double)) "
        "from marts.survey_answers where page is not null and answered_at > $first "
        "and trim(answer) <> '' group by page, question, kind "
        # one word among the numbers, and it is no scale
        "having count(*) = count(*) filter (try_cast(answer as double) between 0 and 10)",
        first=ends - SAID_DAYS,
    ):
        if page in stages:
            cell = sums.setdefault((stages[page], question, asked), [0.0, 0.0])
            cell[0] += count
            cell[1] += total
    found: dict[str, list[Score]] = {}
    for (stage, question, asked), (count, total) in sorted(sums.items(), key=lambda each: -each[1][0]):
        if count >= FEWEST_SCORES:
            score = Score(question, total / count, int(count), SCALES.get(asked or ""))
            found.setdefault(stage, []).append(score)
    return {stage: tuple(rows[:2]) for stage, rows in found.items()}
