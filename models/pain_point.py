"""A pain point: a finding with a name, a status, an owner and a sentence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date

from models.finding import Conditions


@dataclass(frozen=True)
class PainPoint:
    """One row of marts.pain_points; field names are its columns, field order theirs.

    ``sql`` runs on the published file and returns ``attempts, successes``. Rates are in [0, 1],
    ``lost_*`` are goal conversions, None for friction, of which nobody knows them; money is in ``currency``.
    """

    pain_point_id: str
    kind: str
    journey: str
    persona: str
    stage: str
    next_stage: str
    segment: str
    segment_filter: str
    status: str
    first_seen: date
    started_on: date | None
    last_seen: date
    attempts: int
    observed: float
    expected: float
    ideal: float | None
    lost_conversions: float | None
    lost_low: float | None
    lost_high: float | None
    lost_per_week: float | None
    lost_value: float | None
    currency: str
    q_value: float
    owner: str | None
    headline: str
    evidence: str
    sql: str
    lost_value_low: float | None
    lost_value_high: float | None
    provisional: bool

    @property
    def transition(self) -> tuple[str, str, str, str]:
        return (self.journey, self.persona, self.stage, self.next_stage)

    @property
    def conditions(self) -> Conditions:
        """The segment as data: its text may hold any character, so it is never taken apart."""
        return tuple((column, value) for column, value in json.loads(self.evidence)["segment"])

    @property
    def is_open(self) -> bool:
        return self.status != "resolved"

    @property
    def gap(self) -> float:
        """The relative shortfall of the good outcomes; of a slow-down, of the share that comes soon."""
        gap = json.loads(self.evidence).get("gap")
        return float(gap) if gap is not None else 1 - self.observed / self.expected

    @property
    def measure(self) -> str | None:
        """Which detour or friction it is, None for other kinds."""
        measure: str | None = json.loads(self.evidence).get("measure")
        return measure
