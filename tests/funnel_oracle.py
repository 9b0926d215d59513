"""The funnel by brute force: every attempt of every actor is formed, then the rules choose.

Slow and plain on purpose: meant for worlds of a dozen events an actor and up to four steps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import pairwise

MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class OracleEvent:
    actor: str
    at: int  # microseconds
    name: str
    day: date  # local
    number: int  # unique
    fields: Mapping[str, object]


@dataclass(frozen=True)
class OracleFunnel:
    steps: tuple[frozenset[str], ...]  # the event names that match each step
    order: str = "loose"  # loose | strict | any
    window: int | None = None  # microseconds; None: unlimited
    within: tuple[int | None, ...] = ()  # for steps 2..K; () is None for each
    exclusions: tuple[tuple[frozenset[str], int, int], ...] = ()  # (names, i, j), steps from 1
    first: date | None = None
    last: date | None = None
    range_is_all: bool = False
    reentry: str = "furthest"  # first | latest | furthest
    hold: str | None = None
    entry: str = "closed"  # closed | open


@dataclass(frozen=True)
class OracleResult:
    reached: list[int]  # of steps 1..K
    chosen: dict[str, tuple[int, ...]]  # actor: times of the events of the counted attempt
    median_seconds: list[float | None]  # of steps 1..K, None for the first
    p90_seconds: list[float | None]
    open: int


Attempt = tuple[OracleEvent, ...]


def count(events: Iterable[OracleEvent], funnel: OracleFunnel, horizon: int) -> OracleResult:
    _check(funnel)
    actors: dict[str, list[OracleEvent]] = defaultdict(list)
    for event in events:
        if event.actor is not None:
            actors[event.actor].append(event)
    depth = len(funnel.steps)
    if funnel.entry == "open":
        reached = [
            sum(any(e.name in step and _in_dates(e, funnel) for e in own) for own in actors.values())
            for step in funnel.steps
        ]
        return OracleResult(reached, {}, [None] * depth, [None] * depth, 0)

    chosen: dict[str, tuple[int, ...]] = {}
    still_open = 0
    for actor, own in actors.items():
        attempts = list(_attempts(own, funnel))
        if not attempts:
            continue
        # Whoever can begin has an attempt that begins there, so these are the times of all possible e1.
        starts = {attempt[0].at for attempt in attempts}
        if funnel.reentry == "first":
            starts = {min(starts)}
        elif funnel.reentry == "latest":
            starts = {max(starts)}
        eligible = [tuple(e.at for e in attempt) for attempt in attempts if attempt[0].at in starts]
        # The deepest; of those the one with the earliest e1, then e2, then e3, ...
        best = min(eligible, key=lambda times: (-len(times), times))
        chosen[actor] = best
        if len(best) < depth and (
            funnel.window is None or any(at + funnel.window > horizon for at in starts)
        ):
            still_open += 1

    reached = [sum(len(times) >= k for times in chosen.values()) for k in range(1, depth + 1)]
    median: list[float | None] = [None]
    p90: list[float | None] = [None]
    for k in range(2, depth + 1):
        gaps = [times[k - 1] - times[k - 2] for times in chosen.values() if len(times) >= k]
        median.append(_quantile(gaps, Fraction(1, 2)))
        p90.append(_quantile(gaps, Fraction(9, 10)))
    return OracleResult(reached, chosen, median, p90, still_open)


def _attempts(own: list[OracleEvent], funnel: OracleFunnel) -> Iterator[Attempt]:
    if funnel.order == "any":
        for start in own:
            if attempt := _any_order(start, own, funnel):
                yield attempt
    else:
        yield from _extensions((), own, funnel)


def _extensions(attempt: Attempt, own: list[OracleEvent], funnel: OracleFunnel) -> Iterator[Attempt]:
    """Every attempt one or more events longer (the beginning of an attempt is an attempt)."""
    if len(attempt) == len(funnel.steps):
        return
    for event in own:
        longer = (*attempt, event)
        if _is_attempt(longer, own, funnel):
            yield longer
            yield from _extensions(longer, own, funnel)


def _is_attempt(attempt: Attempt, own: list[OracleEvent], funnel: OracleFunnel) -> bool:
    """Whether these events, in this order, are an attempt (order loose or strict)."""
    pairs = list(pairwise(attempt))  # pairs[m - 1] is of steps m and m + 1
    within = funnel.within or (None,) * (len(funnel.steps) - 1)

    if len({e.number for e in attempt}) < len(attempt):
        return False
    if any(e.name not in step for e, step in zip(attempt, funnel.steps, strict=False)):
        return False
    if any(a.at > b.at for a, b in pairs):
        return False
    if funnel.window is not None and attempt[-1].at - attempt[0].at > funnel.window:
        return False
    for (a, b), longest in zip(pairs, within, strict=False):
        if longest is not None and b.at - a.at > longest:
            return False
    for names, i, j in funnel.exclusions:
        for m, (a, b) in enumerate(pairs, start=1):
            if i <= m < j and any(x.name in names and a.at < x.at < b.at for x in own):
                return False
    if funnel.order == "strict" and any(a.at < x.at < b.at for a, b in pairs for x in own):
        return False
    if not all(_in_dates(e, funnel) for e in (attempt if funnel.range_is_all else attempt[:1])):
        return False
    return all(_holds(e, attempt[0], funnel) for e in attempt)


def _any_order(start: OracleEvent, own: list[OracleEvent], funnel: OracleFunnel) -> Attempt:
    """The one attempt that begins with this event (order any); empty where none does."""

    def lowest(event: OracleEvent) -> int:
        return min(k for k, step in enumerate(funnel.steps) if event.name in step)

    matching = [e for e in own if any(e.name in step for step in funnel.steps)]
    if start not in matching or not _in_dates(start, funnel) or not _holds(start, start, funnel):
        return ()
    matching.sort(key=lambda e: (e.at, lowest(e), e.number))
    served: dict[int, OracleEvent] = {}  # in the order served
    for event in matching[matching.index(start) :]:
        if funnel.window is not None and event.at - start.at > funnel.window:
            continue
        if funnel.range_is_all and not _in_dates(event, funnel):
            continue
        if not _holds(event, start, funnel):
            continue
        for k, step in enumerate(funnel.steps):
            if event.name in step and k not in served:
                served[k] = event
                break
    return tuple(served.values())


def _in_dates(event: OracleEvent, funnel: OracleFunnel) -> bool:
    after_first = funnel.first is None or event.day >= funnel.first
    return after_first and (funnel.last is None or event.day <= funnel.last)


def _holds(event: OracleEvent, start: OracleEvent, funnel: OracleFunnel) -> bool:
    """Whether the event has the value of the first one, which must not be NULL (absent is NULL)."""
    if funnel.hold is None:
        return True
    value = event.fields.get(funnel.hold)
    return value is not None and value == start.fields.get(funnel.hold)


def _quantile(gaps: list[int], q: Fraction) -> float | None:
    """In seconds, by linear interpolation between the two nearest."""
    if not gaps:
        return None
    gaps = sorted(gaps)
    position = q * (len(gaps) - 1)
    low = int(position)
    high = min(low + 1, len(gaps) - 1)
    return float((gaps[low] + (position - low) * (gaps[high] - gaps[low])) / MICROSECONDS)


def _check(funnel: OracleFunnel) -> None:
    limited = any(longest is not None for longest in funnel.within) or bool(funnel.exclusions)
    if not funnel.steps or (funnel.within and len(funnel.within) != len(funnel.steps) - 1):
        raise ValueError("steps and within do not fit")
    if any(not 1 <= i < j <= len(funnel.steps) for _, i, j in funnel.exclusions):
        raise ValueError("exclusions are between two steps, the earlier one first")
    if funnel.order == "any" and limited:
        raise ValueError("order=any has no within and no exclusions")
    if funnel.entry == "open" and (limited or funnel.order != "loose" or funnel.hold is not None):
        raise ValueError("entry=open is loose, with no within, exclusions or hold")
