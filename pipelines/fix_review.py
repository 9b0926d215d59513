"""Whether the fixes that people report show in the data: each finding marked as fixed, before and after."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

import duckdb
import numpy as np

from models.fix_effect import ENOUGH_GAP, DayCounts, judge_fix
from pipelines.fix_counts import Share, Who, counts_by_day, share_of
from pipelines.mark_store import FixReview, Mark, current_marks, save_fix_reviews
from pipelines.own_counts import last_matured_day

RECENT_DAYS = 7  # that must be low again before a finding that was resolved "came back"
DAYS_BEFORE = 28  # of a finding older than this, the days just before the fix are compared


def review_fixes(connection: duckdb.DuckDBPyConnection) -> list[FixReview]:
    """Judge every finding marked as fixed by the tables of the last build, and keep what came of it.

    Needs the marts and the state tables; marts.marks shows it when it is made next.
    """
    reviews = [
        review
        for mark in current_marks(connection)
        if mark.mark == "fixed" and (review := _review(connection, mark)) is not None
    ]
    save_fix_reviews(connection, reviews)
    return reviews


def _review(connection: duckdb.DuckDBPyConnection, mark: Mark) -> FixReview | None:
    row = _last_seen(connection, mark.pain_point_id)
    fixed = mark.fixed_on
    if row is None or fixed is None:
        return None
    evidence = json.loads(row["evidence"])
    last = last_matured_day(connection, row["journey"])
    began = row["started_on"] or date.fromisoformat(evidence["first_day"])
    first = max(min(began, fixed - timedelta(days=1)), fixed - timedelta(days=DAYS_BEFORE))
    if row["started_on"] is None:  # a standing gap was there before the days it was last judged by
        first = fixed - timedelta(days=DAYS_BEFORE)
    unseen = {date.fromisoformat(day) for day in evidence.get("unseen_days", ())}
    share = share_of(row)
    if share is None:
        reason = {"reason": f"a fix of a {row['kind']} finding is told by its status alone"}
        return FixReview(mark.pain_point_id, "cannot be judged", json.dumps(reason))
    if last is None:
        return FixReview(mark.pain_point_id, "cannot be judged", "{}")
    own = _periods(connection, row, share, "segment", first, fixed, last, unseen)
    if own is None:
        return FixReview(mark.pain_point_id, "cannot be judged", "{}")
    # of everyone there are no others that could tell a fix from a good week
    others = (
        None
        if not evidence.get("segment")
        else _periods(connection, row, share, "others", first, fixed, last, unseen)
    )
    effect = judge_fix(*own, share.expected, others)
    lately = judge_fix(own[0], own[1].latest(RECENT_DAYS), share.expected).closed
    is_low_again = lately is not None and lately < ENOUGH_GAP
    verdict = "came back" if is_low_again and _came_back(connection, row, fixed) else effect.verdict
    numbers: dict[str, Any] = {
        key: round(value, 4) if isinstance(value, float) else value for key, value in asdict(effect).items()
    }
    numbers |= {
        "verdict": verdict,
        "fixed_on": fixed.isoformat(),
        "first_day": first.isoformat(),
        "last_day": last.isoformat(),
        "expected": share.expected,
        "against_others": others is not None,
    }
    return FixReview(mark.pain_point_id, verdict, json.dumps(numbers))


def _last_seen(connection: duckdb.DuckDBPyConnection, pain_point_id: str) -> dict[str, Any] | None:
    """The finding as it stood when its evidence was last its own: on the last night it was open."""
    result = connection.execute(
        "select * from state.pain_point_history where pain_point_id = ? "
        "order by status = 'resolved', night desc limit 1",
        [pain_point_id],
    )
    names = [column[0] for column in result.description or []]
    row = result.fetchone()
    return None if row is None else dict(zip(names, row, strict=True))


def _periods(
    connection: duckdb.DuckDBPyConnection,
    row: Mapping[str, Any],
    share: Share,
    who: Who,
    first: date,
    fixed: date,
    last: date,
    unseen: set[date],
) -> tuple[DayCounts, DayCounts] | None:
    """The days before the fix and those after it; the day of the fix is half of each and left out."""
    counts = counts_by_day(connection, row, share, first, last, who)
    if counts is None:
        return None
    used = {day: pair for day, pair in counts.items() if day not in unseen and day != fixed}
    return (
        _day_counts([pair for day, pair in sorted(used.items()) if day < fixed]),
        _day_counts([pair for day, pair in sorted(used.items()) if day > fixed]),
    )


def _day_counts(pairs: list[tuple[int, int]]) -> DayCounts:
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return DayCounts(table[:, 0], table[:, 1])


def _came_back(connection: duckdb.DuckDBPyConnection, row: Mapping[str, Any], fixed: date) -> bool:
    """Whether it was resolved after the fix and is open again on the last night."""
    found: bool = connection.execute(
        "select exists (select 1 from state.pain_point_history as o "
        "where o.pain_point_id = $id and o.status <> 'resolved' "
        "and o.night = (select max(night) from state.nights) "
        "and exists (select 1 from state.pain_point_history as r where r.pain_point_id = $id "
        "and r.status = 'resolved' and r.night > $fixed and r.night < o.night))",
        {"id": row["pain_point_id"], "fixed": fixed},
    ).fetchall()[0][0]
    return found
