"""A detour that a fall of conversion explains is not told as well."""

from __future__ import annotations

from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest

from models.consequences import is_consequence


def finding(kind: str, stage: str, following: str, started: date | None, **segment: str) -> Any:
    return SimpleNamespace(
        kind=kind,
        journey="purchase",
        persona="default",
        stage=stage,
        next_stage=following,
        started_on=started,
        conditions=tuple(segment.items()),
    )


DETOUR = finding("detour", "checkout", "pay", date(2026, 5, 8), device="desktop")


@pytest.mark.parametrize(
    ("fall", "expected"),
    [
        (finding("regression", "checkout", "pay", date(2026, 4, 30), device="desktop"), True),
        (finding("regression", "pay", "buy", date(2026, 4, 30), country="France"), True),
        (finding("regression", "cart", "checkout", date(2026, 5, 15)), True),
        (finding("regression", "checkout", "pay", date(2026, 5, 16)), False),  # it began before the fall
        (finding("regression", "checkout", "pay", date(2026, 4, 30), device="mobile"), False),
        (finding("regression", "discover", "consider", date(2026, 4, 30)), False),
        (finding("slow", "checkout", "pay", date(2026, 4, 30)), False),
        (finding("regression", "checkout", "pay", None), False),
    ],
)
def test_a_detour_goes_with_a_fall_of_the_same_people_at_its_stages(fall: Any, expected: bool) -> None:
    assert is_consequence(DETOUR, [DETOUR, fall]) is expected
    assert not is_consequence(fall, [DETOUR, fall])


def test_a_journey_or_persona_explains_only_itself() -> None:
    fall = finding("regression", "checkout", "pay", date(2026, 4, 30))
    fall.persona = "new_mobile"
    assert not is_consequence(DETOUR, [fall])
