"""Whether a fix shows: the rate before and after it, against what was missing and what others did."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from models.losses import Z90

Ints = npt.NDArray[np.int64]
Verdict = Literal["fix works", "fix did not show", "too early"]

ENOUGH_GAP = 0.5  # a fix that makes good half of what was missing is called one that works
LEAST_ATTEMPTS, LEAST_DAYS = 30, 3
PRIOR_DAYS = 6.0  # what "days vary no more than chance" weighs, in days


@dataclass(frozen=True)
class DayCounts:
    """Attempts and successes per day, both of shape (days,)."""

    attempts: Ints
    successes: Ints

    @property
    def n(self) -> int:
        return int(self.attempts.sum())

    @property
    def k(self) -> int:
        return int(self.successes.sum())

    @property
    def rate(self) -> float:
        return self.k / self.n if self.n else math.nan

    def latest(self, days: int) -> DayCounts:
        """The last days alone."""
        return DayCounts(self.attempts[-days:], self.successes[-days:])


@dataclass(frozen=True)
class FixEffect:
    """Rates in [0, 1] before and after; ``low``/``high`` are the 90 % interval of the rate after.

    ``closed`` is the share of the missing log-odds that was made good beyond what the others moved, with
    its 90 % interval; ``attempts_needed`` is how many after the fix would settle a case that is open.
    """

    verdict: Verdict
    before: float | None
    attempts_before: int
    after: float | None
    attempts_after: int
    low: float | None
    high: float | None
    closed: float | None
    closed_low: float | None
    closed_high: float | None
    attempts_needed: int | None


def judge_fix(
    before: DayCounts,
    after: DayCounts,
    expected: float,
    others: tuple[DayCounts, DayCounts] | None = None,
) -> FixEffect:
    """Compare the days of the finding before its fix with the days after it.

    ``expected`` is the rate the finding says there should be. ``others`` are the counts, before and
    after, of the same transition outside the finding's segment: what moved everybody is not the fix
    (difference in differences on log-odds). Variances are binomial, widened by how much more than
    chance the days vary; the size of the gap itself is taken as known.
    """
    spread = day_spread([each for each in (before, after) if each.n])
    if not before.n or not after.n or not 0 < expected < 1:
        return _too_early(before, after)
    missing = _log_odds(expected) - _log_odds_of(before)
    moved = _log_odds_of(after) - _log_odds_of(before)
    variance = spread * (_variance(before) + _variance(after))
    if others is not None and min(each.n for each in others) >= LEAST_ATTEMPTS:
        own = day_spread(list(others))
        moved -= _log_odds_of(others[1]) - _log_odds_of(others[0])
        variance += own * (_variance(others[0]) + _variance(others[1]))
    if missing == 0:
        return _too_early(before, after)
    closed = moved / missing
    half = Z90 * math.sqrt(variance) / abs(missing)
    low, high = _interval(after, spread)
    return FixEffect(
        _verdict(after, closed, half),
        before.rate,
        before.n,
        after.rate,
        after.n,
        low,
        high,
        closed,
        closed - half,
        closed + half,
        _needed(before, after, spread, missing),
    )


def _verdict(after: DayCounts, closed: float, half: float) -> Verdict:
    if after.n < LEAST_ATTEMPTS or len(after.attempts) < LEAST_DAYS:
        return "too early"
    if closed - half > 0 and closed >= ENOUGH_GAP:
        return "fix works"
    return "fix did not show" if closed + half < ENOUGH_GAP else "too early"


def _needed(before: DayCounts, after: DayCounts, spread: float, missing: float) -> int | None:
    """Attempts after the fix with which an interval of half the gap's width would be reached."""
    room = (ENOUGH_GAP * missing / Z90) ** 2 - spread * _variance(before)
    if room <= 0:
        return None
    rate = (after.k + 0.5) / (after.n + 1)
    return max(LEAST_ATTEMPTS, math.ceil(spread / (room * rate * (1 - rate))))


def _too_early(before: DayCounts, after: DayCounts) -> FixEffect:
    def rate(counts: DayCounts) -> float | None:
        return counts.rate if counts.n else None

    return FixEffect(
        "too early", rate(before), before.n, rate(after), after.n, None, None, None, None, None, None
    )


def _log_odds(rate: float) -> float:
    return math.log(rate / (1 - rate))


def _log_odds_of(counts: DayCounts) -> float:
    # half a success and half a failure more (Haldane 1955): finite also for 0 of n
    return math.log((counts.k + 0.5) / (counts.n - counts.k + 0.5))


def _variance(counts: DayCounts) -> float:
    return 1 / (counts.k + 0.5) + 1 / (counts.n - counts.k + 0.5)


def day_spread(periods: list[DayCounts]) -> float:
    """How many times the binomial variance the days show (Pearson), at least 1; a few days say little."""
    squares, degrees = 0.0, 0
    for each in periods:
        rate = (each.k + 0.5) / (each.n + 1)
        used = each.attempts > 0
        n, k = each.attempts[used], each.successes[used]
        squares += float(((k - n * rate) ** 2 / (n * rate * (1 - rate))).sum())
        degrees += max(int(used.sum()) - 1, 0)
    return max(1.0, (squares + PRIOR_DAYS) / (degrees + PRIOR_DAYS))


def _interval(counts: DayCounts, spread: float) -> tuple[float, float]:
    """90 % interval of a rate on log-odds, widened by ``spread``."""
    centre, half = _log_odds_of(counts), Z90 * math.sqrt(spread * _variance(counts))
    return 1 / (1 + math.exp(half - centre)), 1 / (1 + math.exp(-half - centre))
