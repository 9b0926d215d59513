"""A slow and literal reading of the journey contract that README.md sums up.

Loops over plain objects, one user at a time, written from the contract and never from the SQL:
`test_journey_oracle.py` holds the SQL against it. When the two differ, one of them misreads the
contract; read the contract before changing either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import combinations
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import yaml

Event = dict[str, Any]  # the keys of a canonical event
UNMATCHED = 10**6  # sorts events that no stage claims behind the claimed ones of the same time
SEGMENTS = ("device", "os", "browser", "country", "channel", "is_new_user")  # columns of all attempts
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def at(event: Event) -> datetime:
    moment: datetime = event["event_at"]
    return moment


@cache
def glob(pattern: str, text: str) -> bool:
    """Only `*` is special, it crosses `/`; `\\*` is a literal star."""
    if not pattern:
        return not text
    if pattern.startswith("\\*"):
        return text.startswith("*") and glob(pattern[2:], text[1:])
    if pattern[0] == "*":
        return any(glob(pattern[1:], text[start:]) for start in range(len(text) + 1))
    return text[:1] == pattern[0] and glob(pattern[1:], text[1:])


def matches(rule: dict[str, Any], event: Event) -> bool:
    """Every key of the rule fits: a value, a glob, or a list with one of them that fits."""

    def fits(key: str, wanted: Any) -> bool:
        found = event["event_name" if key == "event" else key]
        if found is None:
            return False
        options = wanted if isinstance(wanted, list) else [wanted]
        if isinstance(found, str):
            return any(glob(str(option), found) for option in options)
        return found in options

    return all(fits(key, wanted) for key, wanted in rule.items())


@dataclass(frozen=True)
class Stage:
    number: int  # 1, 2, ... in the order of the file, optional stages included
    name: str
    optional: bool
    rules: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Persona:
    name: str
    where: dict[str, Any]
    without: frozenset[str]


@dataclass(frozen=True)
class Journey:
    name: str
    scope: str
    window: timedelta
    entry: str
    stages: tuple[Stage, ...]
    personas: tuple[Persona, ...]
    further_segments: tuple[str, ...]

    @staticmethod
    def parse(text: str) -> Journey:
        raw = yaml.safe_load(text)
        stages = enumerate(raw["stages"], start=1)
        personas = raw.get("personas", {}).items()
        window = raw["window"]
        return Journey(
            name=raw["journey"],
            scope=raw.get("scope", "user"),
            window=timedelta(**{UNITS[window[-1]]: int(window[:-1])}),
            entry=raw.get("entry", "first"),
            stages=tuple(Stage(n, s["name"], s.get("optional", False), tuple(s["match"])) for n, s in stages),
            personas=tuple(
                Persona(name, p["where"], frozenset(p.get("without", ()))) for name, p in personas
            ),
            further_segments=tuple(s for s in raw["segments"] if s not in SEGMENTS),
        )

    @property
    def goal(self) -> Stage:
        return [stage for stage in self.stages if not stage.optional][-1]

    def opens(self, stage: Stage) -> bool:
        first = next(stage for stage in self.stages if not stage.optional)
        return self.entry == "any" or stage == first

    def claim(self, event: Event) -> Stage | None:
        for stage in self.stages:
            if any(matches(rule, event) for rule in stage.rules):
                return stage
        return None

    def order(self, event: Event) -> tuple[datetime, int]:
        stage = self.claim(event)
        return at(event), stage.number if stage else UNMATCHED

    def persona_of(self, event: Event) -> Persona:
        for persona in self.personas:
            if matches(persona.where, event):
                return persona
        return Persona("default", {}, frozenset())

    def required(self, persona: Persona) -> list[Stage]:
        return [s for s in self.stages if not s.optional and s.name not in persona.without]

    def optional(self, persona: Persona) -> list[Stage]:
        return [s for s in self.stages if s.optional and s.name not in persona.without]


@dataclass(eq=False)
class Session:
    events: list[Event]

    @property
    def start(self) -> datetime:
        return at(self.events[0])

    @property
    def end(self) -> datetime:
        return at(self.events[-1])


@dataclass(eq=False)
class Visit:
    stage: Stage
    session: Session
    events: list[Event] = field(default_factory=list)
    number: int = 0
    attempt: Attempt | None = None

    @property
    def entered_at(self) -> datetime:
        return at(self.events[0])


@dataclass(eq=False)
class Attempt:
    journey: Journey
    persona: Persona
    closes_at: datetime
    horizon: datetime
    entry_date: date
    visits: list[Visit] = field(default_factory=list)
    value: float = 0.0

    @property
    def opening(self) -> Visit:
        return self.visits[0]

    @property
    def window_end(self) -> datetime:
        return self.opening.entered_at + self.journey.window

    @property
    def converted(self) -> bool:
        return self.visits[-1].stage == self.journey.goal

    @property
    def matured(self) -> bool:
        return self.closes_at < self.horizon

    @property
    def outcome(self) -> str:
        if self.converted:
            return "converted"
        return "abandoned" if self.matured else "open"

    @property
    def path(self) -> list[int]:
        return [visit.stage.number for visit in self.visits]

    @property
    def required(self) -> list[int]:
        return [stage.number for stage in self.journey.required(self.persona)]

    @property
    def optional(self) -> list[int]:
        return [stage.number for stage in self.journey.optional(self.persona)]


# The shape of one path. Stages are numbers here.


def skips(path: Sequence[int], required: Sequence[int]) -> int:
    return len([number for number in required if number < max(path) and number not in path])


def loops(path: Sequence[int]) -> int:
    return len([place for place, number in enumerate(path) if number in path[:place]])


def backtracks(path: Sequence[int]) -> int:
    return len([place for place, number in enumerate(path) if place and number < max(path[:place])])


def edits(path: Sequence[int], ideal: Sequence[int]) -> int:
    """The fewest insertions and deletions that turn `path` into `ideal`."""
    above = list(range(len(ideal) + 1))
    for deleted, number in enumerate(path, start=1):
        row = [deleted]
        for place, wanted in enumerate(ideal):
            change = 1 + min(row[place], above[place + 1])
            row.append(min(change, above[place]) if number == wanted else change)
        above = row
    return above[-1]


def fitness(path: Sequence[int], required: Sequence[int], optional: Sequence[int], converted: bool) -> float:
    chain = [number for number in required if converted or number <= max(path)]
    extras = [number for number in optional if converted or number <= max(path)]
    subsets = (some for size in range(len(extras) + 1) for some in combinations(extras, size))
    cost = min(edits(path, sorted([*chain, *some])) for some in subsets)
    return 1 - cost / (len(path) + len(chain))


# From events to attempts, for one user.


def kept_events(events: Iterable[Event]) -> list[Event]:
    """In order of time, without the repeats of a transaction."""
    kept, seen = [], set()
    for event in sorted(events, key=at):
        key = (event["source"], event["event_name"], event["transaction_id"])
        if event["transaction_id"] is None or key not in seen:
            kept.append(event)
            seen.add(key)
    return kept


def sessions_of(events: list[Event], inactivity: timedelta) -> list[Session]:
    """The vendor's sessions, and the other events cut where a gap is longer than `inactivity`."""
    by_vendor: dict[tuple[str, str], Session] = {}
    by_gap: dict[str, list[Session]] = {}
    for event in events:
        source, vendor_id = event["source"], event["vendor_session_id"]
        if vendor_id is not None:
            by_vendor.setdefault((source, vendor_id), Session([])).events.append(event)
            continue
        cut = by_gap.setdefault(source, [])
        if cut and at(event) - cut[-1].end <= inactivity:
            cut[-1].events.append(event)
        else:
            cut.append(Session([event]))
    found = [*by_vendor.values(), *(session for cut in by_gap.values() for session in cut)]
    return sorted(found, key=lambda session: session.start)


def visits_of(journey: Journey, sessions: list[Session]) -> list[Visit]:
    visits: list[Visit] = []
    for session in sessions:
        run: Visit | None = None
        for event in sorted(session.events, key=journey.order):
            stage = journey.claim(event)
            if stage is None:
                continue
            if run is None or run.stage != stage:
                run = Visit(stage, session)
                visits.append(run)
            run.events.append(event)
    visits.sort(key=lambda v: (v.entered_at, v.stage.number, v.session.start))
    for number, visit in enumerate(visits, start=1):
        visit.number = number
    return visits


def attempts_of(
    journey: Journey,
    visits: list[Visit],
    inactivity: timedelta,
    horizon: datetime,
    zone: ZoneInfo,
) -> list[Attempt]:
    """Gives every visit its attempt (or None) and returns the attempts in order of opening."""
    attempts: list[Attempt] = []
    last_in: dict[Session | None, Attempt] = {}  # the latest attempt of each session, or of all
    for visit in visits:
        scope = visit.session if journey.scope == "session" else None
        last = last_in.get(scope)
        if last and not last.converted and visit.entered_at <= last.window_end:
            visit.attempt = last
        elif journey.opens(visit.stage) and may_follow(last, visit, journey):
            closes_at = visit.entered_at + journey.window
            if journey.scope == "session":
                closes_at = min(closes_at, visit.session.end + inactivity)
            local = visit.entered_at.replace(tzinfo=UTC).astimezone(zone)
            persona = journey.persona_of(visit.events[0])
            visit.attempt = Attempt(journey, persona, closes_at, horizon, local.date())
            last_in[scope] = visit.attempt
            attempts.append(visit.attempt)
        if visit.attempt:
            visit.attempt.visits.append(visit)
    return attempts


def may_follow(last: Attempt | None, visit: Visit, journey: Journey) -> bool:
    """May a new attempt open at `visit`, which `last` does not hold?"""
    if last is None:
        return True
    if journey.scope == "session":
        return False  # at most one attempt a session
    if last.converted:
        return visit.session.start > last.visits[-1].session.end
    return True  # expired


def value_of(attempt: Attempt, events: list[Event], currency: str) -> float:
    """The goal's money from the conversion to the end of its session, each transaction once."""
    if not attempt.converted:
        return 0.0
    goal_visit = attempt.visits[-1]
    total, seen = 0.0, set()
    for event in sorted(events, key=attempt.journey.order):
        inside = goal_visit.entered_at <= at(event) <= goal_visit.session.end
        transaction = event["transaction_id"]
        if not inside or attempt.journey.claim(event) != attempt.journey.goal:
            continue
        if transaction is None or transaction not in seen:
            total += event["value"] if event["value"] and event["currency"] == currency else 0.0
            seen.add(transaction)
    return total


# The world of many users.


@dataclass
class User:
    events: list[Event]
    sessions: list[Session]
    visits: dict[str, list[Visit]]  # by journey
    attempts: dict[str, list[Attempt]]


def read_user(
    events: Iterable[Event],
    journeys: Sequence[Journey],
    timezone: str,
    inactivity_seconds: int,
    horizon: datetime,
    currency: str,
) -> User:
    inactivity = timedelta(seconds=inactivity_seconds)
    kept = kept_events(events)
    user = User(kept, sessions_of(kept, inactivity), {}, {})
    for journey in journeys:
        visits = visits_of(journey, user.sessions)
        attempts = attempts_of(journey, visits, inactivity, horizon, ZoneInfo(timezone))
        for attempt in attempts:
            attempt.value = value_of(attempt, kept, currency)
        user.visits[journey.name], user.attempts[journey.name] = visits, attempts
    return user


@dataclass
class FunnelRow:
    stage_number: int
    next_stage: str | None
    reached: int = 0
    advanced: int = 0
    still_open: int = 0
    lost: int = 0
    matured: int = 0
    matured_advanced: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def median_seconds_to_next(self) -> float | None:
        return median(self.seconds) if self.seconds else None


FunnelKey = tuple[Any, ...]  # journey, persona, entry_date, segments and further ones, stage


def stage_funnel(attempts: Iterable[Attempt]) -> dict[FunnelKey, FunnelRow]:
    """Only the stages somebody reached."""
    rows: dict[FunnelKey, FunnelRow] = {}
    for attempt in attempts:
        journey, first_event = attempt.journey, attempt.opening.events[0]
        segments = [first_event[segment] for segment in (*SEGMENTS, *journey.further_segments)]
        required = journey.required(attempt.persona)
        for stage, following in zip(required, [*required[1:], None], strict=True):
            if stage.number not in attempt.path:
                continue
            key = (journey.name, attempt.persona.name, attempt.entry_date, *segments, stage.name)
            next_stage = following.name if following else None
            row = rows.setdefault(key, FunnelRow(stage.number, next_stage))
            first = attempt.path.index(stage.number)
            later = [visit for visit in attempt.visits[first:] if visit.stage == following]
            advanced = bool(later) or stage == journey.goal
            if later:
                waited = later[0].entered_at - attempt.visits[first].entered_at
                row.seconds.append(waited.total_seconds())
            row.reached += 1
            row.advanced += advanced
            row.still_open += not advanced and attempt.outcome == "open"
            row.lost += not advanced and attempt.outcome != "open"
            row.matured += attempt.matured
            row.matured_advanced += attempt.matured and advanced
    return rows
