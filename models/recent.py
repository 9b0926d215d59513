"""The last days of a finding: whether its rate is surely back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from models.baseline import Baseline
from models.cohorts import CountCube
from models.evidence import signed_root_deviance
from models.scan import LEAST_EXPECTED
from models.slices import Floats, Slice
from models.windows import followed

SURE = 1.645  # one-sided 95 %


@dataclass(frozen=True)
class Recent:
    """Trials, successes and expected successes of a slice in its last days.

    ``inflation`` is how many times more than by chance the successes vary, since days have shocks in common.
    """

    trials: float
    hits: float
    expected: float
    inflation: float = 1.0

    def has_made_good(self, gap: float) -> bool:
        """Whether the rate is surely (one-sided 95 %) back over half of a relative ``gap``."""
        halfway = self.halfway(gap)
        if self.expected < LEAST_EXPECTED:
            return False
        trials = max(self.trials, self.hits)
        z = signed_root_deviance(np.array([self.hits]), np.array([trials]), np.array([halfway]))
        return bool(z[0] > SURE * math.sqrt(self.inflation))

    def halfway(self, gap: float) -> float:
        return self.expected * (1 - gap / 2)


def sure_gap(gap: float, lost_low: float, lost: float) -> float:
    """The part of a relative gap that the lower end of its loss's interval leaves."""
    return gap * max(lost_low, 0.0) / lost if lost > 0 else gap


def recent_counts(
    cube: CountCube,
    rates: Floats,
    chosen: Slice,
    days: int,
    started: date | None = None,
    baseline: Baseline | None = None,
) -> Recent:
    """Counts of a slice in the last ``days`` days, none of them before ``started``.

    With a ``baseline``, good days that everyone has are no recovery: of what is expected by the past and
    what is expected given the others the larger counts, and the shocks that the whole has widen what is
    sure.
    """
    start = cube.days[-1] - timedelta(days=days - 1)
    start = start if started is None else max(start, started)
    recent = np.array([day >= start for day in cube.days])
    seen = np.where((cube.share > 0) & recent[None, :], cube.exposure, 0)
    parts = np.stack([seen, np.where(seen > 0, cube.successes, 0), seen * rates, seen * rates * (1 - rates)])
    own = parts[:, chosen.leaves].sum(axis=1)
    x, k, e, info = own.sum(axis=1)
    inflation = 1.0
    if baseline is not None and info > 0:
        n = float(max((own[0] > 0).sum(), 1))
        shocks = float(baseline.shock_variance((own[3] ** 2).sum(), np.asarray(info), n))
        if chosen.depth:
            others = parts[:, ~chosen.leaves].sum(axis=1)
            e = max(e, float(followed(own[0], own[2], others, baseline.shock).sum()))
            # what the others tell of the shocks is no longer unknown
            shocks /= 1 + shocks / info**2 * float(others[3].sum())
        inflation += shocks / info
    return Recent(float(x), float(k), float(e), float(inflation))
