"""What has recovered stays so until new days are bad: the old ones do not bring it back."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from test_detector import live, made_cube


def low_between(first: int, last: int, again: int = 999) -> object:
    def rate(device: str, channel: str, day: int) -> float:
        is_low = device == "mobile" and (first <= day < last or day >= again)
        return (0.5 if device == "mobile" else 0.6) * (0.5 if is_low else 1.0)

    return rate


@pytest.mark.parametrize("seed", range(1, 7))
@pytest.mark.parametrize("length", [8, 12])
def test_the_days_before_a_recovery_do_not_bring_a_finding_back(seed: int, length: int) -> None:
    cube = made_cube(seed, low_between(36, 36 + length), lambda *_: 90.0)  # type: ignore[arg-type]
    history = live(cube, range(34, 70))
    ids = {
        each.pain_point_id for found in history.values() for each in found if each.segment == "device=mobile"
    }
    assert ids
    for one in ids:
        life = [each.status for found in history.values() for each in found if each.pain_point_id == one]
        assert life[0] == "new"
        assert "resolved" in life
        assert "reopened" not in life, life
        assert all(later == "resolved" for earlier, later in pairwise(life) if earlier == "resolved")


@pytest.mark.parametrize("seed", range(1, 4))
def test_new_bad_days_do(seed: int) -> None:
    cube = made_cube(seed, low_between(34, 42, again=58), lambda *_: 90.0)  # type: ignore[arg-type]
    history = live(cube, range(32, 70))
    told = [
        (night, each) for night, found in history.items() for each in found if each.segment == "device=mobile"
    ]
    first = {each.pain_point_id for night, each in told if night < 50}
    back = [night for night, each in told if night >= 58 and each.is_open]
    assert len(first) == 1
    assert back
    assert back[0] <= 64
    assert np.diff(back).max(initial=1) == 1, "once back it stays while the days are bad"
