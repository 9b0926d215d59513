"""The one sentence a person would say about a finding."""

from __future__ import annotations

from models.durations import spoken
from models.finding import Conditions, Finding

_VALUES = {
    ("is_new_user", "true"): "new visitors",
    ("is_new_user", "false"): "returning visitors",
}

_DETOURS = {
    "looped": "came back to it after leaving it",
    "skipped": "went on without ever being at the next stage",
    "backtracked": "went back to an earlier stage",
}

FRICTION = {
    "recordings_with_rage": "of recordings show rage clicks",
    "recordings_with_u_turns": "of recordings show u-turns",
    "bad_answers": "of survey scores are bad",
}


def headline(finding: Finding, owner: str | None, currency: str) -> str:
    """For example "cart to checkout for mobile converts 31 % instead of 44 % since 3 May 2026: …"."""
    whom = spoken_segment(finding.conditions)
    persona = "" if finding.persona == "default" else f" ({finding.persona})"
    instead = "its ideal of " if finding.kind == "below_ideal" else ""
    days = (finding.last_day - finding.first_day).days + 1
    since = f" since {finding.started_on:%-d %B %Y}" if finding.started_on else f" over {days} days"
    if finding.kind == "slow":
        return _slow(finding, f"{finding.stage} to {finding.next_stage}{whom}{persona}", since, owner)
    if finding.kind == "detour":
        what = _DETOURS.get(finding.measure or "", "took a detour")
        told = f"{finding.stage} to {finding.next_stage}{whom}{persona}: {percent(finding.observed)} {what} "
        return told + f"instead of {percent(finding.expected)}{since}" + _ending(finding, owner)
    if finding.kind == "friction":
        what = FRICTION.get(finding.measure or "", "of recordings show friction")
        told = f"{finding.stage}{whom}{persona}: {percent(finding.observed)} {what} "
        return told + f"instead of {percent(finding.expected)}{since}" + _ending(finding, owner)
    per_week = finding.lost_per_week
    about = f"{per_week:,.0f}" if per_week >= 9.5 else f"{per_week:.1f}"
    cost = f"about {about} conversions"
    if finding.order_value is not None:
        cost += f" and {per_week * finding.order_value:,.0f} {currency}"
    cost += " lost a week"
    sentence = (
        f"{finding.stage} to {finding.next_stage}{whom}{persona} converts {percent(finding.observed)} "
        f"instead of {instead}{percent(finding.expected)}{since}: {cost}"
    )
    return sentence + _ending(finding, owner)


def _ending(finding: Finding, owner: str | None) -> str:
    ending = f"; owner: {owner}" if owner else ""
    return ending + (" (provisional: little history)" if finding.provisional else "")


def _slow(finding: Finding, where: str, since: str, owner: str | None) -> str:
    soon = "on the same day" if not finding.prompt_age else f"within {finding.prompt_age} days"
    takes = ""
    if finding.seconds is not None and finding.usual_seconds is not None:
        takes = f" takes {spoken(finding.seconds)} instead of {spoken(finding.usual_seconds)}{since}:"
    sentence = (
        f"{where}{takes or since + ':'} {percent(finding.observed)} of those who come do so {soon} "
        f"instead of {percent(finding.expected)}"
    )
    return sentence + _ending(finding, owner)


def spoken_segment(conditions: Conditions) -> str:
    """`` for mobile, Safari``; nothing for everyone."""
    if not conditions:
        return ""
    words = []
    for column, value in conditions:
        known = _VALUES.get((column, value or ""))
        words.append(known or (f"unknown {column}" if value is None else value))
    return " for " + ", ".join(words)


def percent(rate: float) -> str:
    """A rate as people write it: 31 %, 4.2 %, 0.35 %."""
    points = rate * 100
    digits = 0 if points >= 20 else 1 if points >= 2 else 2
    return f"{points:.{digits}f} %"
