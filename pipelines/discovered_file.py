"""A discovered journey as a YAML file in which every guess says what it stands on."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence

from models.discovery import PAGE_MARK, Milestone
from models.discovery_rates import StageRate
from pipelines.discovering import BACK_DAYS, Discovered
from pipelines.night_summary import one_line

NAMES = {
    "session_start": "visit",
    "page_view": "visit",
    "view_item_list": "discover",
    "view_search_results": "search",
    "select_item": "select",
    "view_item": "consider",
    "add_to_wishlist": "wish",
    "add_to_cart": "cart",
    "view_cart": "review_cart",
    "begin_checkout": "checkout",
    "add_shipping_info": "shipping",
    "add_payment_info": "pay",
    "purchase": "buy",
}
# Words that YAML takes for something else than text.
_NO_TEXT = frozenset("y n yes no on off true false null".split())  # noqa: SIM905 - a list of words
LEFT_OUT_SHOWN = 10
_UNEDITED = "# While nobody has edited this file, `painpoints discover --out` may write it anew: "


def journey_text(found: Discovered, name: str) -> str:
    """The file. It depends on nothing but what was found: the same data makes the same file."""
    stages = [*found.milestones, Milestone((found.goal,), 1.0, 1.0)]
    names = stage_names([_naming(each) for each in stages])
    lines = [
        f"# Proposed by `painpoints discover` from {found.first_day} to {found.last_day},",
        f"# of {found.people:,} people who did {_said(found.goal)} after something else.",
        "# Each line is a guess from what is usual, not from what is right: read it, name the owners,",
        "# and raise the ideals to what you aim at. As they stand, findings name who does worse than",
        "# people do today.",
        f"journey: {_text(name)}",
        f"scope: user          # {found.later_session_share:.0%} converted in a later session than they came "
        "in first",
        f"window: {found.window_days}d           # {found.window_share:.0%} of them took no longer from "
        f"their first {_said(found.milestones[0].events[0])} in {BACK_DAYS} days",
        "entry: first",
        f"sources: [{', '.join(found.sources)}]   # where these events come from",
        "stages:",
    ]
    for place, (stage, stage_name, rate) in enumerate(zip(stages, names, found.rates, strict=True)):
        lines += _stage(stage, stage_name, rate, is_goal=place == len(stages) - 1)
        if place == len(stages) - 1 and found.goal_money > 0:
            lines.append("    value: value          # the money of the event")
    if found.segments:
        lines.append(
            f"segments: [{', '.join(found.segments)}]   # of these the data has at least two common values"
        )
    lines += _left_out(found)
    return _signed("\n".join(lines) + "\n")


def is_unedited(text: str) -> bool:
    """Whether ``text`` is as a discovery wrote it."""
    body, mark, _ = text.rpartition(_UNEDITED)
    return bool(mark) and _signed(body) == text


def _signed(text: str) -> str:
    return f"{text}{_UNEDITED}{hashlib.sha256(text.encode()).hexdigest()[:16]}\n"


def stage_names(events: Sequence[str]) -> list[str]:
    """Names of stages, each once: a usual word for GA4's events, else the event's own name."""
    names: list[str] = []
    for event in events:
        plain = re.sub(r"[^\w]+", "_", event.lower()).strip("_")[:60] or "stage"
        name, number = NAMES.get(event, plain), 2
        base = name
        while name in names:
            name, number = f"{base}_{number}", number + 1
        names.append(name)
    return names


def _naming(stage: Milestone) -> str:
    """Of events that come together, the one with the most usual name."""
    usual = next((event for event in NAMES if event in stage.events), stage.events[0])
    return usual.partition(PAGE_MARK)[2] or usual


def _stage(stage: Milestone, name: str, rate: StageRate | None, *, is_goal: bool) -> list[str]:
    why = "the goal" if is_goal else f"{stage.share:.0%} of those who convert did it before"
    if not is_goal:
        why += f", {stage.lift:.1f} times as often as everyone"
    rules = ", ".join(_rule(event) for event in stage.events)
    lines = [f"  - name: {_text(name)}   # {why}"]
    if stage.precedes < 0.8:
        lines.append(
            f"    # Only {stage.precedes:.0%} did it before the next required stage: is this the right order?"
        )
    if stage.optional:
        lines.append("    optional: true        # too few for a step that everyone should take")
    lines.append(f"    match: [{rules}]")
    if len(stage.events) > 1:
        lines[-1] += "   # these nearly always come together"
    lines.append("    # owner:              # who is asked when people stall here")
    if rate is not None and rate.reached:
        quick = f"; three in four within {_duration(rate.within)}" if rate.within is not None else ""
        lines.append(
            f"    ideal: {{conversion: {rate.ideal:g}}}   # {rate.conversion:.1%} today, of {rate.reached:,} "
            f"attempts{quick}"
        )
    return lines


def _left_out(found: Discovered) -> Iterable[str]:
    if not found.proposal.left_out:
        return
    yield "# Frequent before the goal, and not taken:"
    for event, why in list(found.proposal.left_out.items())[:LEFT_OUT_SHOWN]:
        yield f"#   {_said(event)}: {why}"


def _text(name: str) -> str:
    """A YAML scalar that is read as this text, whatever it holds."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and name.lower() not in _NO_TEXT:
        return name
    return json.dumps(name)


def _rule(step: str) -> str:
    event, _, folder = step.partition(PAGE_MARK)
    page = f", page: {json.dumps(_starred(folder) + '*')}" if folder else ""
    return f"{{event: {_text(_starred(event))}{page}}}"


def _starred(text: str) -> str:
    """A text as a match value, in which a star is a star."""
    return text.replace("*", r"\*")


def _said(text: str) -> str:
    """A name within a comment: no line of its own, nothing YAML refuses."""
    return json.dumps(one_line(text.replace(PAGE_MARK, " of ")))


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
