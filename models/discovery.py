"""Milestones of a journey, proposed from what people did before they converted.

A milestone is an event that most of those who convert do before, and that tells them from everyone else
(lift: its share among those who convert over its share among all). What everyone does anyway says nothing,
except as the opening of the journey. Milestones are put in order by how often one comes before another
(Borda count over the pairwise precedences of first occurrences).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd

REQUIRED_SHARE = 0.6
OPTIONAL_SHARE = 0.15
LEAST_LIFT = 1.15  # below, an event tells those who convert from nobody
OPTIONAL_LIFT = 1.5
MOST_STAGES = 8  # that are required, the goal not counted
TWIN_SHARE = 0.95
TWIN_US = 1_000_000
PAGE_MARK = "\x1f"  # between a page view's event and the part of the site: no event's name holds it

# What tools send by themselves: it happens on the way, and is no step of it.
AUTOMATIC = frozenset(
    """
    session_start first_visit first_open page_view screen_view user_engagement scroll click
    file_download form_start form_submit video_start video_progress video_complete experience_impression
    app_remove app_update app_exception app_clear_data os_update error ad_impression view_promotion
    select_promotion refund login logout
    $mp_web_page_view $identify $merge $create_alias $session_start $session_end $pageview $pageleave
    $autocapture $set $groupidentify $web_vitals $rageclick
    """.split()  # noqa: SIM905 - a list of one word a line would fill a page
) | {"Page Viewed", "Page View", "Login", "Logged In", "Session Start"}
OPENINGS = (
    "session_start",
    "page_view",
    "screen_view",
    "$mp_web_page_view",
    "$pageview",
    "Page Viewed",
    "Page View",
)
# In the order of how sure a name is; checked only where no event carries orders.
GOALS = (
    "purchase",
    "Order Completed",
    "Purchase",
    "in_app_purchase",
    "order_completed",
    "checkout_completed",
    "subscribe",
    "sign_up",
    "Sign Up",
    "Sign Up Completed",
    "generate_lead",
    "form_submit",
)


@dataclass(frozen=True)
class EventCount:
    """How much of an event there is: events, people, distinct orders, and money."""

    name: str
    events: int
    people: int
    orders: int
    money: float


@dataclass(frozen=True)
class Milestone:
    """One stage to propose: its events (several that always happen together), and what speaks for it.

    ``share`` of those who convert did it before; ``lift`` over everyone's share; ``precedes`` is how often
    it comes before the next required milestone where both happen (1 for the last).
    """

    events: tuple[str, ...]
    share: float
    lift: float
    optional: bool = False
    precedes: float = 1.0


@dataclass(frozen=True)
class Proposal:
    """Milestones in order, without the goal; ``left_out`` are frequent events and why they are none."""

    milestones: tuple[Milestone, ...]
    left_out: Mapping[str, str]

    @property
    def steps(self) -> int:
        """The required milestones that are more than a visit."""
        return sum(not each.optional and each.events[0] not in OPENINGS for each in self.milestones)


def choose_goal(counts: Collection[EventCount]) -> str | None:
    """The event with most orders, else the best known name of a goal; None where nothing looks like one."""
    orders = [each for each in counts if each.orders > 0 and each.money >= 0 and each.name != "refund"]
    named = {each.name: each for each in counts}
    for name in GOALS:  # a checkout may carry an order's number too
        if name in named and named[name].orders:
            return name
    if orders:
        return max(orders, key=lambda each: (each.orders, each.name)).name
    return next((name for name in GOALS if name in named), None)


def propose(first: pd.DataFrame, converters: int, reach: Mapping[str, float]) -> Proposal:
    """The milestones of those who convert.

    ``first`` has a row per person and event done before the goal: user, event, us (order of its first
    occurrence; microseconds). ``converters`` is the number of people, ``reach`` the share of all people who
    do each event.
    """
    times = first.pivot(index="user", columns="event", values="us") if len(first) else pd.DataFrame()
    shares = {str(event): float(times[event].notna().sum()) / converters for event in times.columns}
    lifts = {event: share / max(reach.get(event, 0.0), 1e-9) for event, share in shares.items()}
    left_out: dict[str, str] = {}
    required, optional = [], []
    for event in sorted(shares, key=lambda each: (-shares[each], each)):
        share, lift = shares[event], lifts[event]
        if share < OPTIONAL_SHARE:
            continue
        if event in AUTOMATIC:
            left_out[event] = "sent by the tool, or no step of the way"
        elif share >= REQUIRED_SHARE:
            required.append(event)
        elif lift >= OPTIONAL_LIFT and PAGE_MARK not in event:
            optional.append(event)
        elif PAGE_MARK not in event:
            left_out[event] = f"{share:.0%} of those who convert do it, of everyone {reach.get(event, 0):.0%}"
    required, twins = _without_twins(times, required)
    order = _ordered(times, [*required, *optional])
    opening = [event for event in order if event in required][:1]
    for event in required:
        if lifts[event] < LEAST_LIFT and event not in opening:
            left_out[event] = f"{reach.get(event, 0):.0%} of everyone do it, whether they convert or not"
    for event in order[: order.index(opening[0]) if opening else None]:
        left_out[event] = "it comes before the opening"
    kept = [event for event in order if event in opening or event not in left_out]
    strong = sorted(
        (event for event in kept if event in required and event not in opening), key=lambda e: -lifts[e]
    )
    for event in strong[MOST_STAGES - 1 :]:
        left_out[event] = "there are stages enough"
        kept.remove(event)
    kept = _opened(kept, shares, reach)
    made = [
        Milestone(
            (event, *twins.get(event, ())),
            shares[event],
            lifts[event],
            optional=event in optional,
        )
        for event in kept
    ]
    return Proposal(tuple(_with_certainty(times, made)), {k: left_out[k] for k in left_out if k not in kept})


def _without_twins(times: pd.DataFrame, events: list[str]) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    """Events that nearly always happen together, within a second, are one milestone."""
    kept: list[str] = []
    twins: dict[str, tuple[str, ...]] = {}
    for event in events:
        for other in kept:
            both = times[[event, other]].dropna()
            either = int(times[[event, other]].notna().any(axis=1).sum())
            apart = float((both[event] - both[other]).abs().median()) if len(both) else np.inf
            if len(both) >= TWIN_SHARE * either and apart <= TWIN_US:
                twins[other] = (*twins.get(other, ()), event)
                break
        else:
            kept.append(event)
    # a pair is named after the one that comes first
    groups = {event: _ordered(times, [event, *twins.get(event, ())]) for event in kept}
    return [group[0] for group in groups.values()], {
        group[0]: tuple(group[1:]) for group in groups.values() if len(group) > 1
    }


def _ordered(times: pd.DataFrame, events: list[str]) -> list[str]:
    score = {
        event: sum(_before(times, event, other) for other in events if other != event) for event in events
    }
    return sorted(events, key=lambda event: (-score[event], event))


def _before(times: pd.DataFrame, event: str, other: str) -> float:
    """How often ``event`` comes first where both happen; a tie, and no case, is a half."""
    both = times[[event, other]].dropna()
    if both.empty:
        return 0.5
    return float(((both[event] < both[other]) + 0.5 * (both[event] == both[other])).mean())


def _opened(kept: list[str], shares: Mapping[str, float], reach: Mapping[str, float]) -> list[str]:
    """A visit goes before a first milestone that many visitors never reach: they are lost there."""
    if kept and reach.get(kept[0], 0.0) >= 0.8:
        return kept
    opening = next((event for event in OPENINGS if shares.get(event, 0.0) >= 0.5), None)
    return kept if opening is None or opening in kept else [opening, *kept]


def _with_certainty(times: pd.DataFrame, milestones: list[Milestone]) -> list[Milestone]:
    required = [each for each in milestones if not each.optional]
    following = {each.events: after for each, after in pairwise(required)}
    return [
        replace(each, precedes=_before(times, each.events[0], following[each.events].events[0]))
        if each.events in following
        else each
        for each in milestones
    ]
