"""The stage x segment heat map: conversion of each value beside everyone's."""

from __future__ import annotations

from typing import Any

from models.journey import Journey
from pipelines.report_marts import Marts
from pipelines.report_views import Cell, Rate, SegmentTable
from pipelines.warehouse import quoted

FEW = 50  # attempts; a rate of fewer is shown muted
MOST_VALUES = 8
LEVELS = (0.6, 0.8, 1.0, 1.25, 1.67)  # bounds of rate / overall rate between the shades of the heat map


def segment_table(
    marts: Marts, journey: Journey, column: str, field: str, days: dict[str, Any]
) -> SegmentTable | None:
    """The rates of ``column``'s most frequented values over ``days``; None where the tables lack it."""
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
