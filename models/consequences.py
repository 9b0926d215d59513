"""Which detours are only what people do who cannot go on: one cause, one finding."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from models.finding import Finding

NEAR_START = timedelta(days=7)


def is_consequence(finding: Finding, told: Sequence[Finding]) -> bool:
    """Whether a detour goes with a fall of conversion that is told as well.

    Who cannot go on goes back, or comes again: the fall is at one of the detour's two stages, was there when
    the detour began (or a week later: a weak sign is dated badly), and some people may be in both segments.
    """
    return finding.kind == "detour" and any(
        each.kind == "regression" and _goes_with(finding, each) for each in told
    )


def falls_beside(friction: Finding, told: Sequence[Finding]) -> list[Finding]:
    """The falls of conversion that a rise of friction goes with: it is their evidence, and they are its cost.

    Both stay: the recordings say what the people who cannot go on do there.
    """
    return [
        each
        for each in told
        if each.kind == "regression" and friction.kind == "friction" and _goes_with(friction, each)
    ]


def _goes_with(detour: Finding, fall: Finding) -> bool:
    if (detour.journey, detour.persona) != (fall.journey, fall.persona):
        return False
    if not {detour.stage, detour.next_stage} & {fall.stage, fall.next_stage}:
        return False
    if detour.started_on is None or fall.started_on is None:
        return False
    others = dict(fall.conditions)
    are_apart = any(others.get(column, value) != value for column, value in detour.conditions)
    return not are_apart and fall.started_on <= detour.started_on + NEAR_START
