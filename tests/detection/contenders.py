"""Who takes part, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

from detection.claims import Contender

NAMED: Mapping[str, str] = {
    "ours": "detection.ours:Ours",
    "fixed_threshold": "detection.naive:FixedThreshold",
    "daily_z": "detection.naive:DailyZ",
    "two_proportion": "detection.naive:TwoProportion",
    "two_proportion_two_way": "detection.naive:TwoProportionTwoWay",
    "odds_ratio": "detection.naive:OddsRatio",
}
"""``module:callable``; called without arguments it makes a fresh contender for one world."""


def maker_of(name: str) -> Callable[[], Contender]:
    """What makes a contender, by its name here or as ``module:callable``. ValueError if there is none."""
    module, _, attribute = NAMED.get(name, name).partition(":")
    if not attribute:
        raise ValueError(f"no such contender: {name}; there are {', '.join(NAMED)}, or module:callable")
    found: Callable[[], Contender] = getattr(import_module(module), attribute)
    return found
