"""What the report shows, as frozen objects with unformatted numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from models.journey import Ideal, Journey, Stage
from models.losses import Z90
from models.pain_point import PainPoint
from models.what_if import Gain

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
class MarkView:
    """What a person said of a finding: acknowledged, snoozed or fixed; ``verdict`` on a fix by the data."""

    mark: str
    marked_on: date | None
    until: date | None
    note: str | None
    fixed_on: date | None
    verdict: str | None


@dataclass(frozen=True)
class FindingView:
    """A pain point with what the report adds: ``history`` are the nights its status changed.

    ``trend`` is by entry day for rates, by night for the other kinds.
    """

    point: PainPoint
    goal: str
    successes: int
    money_per_week: float | None
    tasks: tuple[str, ...]
    trend: tuple[TrendPoint, ...]
    onset: date | None
    history: tuple[tuple[date, str], ...]
    severity: int
    mark: MarkView | None = None

    @property
    def is_rate(self) -> bool:
        return self.point.kind in RATE_KINDS

    @property
    def is_snoozed(self) -> bool:
        return self.mark is not None and self.mark.mark == "snoozed"


@dataclass(frozen=True)
class PersonaRate:
    """How a persona with an ideal of its own does at a stage."""

    persona: str
    rate: Rate
    ideal: float


@dataclass(frozen=True)
class Deed:
    """What ``count`` of the attempts that did not come to the next stage did first; None: they left."""

    to: str | None
    count: int
    share: float


@dataclass(frozen=True)
class StageColumn:
    """A stage of the map; conversion and time count from ``previous``, the required stage before it.

    ``instead`` is about those who did not go on from here to the next required stage; ``proposed`` is the
    conversion of an ideal that the journey file leaves to the data.
    """

    stage: Stage
    reached: int
    previous: str | None
    rate: Rate | None
    median_seconds: float | None
    ideal: Ideal
    personas: tuple[PersonaRate, ...]
    findings: tuple[FindingView, ...]
    channels: tuple[tuple[str, float], ...] = ()
    stayed: int = 0
    instead: tuple[Deed, ...] = ()
    proposed: float | None = None

    @property
    def target(self) -> float | None:
        """The conversion that is written as its ideal, else the proposed one."""
        return self.proposed if self.ideal.conversion is None else self.ideal.conversion


@dataclass(frozen=True)
class Move:
    """``count`` moves from a stage to another; ``kind`` is ideal, skip, back, or again (to the same one)."""

    start: str
    end: str
    count: int
    kind: str


@dataclass(frozen=True)
class FlowNode:
    """A stage with its visits, the attempts that began in it, and those that ended in it."""

    stage: str
    visits: int
    began: int
    ended: int
    is_goal: bool


@dataclass(frozen=True)
class Flow:
    """All moves between stages; ``kept`` of ``attempts`` went a way the ideal allows, to the goal or not."""

    nodes: tuple[FlowNode, ...]
    moves: tuple[Move, ...]
    attempts: int
    kept: int


@dataclass(frozen=True)
class PersonaView:
    """The journey as one persona goes it; ``persona`` None is everyone."""

    persona: str | None
    attempts: int
    columns: tuple[StageColumn, ...]
    flow: Flow


@dataclass(frozen=True)
class Answer:
    day: date | None
    page: str | None
    device: str | None
    question: str | None
    answer: str


@dataclass(frozen=True)
class Score:
    """The mean of ``count`` answers in numbers; ``best`` is the top of the scale, None where unknown."""

    question: str | None
    mean: float
    count: int
    best: int | None


@dataclass(frozen=True)
class StageVoice:
    """What was said and felt on a stage's pages: ``answers`` are the latest of ``answer_count``.

    ``rage`` and ``u_turns`` are of recordings that ended there; ``is_worse``: more rage clicks than in the
    journey's other stages, beyond chance (90 %).
    """

    answers: tuple[Answer, ...] = ()
    answer_count: int = 0
    scores: tuple[Score, ...] = ()
    rage: Rate | None = None
    u_turns: Rate | None = None
    is_worse: bool = False


@dataclass(frozen=True)
class Lever:
    """A stage that misses its target: rates today and then, and what closing its gap alone would bring."""

    stage: str
    previous: str
    observed: float
    target: float
    reference: str
    alone: Gain


@dataclass(frozen=True)
class WhatIfView:
    """Gains a week. ``subsets[i]`` is that of the levers whose bits are set in i, of ``movable`` in order.

    ``levers`` are all stages that miss their target, the costliest first; only the first few can be moved
    together, as there is a subset for each choice of them.
    """

    levers: tuple[Lever, ...]
    movable: tuple[Lever, ...]
    subsets: tuple[Gain, ...]


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
    is_ideal: bool


@dataclass(frozen=True)
class JourneyMap:
    """A journey over the last 28 entry days that are over for everyone; None where none is."""

    journey: Journey
    first_day: date | None
    last_day: date | None
    attempts: int
    views: tuple[PersonaView, ...]
    segments: tuple[SegmentTable, ...]
    paths: tuple[PathRow, ...]
    path_attempts: int
    voices: Mapping[str, StageVoice]
    what_if: WhatIfView | None

    @property
    def columns(self) -> tuple[StageColumn, ...]:
        """Those of everyone."""
        return self.views[0].columns

    def lever_of(self, stage: str) -> Lever | None:
        """What the stage would bring if it met its ideal; None where it does, or has none."""
        return next(
            (each for each in (self.what_if.levers if self.what_if else ()) if each.stage == stage), None
        )

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
class Report:
    """Everything on the page. ``findings`` are open and not snoozed, ranked by what they cost at least."""

    as_of: date | None
    currency: str
    broken: tuple[Health, ...]
    findings: tuple[FindingView, ...]
    resolved: tuple[FindingView, ...]
    snoozed: tuple[FindingView, ...]
    lost_per_week: tuple[tuple[str, float], ...]
    money_per_week: float | None
    notes: tuple[str, ...]
    maps: tuple[JourneyMap, ...]
    answers: tuple[Answer, ...]
    health: tuple[Health, ...]
    infos: tuple[tuple[str, str, int, str], ...]
    placebo: str | None = None
