"""What the report shows, as frozen objects with unformatted numbers, and how the published file is asked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb

from models.journey import Ideal, Journey, Stage
from models.losses import Z90
from models.pain_point import PainPoint

RATE_KINDS = ("below_ideal", "regression")  # kinds whose observed and expected are a transition's rates


@dataclass(frozen=True)
class Rate:
    """``successes`` of ``attempts``."""

    successes: int
    attempts: int

    @property
    def value(self) -> float:
        return self.successes / self.attempts

    def interval(self) -> tuple[float, float]:
        """90 % interval of the rate (Wilson 1927)."""
        n, p, z = self.attempts, self.value, Z90
        centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True)
class TrendPoint:
    """Share of the matured attempts of the seven entry days up to ``day`` that advanced."""

    day: date
    observed: float


@dataclass(frozen=True)
class FindingView:
    """A pain point with what the report adds: ``history`` are the nights its status changed."""

    point: PainPoint
    goal: str
    successes: int
    money_per_week: float | None
    tasks: tuple[str, ...]
    trend: tuple[TrendPoint, ...]
    onset: date | None
    history: tuple[tuple[date, str], ...]
    severity: int

    @property
    def is_rate(self) -> bool:
        return self.point.kind in RATE_KINDS


@dataclass(frozen=True)
class PersonaRate:
    """How a persona with an ideal of its own does at a stage."""

    persona: str
    rate: Rate
    ideal: float


@dataclass(frozen=True)
class WhatIf:
    """Goal conversions and money a week if everyone whom an ideal concerns met it."""

    conversions: float
    money: float | None


@dataclass(frozen=True)
class StageColumn:
    """A stage of the map; conversion and time count from ``previous``, the required stage before it."""

    stage: Stage
    reached: int
    previous: str | None
    rate: Rate | None
    median_seconds: float | None
    ideal: Ideal
    personas: tuple[PersonaRate, ...]
    what_if: WhatIf | None
    findings: tuple[FindingView, ...]


@dataclass(frozen=True)
class Cell:
    """A rate beside the whole transition's; ``level`` is -3..3, 0 where chance explains the difference."""

    rate: Rate
    ratio: float | None
    level: int
    is_few: bool


@dataclass(frozen=True)
class SegmentTable:
    """Rows of (value or None where unknown, one cell a transition); the first row is everyone."""

    field: str
    overall: tuple[Cell | None, ...]
    rows: tuple[tuple[str | None, tuple[Cell | None, ...]], ...]
    left_out: int


@dataclass(frozen=True)
class PathRow:
    stages: tuple[str, ...]
    attempts: int
    converted: int
    median_seconds: float | None
    loops: int
    skipped: tuple[str, ...]


@dataclass(frozen=True)
class JourneyMap:
    """A journey over the last 28 entry days that are over for everyone; None where none is."""

    journey: Journey
    first_day: date | None
    last_day: date | None
    attempts: int
    columns: tuple[StageColumn, ...]
    segments: tuple[SegmentTable, ...]
    paths: tuple[PathRow, ...]
    path_attempts: int

    @property
    def transitions(self) -> tuple[StageColumn, ...]:
        """The columns one arrives at from another required stage."""
        return tuple(each for each in self.columns if each.previous and not each.stage.optional)


@dataclass(frozen=True)
class Health:
    source: str
    day: date
    check_name: str
    status: str
    detail: str


@dataclass(frozen=True)
class Answer:
    day: date | None
    page: str | None
    device: str | None
    question: str | None
    answer: str


@dataclass(frozen=True)
class Report:
    """Everything on the page. ``findings`` are open and ranked by the lower end of what they cost."""

    as_of: date | None
    currency: str
    broken: tuple[Health, ...]
    findings: tuple[FindingView, ...]
    resolved: tuple[FindingView, ...]
    lost_per_week: tuple[tuple[str, float], ...]
    money_per_week: float | None
    notes: tuple[str, ...]
    maps: tuple[JourneyMap, ...]
    answers: tuple[Answer, ...]
    health: tuple[Health, ...]
    infos: tuple[tuple[str, str, int, str], ...]


class Marts:
    """The published file, asked with bound values."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values or None).fetchall()

    def has(self, table: str, column: str) -> bool:
        query = (
            "select 1 from information_schema.columns "
            "where table_schema = 'marts' and table_name = $table and column_name = $column"
        )
        return bool(self.rows(query, table=table, column=column))
