"""Usual practice: rules on each segment by itself, on attempts that had their whole week to advance.

All but the odds ratio compare the last seven matured days (or the last one) with the 28 before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import date, timedelta

import numpy as np
from scipy import stats

from detection.claims import Claim, NightView
from detection.naive_counts import BEFORE, RECENT, Counts, count
from detection.segments import Bools

_SURE = 1.645  # of a 90 % interval


class Rule(ABC):
    """Flags segments of up to ``depth`` values every night; a flag that stays keeps its first start."""

    depth = 1

    def __init__(self) -> None:
        self._since: dict[tuple[int, int], tuple[date, float]] = {}  # the start, and the rate before it

    @abstractmethod
    def flagged(self, counts: Counts) -> Bools:
        """The flags of a night (T, S)."""

    def judge(self, view: NightView) -> list[Claim]:
        counts = count(view, self.depth)
        if counts is None:
            return []
        flags = {(int(t), int(s)) for t, s in np.argwhere(self.flagged(counts))}
        start = counts.days[-1] - timedelta(days=RECENT - 1)
        usual = counts.before_rate
        self._since = {at: self._since.get(at, (start, float(usual[at]))) for at in sorted(flags)}
        return [self._claim(counts, at, *since) for at, since in self._since.items()]

    def _claim(self, counts: Counts, at: tuple[int, int], start: date, usual: float) -> Claim:
        days = slice((start - counts.days[0]).days, None)
        trials = counts.trials[at][days].sum()
        lost = (trials * usual - counts.arrivals[at][days].sum()) * counts.completing[at]
        spread = _SURE * np.sqrt(max(trials * usual * (1 - usual), 0)) * counts.completing[at]
        conditions = counts.segments[at[1]]
        name = " & ".join(f"{column}={value}" for column, value in conditions) or "all"
        return Claim(
            at[0],
            conditions,
            "regression",
            start,
            float(lost),
            float(lost - spread),
            float(lost + spread),
            f"{at[0]} {name}",
        )


class FixedThreshold(Rule):
    """The step rate of the week is 10 % (relative) below that of the four weeks before."""

    def flagged(self, counts: Counts) -> Bools:
        enough = counts.recent_trials >= 100
        return np.asarray(enough & (counts.recent_rate < 0.9 * counts.before_rate))


class DailyZ(Rule):
    """The rate of the day is three standard deviations below the mean of the 28 days before."""

    def flagged(self, counts: Counts) -> Bools:
        trials = counts.trials[..., -BEFORE - 1 :]
        rates = counts.arrivals[..., -BEFORE - 1 :] / np.maximum(trials, 1)
        mean, deviation = rates[..., :-1].mean(axis=-1), rates[..., :-1].std(axis=-1, ddof=1)
        return np.asarray((rates[..., -1] < mean - 3 * deviation) & (trials[..., -1] > 0))


class TwoProportion(Rule):
    """Two-proportion z-test of the week against the four weeks before, one-sided 5 %, Bonferroni a night."""

    def flagged(self, counts: Counts) -> Bools:
        n, m = counts.recent_trials, counts.before_trials
        pooled = (n * counts.recent_rate + m * counts.before_rate) / np.maximum(n + m, 1)
        spread = np.sqrt(
            np.maximum(pooled * (1 - pooled), 1e-12) * (1 / np.maximum(n, 1) + 1 / np.maximum(m, 1))
        )
        z = (counts.recent_rate - counts.before_rate) / spread
        return np.asarray((n > 0) & (m > 0) & (z < stats.norm.ppf(0.05 / z.size)))


class TwoProportionTwoWay(TwoProportion):
    """The same with all pairs of segment values as well."""

    depth = 2


class OddsRatio(Rule):
    """The ten segments that go hardest with not advancing: odds ratio against the rest over 28 days, shrunk.

    It looks at no past, as correlation reports do; 50 attempts at the whole's rate are put to both sides.
    """

    depth = 2
    listed = 10
    prior = 50.0

    def flagged(self, counts: Counts) -> Bools:
        trials = counts.trials[..., -BEFORE:].sum(axis=-1)
        hits = counts.arrivals[..., -BEFORE:].sum(axis=-1)
        whole = hits[:, :1] / np.maximum(trials[:, :1], 1)

        def odds(n: np.ndarray, k: np.ndarray) -> np.ndarray:
            return np.asarray((n - k + self.prior * (1 - whole)) / (k + self.prior * whole))

        ratio = odds(trials, hits) / odds(trials[:, :1] - trials, hits[:, :1] - hits)
        ratio[:, 0] = 0.0
        return np.asarray(ratio >= np.sort(ratio, axis=None)[-self.listed])
