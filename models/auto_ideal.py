"""`ideal: auto`: an ideal conversion proposed from the segments of a persona that do best.

What a quarter of the attempts already reach can be reached. The segments (leaves: every combination of
the journey's segment values) are ranked by their shrunk rate; the best of them that hold a quarter of the
attempts make the proposal: their mean shrunk rate, weighted by attempts. Shrinking (empirical Bayes: a
beta prior around the transition's rate, its strength by moments, Kleinman 1973) keeps small segments that
were only lucky from setting the ideal; with segments that differ by no more than chance the proposal is
hardly above the rate of everyone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
BEST_SHARE = 0.25
LEAST_ATTEMPTS = 400  # of the transition; fewer say too little to ask anything of anybody
LEAST_OF_SEGMENT = 30  # of a segment that may set the ideal
PRIOR_RANGE = (30.0, 5000.0)


@dataclass(frozen=True)
class ProposedIdeal:
    """A conversion in [0, 1] that the best quarter reaches, beside that of everyone.

    ``segments`` are the places of the leaves it is made of, which hold ``best_attempts`` of ``attempts``.
    """

    conversion: float
    overall: float
    attempts: int
    best_attempts: int
    segments: tuple[int, ...]


def propose_ideal(attempts: Counts, advanced: Counts) -> ProposedIdeal | None:
    """The proposal for one transition of one persona; both counts have shape (leaves,).

    None with fewer than 400 attempts, or no segment of at least 30.
    """
    n, k = attempts.astype(float), advanced.astype(float)
    total = n.sum()
    if total < LEAST_ATTEMPTS or not (n >= LEAST_OF_SEGMENT).any() or not k.sum():
        return None
    overall = float(k.sum() / total)
    strength = _strength(n, k, overall)
    shrunk = (k + strength * overall) / (n + strength)
    order = np.argsort(np.where(n >= LEAST_OF_SEGMENT, -shrunk, np.inf), kind="stable")
    order = order[n[order] >= LEAST_OF_SEGMENT]
    enough = int(np.searchsorted(np.cumsum(n[order]), BEST_SHARE * total)) + 1
    best = order[:enough]
    conversion = float((shrunk[best] * n[best]).sum() / n[best].sum())
    return ProposedIdeal(
        max(conversion, overall),
        overall,
        int(total),
        int(n[best].sum()),
        tuple(sorted(best.tolist())),
    )


def _strength(n: npt.NDArray[np.float64], k: npt.NDArray[np.float64], overall: float) -> float:
    """Attempts that the rate of everyone is worth: few where segments differ much beyond chance."""
    variance = overall * (1 - overall)
    excess = float(((k - n * overall) ** 2 - n * variance).sum())
    room = float((n * np.maximum(n - 1, 0) * variance).sum())
    correlation = excess / room if room > 0 else 0.0
    return float(np.clip(1 / max(correlation, 1e-9) - 1, *PRIOR_RANGE))
