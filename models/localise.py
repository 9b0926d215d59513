"""Which segment explains a fall best, when the people within it need not all be hit alike.

The scan asks which segment's fall is least likely to be chance. With very many attempts every narrower
part of a segment in which the cause bites a little harder is surer still, and the answer gets too narrow.
Here each leaf may stray from its segment's effect by itself, and the segment wins under which all leaves,
those outside included, are likeliest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from models.slices import Floats, Slice, SliceSet

STRAY = 0.25  # standard deviation of a leaf's own factor on failures, relative to its segment's


@dataclass(frozen=True)
class Support:
    """A segment, the factor on failures inside it against that outside, and its log-likelihood."""

    slice: Slice
    factor: float
    log_likelihood: float


def likeliest_segments(slices: SliceSet, failures: Floats, expected: Floats) -> list[Support]:
    """The slices in which failures rose against everyone else, the likeliest cause first.

    ``failures`` and ``expected`` failures are per leaf, (leaves,). Given a slice, a leaf's failures are
    Poisson with a gamma-distributed mean around expected x the factor of its side (a negative binomial
    with relative spread ``STRAY``: Cameron & Trivedi, Regression Analysis of Count Data, section 3.3).
    The more slices have as many conditions, the less any of them is believed beforehand.
    """
    depths = slices.depths()
    beforehand = -np.log(np.bincount(depths)[depths])
    found = []
    for each, prior in zip(slices.slices, beforehand.tolist(), strict=True):
        inside = each.leaves
        within, without = (_factor(failures[side], expected[side]) for side in (inside, ~inside))
        if within <= without:
            continue
        means = expected * np.where(inside, within, without)
        likelihood = float(_log_likelihood(failures, means).sum())
        found.append(Support(each, within / without, likelihood + prior))
    return sorted(found, key=lambda each: -each.log_likelihood)


def _factor(failures: Floats, expected: Floats) -> float:
    return float((failures.sum() + 1) / (expected.sum() + 1))


def _log_likelihood(counts: Floats, means: Floats) -> Floats:
    shape, means = 1 / STRAY**2, np.maximum(means, 1e-6)
    constant = gammaln(counts + shape) - gammaln(shape) - gammaln(counts + 1)
    return np.asarray(
        constant + shape * np.log(shape / (shape + means)) + counts * np.log(means / (shape + means))
    )
