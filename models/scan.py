"""Find the segments in which a transition falls short, each explained only once.

Greedy conditional scan: of all slices and windows take the one with the strongest evidence, multiply its
effect into the expectation, scan again. What a narrower or wider segment already explains is then
expected, so nested segments do not fill the list. Rises are explained away too, but not told: a sale in
one channel makes no drop of the others.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from models.cohorts import CountCube
from models.evidence import lower_tail
from models.reference import Reference
from models.shortfall import Shortfall, explain_away, shortfall_of
from models.slices import Bools, Conditions, Floats, SliceSet
from models.widening import wider_alike
from models.windows import WINDOWS, Windowed, log_tails, windowed

LEAST_EXPECTED = 12.0
LEAST_FAILURES = 5.0
FEW = 60.0  # counts below this get an exact tail
EXACT_TAILS = 8  # of the strongest candidates
DEPTH_PENALTY = 1.0  # of log-evidence, for every condition: most causes have few
STAYS = 3.0  # of log-evidence by which another segment must explain better than the one told last night


def scan_regressions(
    cube: CountCube,
    reference: Reference,
    slices: SliceSet,
    *,
    margin: float,
    least_log_p: float,
    tests: float = 1.0,
    told: Collection[Conditions] = (),
    most: int = 6,
) -> list[Shortfall]:
    """Slices that do worse than their own past, strongest first, down to a scan p-value of e^least_log_p.

    ``tests`` is how many scans (transitions, families) compete for the night's attention; of segments
    that explain about equally well those ``told`` the night before are taken.
    """
    rates = reference.rates.copy()
    windows = tuple(each for each in WINDOWS if each <= reference.tested_days)
    depths = slices.depths()
    penalties = np.log(np.bincount(depths)[depths] * len(windows) * tests)
    handicap = DEPTH_PENALTY * depths - STAYS * np.array([each.conditions in told for each in slices.slices])
    found: list[Shortfall] = []
    for _ in range(2 * most):
        judged = windowed(cube, reference, rates, slices, windows)
        evidence, falls = _evidence(judged, slices, penalties, margin)
        best = _strongest(judged, evidence, falls, penalties, handicap, least_log_p)
        if best is None:
            break
        index, log_p, rises = best
        change = shortfall_of(cube, reference, rates, slices, slices.slices[index], None, log_p, rises=rises)
        explained = explain_away(rates, change)
        if not rises:
            surest = np.where(falls, evidence, 0.0).min(axis=1)
            sure = np.flatnonzero(surest <= least_log_p).tolist()
            wider = wider_alike(cube, reference, explained, slices, change, sure)
            if wider is not None:
                log_p = float(surest[wider])
                change = shortfall_of(cube, reference, rates, slices, slices.slices[wider], None, log_p)
                explained = explain_away(rates, change)
            found.append(change)
        rates = explained
        if len(found) == most:
            break
    return found


def _evidence(judged: Windowed, slices: SliceSet, penalties: Floats, margin: float) -> tuple[Floats, Bools]:
    """Logarithms of the scan's p-values, 0 where too little was seen, and what of it fell (not rose)."""
    k, e, usual, x = judged.hits, judged.expected, judged.usual, judged.exposure
    enough = (np.minimum(e, usual) >= LEAST_EXPECTED) & (x - e >= LEAST_FAILURES)
    falls = (k < e * (1 - margin)) & (k < usual * (1 - margin / 2))
    # what only looks good beside the others did not rise: they fell
    rises = (k > e * (1 + margin)) & (k - usual > (k - e) / 2) & (slices.depths() > 0)[:, None]
    tails = np.where(falls | rises, log_tails(-np.abs(judged.z), judged.degrees), 0.0)
    return np.where(enough, tails + penalties[:, None], 0.0), np.asarray(falls)


def _strongest(
    judged: Windowed, evidence: Floats, falls: Bools, penalties: Floats, handicap: Floats, least: float
) -> tuple[int, float, bool] | None:
    """The slice with the strongest evidence, the logarithm of its p-value and whether it rose; or None."""
    k, e, x = judged.hits, judged.expected, judged.exposure
    rank = np.where(evidence <= least, evidence - judged.relief + handicap[:, None], np.inf)
    order = np.argsort(rank, axis=None)[:EXACT_TAILS]
    best: tuple[float, int, float, bool] | None = None
    for place in order.tolist():
        row, column = np.unravel_index(place, rank.shape)
        at = (row, column)
        value = float(evidence[at])
        if value > least:
            break
        if falls[at] and min(k[at], x[at] - k[at]) < FEW:
            counts = (float(each[at]) for each in (k, judged.trials, e, judged.variance))
            exact = lower_tail(*counts)
            value = max(value, float(np.log(max(exact, 1e-300)) + penalties[row]))
        ranked = value - float(judged.relief[at]) + float(handicap[row])
        if value <= least and (best is None or ranked < best[0]):
            best = ranked, int(row), value, not falls[at]
    return None if best is None else best[1:]
