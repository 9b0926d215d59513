"""The ideal journey as typed objects: stages, match rules, ideals and personas."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

Scalar = str | bool | int | float

EVENT_FIELDS = (
    "source",
    "event_id",
    "user_key",
    "device_id",
    "user_id",
    "event_name",
    "page",
    "session_id",
    "vendor_session_id",
    "device",
    "os",
    "browser",
    "country",
    "channel",
    "medium",
    "source_name",
    "campaign",
    "is_new_user",
    "value",
    "currency",
    "transaction_id",
)
"""Columns of a canonical event that a rule or a persona may ask for, besides ``properties.<name>``."""

SEGMENT_FIELDS = (
    "source",
    "event_name",
    "page",
    "device",
    "os",
    "browser",
    "country",
    "channel",
    "medium",
    "source_name",
    "campaign",
    "is_new_user",
    "currency",
)
"""Fields that may be segments, besides ``properties.<name>``; keys and amounts tell no groups apart."""

ATTEMPT_SEGMENTS = ("device", "os", "browser", "country", "channel", "is_new_user")
"""Segments that every attempt carries, whatever the journey asks for."""

DEFAULT_PERSONA = "default"


@dataclass(frozen=True)
class Condition:
    """One field of an event equals one of ``values``; text with an unescaped ``*`` is a glob."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True)
class Rule:
    """Conditions that must all hold."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Ideal:
    """What a stage ought to reach; None where the journey says nothing.

    ``conversion`` and ``within`` count from the previous required stage; ``loops``, ``backtracks`` and
    ``skips`` are shares of attempts. ``auto`` asks for a proposal from the best comparable segments.
    """

    conversion: float | None = None
    within: timedelta | None = None
    loops: float | None = None
    backtracks: float | None = None
    skips: float | None = None
    auto: bool = False


@dataclass(frozen=True)
class Stage:
    """One stage; ``number`` counts from 1 in the ideal order, ``line`` is where its file names it."""

    name: str
    number: int
    match: tuple[Rule, ...]
    optional: bool = False
    touchpoints: tuple[str, ...] = ()
    owner: str | None = None
    tasks: tuple[str, ...] = ()
    ideal: Ideal = field(default_factory=Ideal)
    value: str | None = None
    line: int = 0


@dataclass(frozen=True)
class Persona:
    """Visitors whose attempt opens with an event that ``where`` matches, and how their ideal differs."""

    name: str
    where: Rule
    ideal: dict[str, Ideal] = field(default_factory=dict)
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Journey:
    """An ideal journey as its YAML file says; one that is not ``active`` is checked but not computed."""

    name: str
    stages: tuple[Stage, ...]
    scope: Literal["user", "session"] = "user"
    window: timedelta = timedelta(days=7)
    entry: Literal["first", "any"] = "first"
    sources: tuple[str, ...] | None = None
    personas: tuple[Persona, ...] = ()
    segments: tuple[str, ...] = ("device", "channel", "country", "is_new_user")
    active: bool = True
    path: str = ""

    @property
    def entry_stage(self) -> Stage:
        """The first required stage: it opens an attempt."""
        return next(stage for stage in self.stages if not stage.optional)

    @property
    def goal(self) -> Stage:
        """The last required stage: it converts an attempt."""
        return next(stage for stage in reversed(self.stages) if not stage.optional)

    def persona_names(self) -> tuple[str, ...]:
        return (*(persona.name for persona in self.personas), DEFAULT_PERSONA)

    def stages_of(self, persona: str) -> tuple[Stage, ...]:
        """The stages of a persona's ideal, optional ones included."""
        without = {name for each in self.personas if each.name == persona for name in each.without}
        return tuple(stage for stage in self.stages if stage.name not in without)

    def required_stages_of(self, persona: str) -> tuple[Stage, ...]:
        return tuple(stage for stage in self.stages_of(persona) if not stage.optional)

    def ideal_of(self, persona: str, stage: str) -> Ideal:
        """The persona's ideal at ``stage``, key by key, else the stage's own."""
        base = next(each.ideal for each in self.stages if each.name == stage)
        own = next((each.ideal.get(stage) for each in self.personas if each.name == persona), None)
        if own is None:
            return base
        keys = ("conversion", "within", "loops", "backtracks", "skips")
        merged = {key: getattr(base, key) if getattr(own, key) is None else getattr(own, key) for key in keys}
        return Ideal(**merged, auto=own.auto or base.auto)


# Columns that attempts and the cube have anyway; a property of such a name gets a prefix.
_TAKEN = frozenset(EVENT_FIELDS) | frozenset(
    """
    journey journey_number attempt_id attempt_number user_number entered_at entered_us entry_date
    furthest_stage furthest_stage_number outcome converted_at converted_us closes_us is_matured path
    stage_numbers visits skips loops backtracks fitness persona stage stage_number next_stage reached
    advanced advanced_us still_open lost matured matured_advanced matured_converted matured_value
    median_seconds_to_next reached_date age_days attempts converted seconds median_seconds skipped looped
    backtracked above_seconds within_seconds within_ideal next_within_us has_skipped has_looped
    has_backtracked waited_us cell_number placebo_group
    """.split()  # noqa: SIM905 - a list of one word a line would fill a page
)


def segment_columns(journeys: tuple[Journey, ...]) -> dict[str, str]:
    """Column name -> field of every segment: the six of each attempt, then the journeys' own.

    ``properties.Plan Type`` becomes the column ``plan_type``; a second property that would get the same
    name is numbered.
    """
    fields = [*ATTEMPT_SEGMENTS, *(segment for journey in journeys for segment in journey.segments)]
    columns: dict[str, str] = {}
    for each in dict.fromkeys(fields):
        name = _segment_column(each)
        number = 2
        while name in columns:
            name, number = f"{_segment_column(each)}_{number}", number + 1
        columns[name] = each
    return columns


def _segment_column(segment: str) -> str:
    if not segment.startswith("properties."):
        return segment
    text = re.sub(r"[^a-z0-9]+", "_", segment.removeprefix("properties.").lower()).strip("_")
    name = text or "property"
    return f"property_{name}" if name in _TAKEN or name[0].isdigit() else name
