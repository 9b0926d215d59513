"""A finding: one row of pain_points, before and after it has a name and a history."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

Kind = Literal["below_ideal", "regression", "slow", "detour", "friction"]


Conditions = tuple[tuple[str, str | None], ...]
Unseen = tuple[Conditions, date]
Exclusion = tuple[Conditions, date | None]


@dataclass(frozen=True)
class OpenFinding:
    """What a scan must know of an earlier finding.

    While it is open its baseline stays the one before ``started_on``; once it ``is_settled`` its onset
    is not estimated anew. A resolved one can be reopened.
    """

    pain_point_id: str
    kind: str
    journey: str
    persona: str
    stage: str
    next_stage: str
    conditions: Conditions
    started_on: date | None
    first_seen: date
    is_settled: bool
    is_resolved: bool
    measure: str | None = None

    @property
    def transition(self) -> tuple[str, str, str, str]:
        return (self.journey, self.persona, self.stage, self.next_stage)


@dataclass(frozen=True)
class Finding:
    """What the night's evidence says of one transition and segment.

    Rates are in [0, 1]; ``lost_*`` are goal conversions since ``started_on``, for standing gaps over
    ``first_day`` .. ``last_day``, days on which the stage was first reached. ``unseen`` are segments and
    days of them that are left out because not enough of them was recorded, ``unseen_arrivals`` those whose
    arrivals are; ``seen_until`` is the last day whose arrivals are counted. Money is in the workspace's
    currency. ``trend`` is the recent gap against the whole one: above 1 it widens; ``is_over`` when the
    last days have made it good. ``excluded`` are segments (from a day on) that another finding already
    explains; ``carries`` is the id of the older finding that goes on in this one. Of a slow-down
    ``attempts`` are those who came and ``successes`` those who came within ``prompt_age`` days;
    ``seconds`` and ``usual_seconds`` are the mean times to the next stage, where they are known. Of a
    detour ``successes`` are the attempts that made it: ``measure`` says which (looped, skipped,
    backtracked). Of friction ``attempts`` are recordings or answers, ``successes`` the bad ones, and
    ``measure`` their column in marts.stage_friction. ``gap`` is the relative shortfall of the good
    outcomes; ``left_out`` how many of its days are campaign or holiday days that the calendar names.
    """

    kind: Kind
    journey: str
    persona: str
    stage: str
    next_stage: str
    segment: str
    conditions: Conditions
    started_on: date | None
    first_day: date
    last_day: date
    unseen_days: tuple[date, ...]
    excluded: tuple[Exclusion, ...]
    attempts: int
    successes: int
    expected: float
    ideal: float | None
    lost_conversions: float
    lost_low: float
    lost_high: float
    lost_per_week: float
    order_value: float | None
    p_value: float
    q_value: float
    provisional: bool
    trend: float
    is_over: bool
    carries: str | None
    seen_until: date
    unseen: tuple[Unseen, ...] = ()
    unseen_arrivals: tuple[Unseen, ...] = ()
    prompt_age: int | None = None
    seconds: float | None = None
    usual_seconds: float | None = None
    measure: str | None = None
    gap: float | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def transition(self) -> tuple[str, str, str, str]:
        return (self.journey, self.persona, self.stage, self.next_stage)

    @property
    def observed(self) -> float:
        return self.successes / max(self.attempts, 1)

    @property
    def lost_value(self) -> float | None:
        return None if self.order_value is None else self.lost_conversions * self.order_value

    def minted_id(self) -> str:
        """The id this finding gets when no older one carries on in it."""
        reference = "ideal" if self.kind == "below_ideal" else "own past"
        text = "|".join(
            (
                self.journey,
                self.persona,
                self.stage,
                self.next_stage,
                self.kind,
                reference,
                self.segment,
                str(self.started_on),
                *([self.measure] if self.measure else []),
            )
        )
        return "pp-" + hashlib.sha256(text.encode()).hexdigest()[:10]

    def evidence(self) -> dict[str, Any]:
        """The numbers behind the sentence, for the evidence column."""
        return {
            "segment": [list(condition) for condition in self.conditions],
            "first_day": self.first_day.isoformat(),
            "last_day": self.last_day.isoformat(),
            "unseen_days": [day.isoformat() for day in self.unseen_days],
            "attempts": self.attempts,
            "successes": self.successes,
            "expected_successes": round(self.expected * self.attempts, 1),
            "p_value_of_the_scan": self.p_value,
            "order_value": self.order_value,
            "recent_gap_against_whole": round(self.trend, 2),
            "provisional": self.provisional,
        } | self._further_evidence()

    def _further_evidence(self) -> dict[str, Any]:
        told: dict[str, Any] = {} if self.gap is None else {"gap": round(self.gap, 4)}
        if self.left_out:
            told["days_left_out"] = dict(self.left_out)
        if self.measure is not None:
            told["measure"] = self.measure
        if self.prompt_age is None:
            return told
        return told | {
            "came_within_days": self.prompt_age,
            "share_that_came_so_soon": round(self.observed, 4),
            "usual_share": round(self.expected, 4),
            "mean_seconds": self.seconds,
            "usual_mean_seconds": self.usual_seconds,
        }
