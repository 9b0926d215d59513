"""Two ways of counting the same funnel: by how much they differ, by which rule, and for whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipelines.funnel import Asked
from pipelines.funnel_dialects import FunnelOptions, dialect
from pipelines.funnel_result import FunnelResult

EXAMPLES = 5


@dataclass(frozen=True)
class Difference:
    """One rule in which the two differ, and what each step would count if it alone were the other's."""

    option: str
    ours: Any
    theirs: Any
    reached: tuple[int, ...]


@dataclass(frozen=True)
class Comparison:
    """``left`` and ``right`` counted, the rules that differ, and some who are counted otherwise."""

    names: tuple[str, str]
    left: FunnelResult
    right: FunnelResult
    differences: tuple[Difference, ...]
    examples: tuple[dict[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        return {
            self.names[0]: self.left.as_json(),
            self.names[1]: self.right.as_json(),
            "differences": [vars(each) for each in self.differences],
            "examples": list(self.examples),
        }


def compare(
    names: tuple[str, str],
    given: dict[str, Any],
    spell: Callable[[FunnelOptions], Asked],
    count: Callable[[Asked], FunnelResult],
) -> Comparison:
    """Count as both do. ``spell`` makes a funnel of options, ``count`` counts it.

    Each rule that differs is tried alone, in the place of the first's: what changes is its doing.
    """
    one, other = (dialect(name).with_given(given) for name in names)
    left, right = count(spell(one)), count(spell(other))
    differences = []
    for option, (ours, theirs) in one.differences(other).items():
        alone = count(spell(one.with_given({option: theirs})))
        differences.append(Difference(option, ours, theirs, tuple(step.reached for step in alone.steps)))
    return Comparison(names, left, right, tuple(differences), tuple(_examples(names, left, right)))


def _examples(names: tuple[str, str], left: FunnelResult, right: FunnelResult) -> list[dict[str, Any]]:
    attempts = [each.attempts() for each in (left, right)]
    differing = sorted(
        user
        for user in attempts[0].keys() | attempts[1].keys()
        if len(attempts[0].get(user, ())) != len(attempts[1].get(user, ()))
    )
    return [
        {"user": user}
        | {
            name: [_moment(at) for at in found.get(user, ())]
            for name, found in zip(names, attempts, strict=True)
        }
        for user in differing[:EXAMPLES]
    ]


def _moment(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
