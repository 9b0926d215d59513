"""What a person writes for the steps of a funnel: names of events, or rules as in a journey file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import yaml

from models.journey import Condition, Rule
from models.journey_schema import parse_rule
from pipelines.errors import PainpointsError

StepLike = str | dict[str, object] | Sequence[object]


@dataclass(frozen=True)
class Step:
    """One step: what it is called, and the rules of which one must match."""

    name: str
    rules: tuple[Rule, ...]


def parse_steps(given: str | Sequence[StepLike]) -> tuple[Step, ...]:
    """Steps of ``a,b,c`` or of a list whose items are names, rules, or lists of rules.

    A text that begins with ``[`` is such a list in YAML. Raises PainpointsError.
    """
    items: object = given
    if isinstance(given, str):
        try:
            is_list = given.lstrip().startswith("[")
            items = yaml.safe_load(given) if is_list else [each.strip() for each in given.split(",")]
        except yaml.YAMLError as error:
            raise PainpointsError(f"--steps {given!r}: this is no list of steps ({error})") from error
    if not isinstance(items, list | tuple) or not items:
        raise PainpointsError(f"{given!r}: give the steps as a,b,c or as [a, {{event: b, page: /cart*}}]")
    return tuple(_step(item) for item in items)


def parse_matcher(given: StepLike) -> tuple[Rule, ...]:
    """The rules of one name, rule, or list of rules. Raises PainpointsError."""
    return _step(given).rules


def _step(item: object) -> Step:
    if isinstance(item, str) and item:
        return Step(item, (Rule((Condition("event_name", (item,)),)),))
    rules = item if isinstance(item, list | tuple) else [item]
    try:
        parsed = tuple(parse_rule(rule) for rule in rules)
    except ValueError as error:
        raise PainpointsError(f"step {item!r}: {error}") from error
    if not parsed:
        raise PainpointsError("a step is empty; give the name of an event, or a rule")
    names = [str(value) for rule in parsed for each in rule.conditions for value in each.values]
    return Step(" | ".join(dict.fromkeys(names)), parsed)
