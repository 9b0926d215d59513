"""What a proposed journey's stages convert today, from the first and last time each person did them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# (days, the share of conversions that must fit). The opening is the first of a month, which people who
# come by every week stretch; so a week will do unless most conversions need more.
WINDOWS = ((1, 0.9), (7, 0.6), (14, 0.6), (30, 0.0))

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class StageRate:
    """Of ``reached`` attempts the share ``conversion`` went on, three quarters of them within ``within``.

    ``within`` is in seconds, None where nobody went on.
    """

    reached: int
    conversion: float
    within: float | None

    @property
    def ideal(self) -> float:
        """The rate as a person would write it: two digits, rounded down, so that it is met today."""
        digits = 2 if self.conversion >= 0.1 else 3
        return float(math.floor(self.conversion * 10**digits + 1e-9) / 10**digits)


def stage_rates(first: Times, last: Times, required: npt.NDArray[np.bool_]) -> list[StageRate | None]:
    """The rate into each stage from the required stage before it; None for the first and the optional ones.

    ``first`` and ``last``, shape (attempts, stages), are when each stage was first and last visited within
    the attempt, in microseconds, NaN where it was not. Of the attempts that reached a, those advanced to b
    that visit b at or after first reaching a (the rule of journeys).
    """
    rates: list[StageRate | None] = []
    before: int | None = None
    for stage in range(first.shape[1]):
        if before is None or not required[stage]:
            rates.append(None)
        else:
            reached = ~np.isnan(first[:, before])
            with np.errstate(invalid="ignore"):
                advanced = reached & (last[:, stage] >= first[:, before])
                in_order = advanced & (first[:, stage] >= first[:, before])
            took = (first[in_order, stage] - first[in_order, before]) / 1e6
            rates.append(
                StageRate(
                    int(reached.sum()),
                    float(advanced.sum() / reached.sum()) if reached.any() else 0.0,
                    float(np.quantile(took, 0.75)) if len(took) else None,
                )
            )
        if required[stage]:
            before = stage
    return rates


def window_days(seconds: npt.NDArray[np.float64]) -> tuple[int, float]:
    """The days of a window that fits the times from opening to goal, and the share of them it holds."""
    if not len(seconds):
        return 7, 0.0
    shares = ((days, least, float((seconds <= days * 86400).mean())) for days, least in WINDOWS)
    return next((days, share) for days, least, share in shares if share >= least)
