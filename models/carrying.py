"""Which earlier finding goes on in one of tonight."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from models.cohorts import CohortCube
from models.finding import Kind, OpenFinding
from models.slices import Slice, containment, overlap

SAME_SEGMENT_OVERLAP = 0.5
SAME_START = timedelta(days=4)
SAME_PEOPLE = 0.5


def older_of(
    cube: CohortCube,
    kind: Kind,
    found: Slice,
    started: date | None,
    earlier: Sequence[OpenFinding],
) -> OpenFinding | None:
    """The earlier finding that goes on in this one.

    It has the same attempts under a near-equal segment; or, as long as it is young, it began at the
    same time in a segment that shares half of its people: the first nights often see a drop before they
    see whose.
    """
    best: tuple[float, bool, int, str] | None = None
    chosen = None
    weight = cube.trials.sum(axis=1)
    for each in (each for each in earlier if each.kind == kind):
        slice_then = cube.slice_of(each.conditions)
        shared = overlap(weight, found, slice_then)
        is_near = found.is_nested_with(slice_then) or containment(weight, found, slice_then) >= SAME_PEOPLE
        if shared < SAME_SEGMENT_OVERLAP and not (is_near and _began_together(each, started)):
            continue
        # of equals the one that was there first
        rank = (shared, not each.is_resolved, -each.first_seen.toordinal(), each.pain_point_id)
        if best is None or rank > best:
            best, chosen = rank, each
    return chosen


def _began_together(older: OpenFinding, started: date | None) -> bool:
    return (
        not older.is_settled
        and not older.is_resolved
        and older.started_on is not None
        and started is not None
        and abs(older.started_on - started) <= SAME_START
    )
