"""The journey map of the report: stages, segments and paths, read from the published file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from models.journey import Journey
from pipelines.report_views import (
    Cell,
    FindingView,
    JourneyMap,
    Marts,
    PathRow,
    PersonaRate,
    Rate,
    SegmentTable,
    StageColumn,
    WhatIf,
)
from pipelines.warehouse import quoted

MAP_DAYS = timedelta(days=28)
FEW = 50  # attempts; a rate of fewer is shown muted
MOST_VALUES = 8
LEVELS = (0.6, 0.8, 1.0, 1.25, 1.67)  # bounds of rate / overall rate between the shades of the heat map


def read_map(
    marts: Marts,
    journey: Journey,
    last: date | None,
    findings: Sequence[FindingView],
    segments: Mapping[str, str],
) -> JourneyMap:
    """The map of one journey; ``segments`` maps the columns of all journeys' segments to fields."""
    first = last - MAP_DAYS + timedelta(days=1) if last else None
    days = {"journey": journey.name, "first": first, "last": last}
    ((attempts, first_seen),) = marts.rows(
        "select count(*), min(entry_date) from marts.attempts "
        "where journey = $journey and entry_date between $first and $last",
        **days,
    )
    paths, path_attempts = _paths(marts, journey)
    return JourneyMap(
        journey,
        first_seen,
        last,
        attempts,
        _columns(marts, journey, days, findings),
        tuple(
            table
            for column, field in segments.items()
            if field in journey.segments
            and (table := _segment_table(marts, journey, column, field, days)) is not None
        ),
        paths,
        path_attempts,
    )


def _columns(
    marts: Marts, journey: Journey, days: dict[str, Any], findings: Sequence[FindingView]
) -> tuple[StageColumn, ...]:
    reached = dict(
        marts.rows(
            "select v.stage, count(distinct v.attempt_id) from marts.stage_visits as v "
            "inner join marts.attempts as a on v.attempt_id = a.attempt_id and v.journey = a.journey "
            "where a.journey = $journey and a.entry_date between $first and $last group by v.stage",
            **days,
        )
    )
    ways = {stage: (n, k, seconds) for stage, n, k, seconds in _ways(marts, journey, days)}
    required = {
        (persona, stage): counts
        for persona, stage, *counts in marts.rows(
            "select persona, next_stage, sum(matured)::bigint, sum(matured_advanced)::bigint, "
            "sum(matured_converted)::bigint, sum(matured_value) from marts.stage_funnel "
            "where journey = $journey and next_stage is not null and entry_date between $first and $last "
            "group by persona, next_stage",
            **days,
        )
    }
    weeks = max(
        marts.rows(
            "select count(distinct entry_date) from marts.stage_funnel "
            "where journey = $journey and entry_date between $first and $last",
            **days,
        )[0][0]
        / 7,
        1 / 7,
    )
    columns = []
    previous: str | None = None
    for stage in journey.stages:
        n, k, seconds = ways.get(stage.name, (0, 0, None)) if previous else (0, 0, None)
        own = {persona: counts for (persona, name), counts in required.items() if name == stage.name}
        base = journey.ideal_of("default", stage.name)
        ideals = {persona: journey.ideal_of(persona, stage.name).conversion for persona in own}
        columns.append(
            StageColumn(
                stage,
                reached.get(stage.name, 0),
                previous,
                Rate(k, n) if n else None,
                seconds,
                base,
                tuple(
                    PersonaRate(persona, Rate(counts[1], counts[0]), ideal)
                    for persona, counts in own.items()
                    if (ideal := ideals[persona]) is not None and ideal != base.conversion and counts[0]
                ),
                _what_if([(ideals[persona], *counts) for persona, counts in own.items()], weeks),
                tuple(
                    each
                    for each in findings
                    if each.point.journey == journey.name and each.point.stage == stage.name
                ),
            )
        )
        previous = previous if stage.optional else stage.name
    return tuple(columns)


def _what_if(rows: Sequence[tuple[Any, ...]], weeks: float) -> WhatIf | None:
    """Missing arrivals x the share of arrivals that convert; rows are (ideal, n, k, converted, value)."""
    k, converted, value = (sum(row[index] or 0 for row in rows) for index in (2, 3, 4))
    missing = sum(max(ideal * n - arrived, 0.0) for ideal, n, arrived, *_ in rows if ideal is not None)
    if not missing or not k or not converted:
        return None
    conversions = missing * converted / k / weeks
    return WhatIf(conversions, conversions * value / converted if value else None)


def _ways(marts: Marts, journey: Journey, days: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Per stage: attempts at the required stage before it, how many came, median seconds they took."""
    pairs = []
    for persona in journey.persona_names():
        stages = journey.stages_of(persona)
        entry = stages.index(journey.entry_stage)
        before = journey.entry_stage
        for stage in stages[entry + 1 :]:
            pairs.append((persona, before.name, stage.name))
            before = before if stage.optional else stage
    personas, stages_before, stages_after = zip(*pairs, strict=True)
    return marts.rows(
        """
        with pairs as (
            select unnest($personas::varchar[]) as persona, unnest($before::varchar[]) as stage,
                unnest($after::varchar[]) as next_stage
        ),
        visits as (
            select v.attempt_id, a.persona, v.stage, v.visit_number, v.entered_at
            from marts.stage_visits as v
            inner join marts.attempts as a on v.attempt_id = a.attempt_id and v.journey = a.journey
            where a.journey = $journey and a.entry_date between $first and $last
        ),
        firsts as (
            select attempt_id, persona, stage, min(visit_number) as visit_number,
                min(entered_at) as entered_at
            from visits group by attempt_id, persona, stage
        ),
        ways as (
            select p.next_stage, f.attempt_id, f.entered_at, min(v.entered_at) as advanced_at
            from firsts as f
            inner join pairs as p on f.persona = p.persona and f.stage = p.stage
            left join visits as v on f.attempt_id = v.attempt_id and p.next_stage = v.stage
                and v.visit_number > f.visit_number
            group by p.next_stage, f.attempt_id, f.entered_at
        )
        select next_stage, count(*), count(advanced_at), median(epoch(advanced_at - entered_at))
        from ways group by next_stage
        """,
        personas=list(personas),
        before=list(stages_before),
        after=list(stages_after),
        **days,
    )


def _segment_table(
    marts: Marts, journey: Journey, column: str, field: str, days: dict[str, Any]
) -> SegmentTable | None:
    if not marts.has("stage_funnel", column):  # the journey was edited after the tables were made
        return None
    counts: dict[str | None, dict[str, Rate]] = {}
    for value, stage, n, k in marts.rows(
        f"select {quoted(column)}::varchar, next_stage, sum(matured)::bigint, "
        "sum(matured_advanced)::bigint from marts.stage_funnel where journey = $journey "
        "and next_stage is not null and entry_date between $first and $last group by all",
        **days,
    ):
        if n:
            counts.setdefault(value, {})[stage] = Rate(k, n)
    stages = [stage.name for stage in journey.stages if not stage.optional][1:]
    overall = {}
    for stage in stages:
        rates = [row[stage] for row in counts.values() if stage in row]
        if rates:
            overall[stage] = Rate(sum(r.successes for r in rates), sum(r.attempts for r in rates))
    ranked = sorted(
        counts, key=lambda value: (-max(rate.attempts for rate in counts[value].values()), str(value))
    )
    return SegmentTable(
        field,
        tuple(_cell(overall.get(stage), None) for stage in stages),
        tuple(
            (value, tuple(_cell(counts[value].get(stage), overall.get(stage)) for stage in stages))
            for value in ranked[:MOST_VALUES]
        ),
        max(len(ranked) - MOST_VALUES, 0),
    )


def _cell(rate: Rate | None, overall: Rate | None) -> Cell | None:
    if rate is None:
        return None
    if overall is None or overall.value == 0:
        return Cell(rate, None, 0, rate.attempts < FEW)
    ratio = rate.value / overall.value
    low, high = rate.interval()
    by_chance = rate.attempts < FEW or low <= overall.value <= high
    step = sum(ratio >= bound for bound in LEVELS)
    return Cell(rate, ratio, 0 if by_chance else (-3, -2, -1, 1, 2, 3)[step], rate.attempts < FEW)


def _paths(marts: Marts, journey: Journey) -> tuple[tuple[PathRow, ...], int]:
    rows = marts.rows(
        "select path, attempts, converted, median_seconds, sum(attempts) over ()::bigint "
        "from marts.stage_paths where journey = $journey order by attempts desc, path limit 10",
        journey=journey.name,
    )
    numbers = {stage.name: stage.number for stage in journey.stages}
    paths = []
    for path, attempts, converted, seconds, _ in rows:
        stages = tuple(path.split(">"))
        furthest = max((numbers.get(name, 0) for name in stages), default=0)
        skipped = tuple(
            stage.name
            for stage in journey.stages
            if not stage.optional and stage.number < furthest and stage.name not in stages
        )
        loops = len(stages) - len(set(stages))
        paths.append(PathRow(stages, attempts, converted, seconds, loops, skipped))
    return tuple(paths), rows[0][4] if rows else 0
