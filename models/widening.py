"""Whether the rest of a wider segment fell just as much as the one found: then the wider one is told.

Evidence against everyone else favours the part of a segment that is known best: where few new visitors
come, the returning ones alone are surer than both together, though both fell. The rest is asked by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from models.cohorts import CountCube
from models.reference import Reference
from models.shortfall import Shortfall, shortfall_of
from models.slices import Bools, Floats, Slice, SliceSet

FELL_ALIKE = 3.0  # log-likelihood by which the rest must rather have fallen as much than not at all


def wider_alike(
    cube: CountCube,
    reference: Reference,
    explained: Floats,
    slices: SliceSet,
    found: Shortfall,
    candidates: Iterable[int],
) -> int | None:
    """The place of the wider slice, of these ``candidates``, whose rest fell alike most surely; or None.

    ``explained`` are the usual rates (leaves, days) with what was found multiplied into them, so the rest
    is held against what its own past and everyone else lead to expect.
    """
    fell_alike = partial(_fell_alike, cube, reference, explained, slices, found)
    best: tuple[float, int] | None = None
    for index in candidates:
        wider = slices.slices[index]
        rest = wider.leaves & ~found.slice.leaves
        if wider.depth >= found.slice.depth or not rest.any() or (found.slice.leaves & ~wider.leaves).any():
            continue
        likelihood = fell_alike(Slice(found.slice.conditions, rest))
        if likelihood < FELL_ALIKE or (best is not None and likelihood <= best[0]):
            continue
        # where a part of the rest surely did as ever, another cause is at work in the others
        if all(fell_alike(part) > -FELL_ALIKE for part in _within(slices, rest)):
            best = likelihood, index
    return None if best is None else best[1]


def _within(slices: SliceSet, leaves: Bools) -> Iterator[Slice]:
    return (each for each in slices.slices if each.leaves.any() and not (each.leaves & ~leaves).any())


def _fell_alike(
    cube: CountCube,
    reference: Reference,
    explained: Floats,
    slices: SliceSet,
    found: Shortfall,
    rest: Slice,
) -> float:
    """Logarithm of how much likelier the rest's successes are with the fall of the one found than without."""
    own = shortfall_of(cube, reference, explained, slices, rest, found.started, 0.0)
    successes = float(cube.successes[own.cells].sum())
    without, alike = own.expected, own.expected * found.change
    squares = (successes - without) ** 2 - (successes - alike) ** 2
    return squares / (2 * max(own.variance, 1e-9))
