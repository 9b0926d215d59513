"""What people say of findings, as tables of schema ``state``: every mark ever set, and how fixes do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import duckdb

from pipelines.state_tables import make_state_table
from pipelines.warehouse import literal


@dataclass(frozen=True)
class Mark:
    """One mark; ``mark`` None takes the last one back. ``marked_at`` is UTC without a zone."""

    pain_point_id: str
    mark: str | None
    marked_at: datetime
    mark_until: date | None = None
    mark_note: str | None = None
    fixed_on: date | None = None


@dataclass(frozen=True)
class FixReview:
    """How a finding marked as fixed does: a word, and the numbers as JSON."""

    pain_point_id: str
    fix_verdict: str
    fix_evidence: str


_COLUMNS = "pain_point_id, mark, marked_at, mark_until, mark_note, fixed_on"


def make_mark_state(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of marks where they are missing."""
    make_state_table(
        connection,
        "marks",
        {
            "mark_number": "bigint",
            "pain_point_id": "varchar",
            "mark": "varchar",
            "marked_at": "timestamp",
            "mark_until": "date",
            "mark_note": "varchar",
            "fixed_on": "date",
        },
    )
    reviews = dict.fromkeys(("pain_point_id", "fix_verdict", "fix_evidence"), "varchar")
    make_state_table(connection, "fix_reviews", reviews)


def add_mark(connection: duckdb.DuckDBPyConnection, mark: Mark) -> None:
    """Keep a mark; the newest of a pain point holds."""
    connection.execute(
        f"insert into state.marks (mark_number, {_COLUMNS}) "
        "select coalesce(max(mark_number), 0) + 1, ?, ?, ?, ?, ?, ? from state.marks",
        [mark.pain_point_id, mark.mark, mark.marked_at, mark.mark_until, mark.mark_note, mark.fixed_on],
    )


def current_marks(connection: duckdb.DuckDBPyConnection) -> list[Mark]:
    """The newest mark of each pain point, without those taken back."""
    rows = connection.execute(
        f"select {_COLUMNS} from state.marks as m where mark is not null and mark_number = "
        "(select max(n.mark_number) from state.marks as n where n.pain_point_id = m.pain_point_id) "
        "order by mark_number"
    ).fetchall()
    return [Mark(*row) for row in rows]


def save_fix_reviews(connection: duckdb.DuckDBPyConnection, reviews: Sequence[FixReview]) -> None:
    """Keep how the fixes do, in the place of what was said before."""
    connection.execute("delete from state.fix_reviews")
    for each in reviews:
        connection.execute(
            "insert into state.fix_reviews (pain_point_id, fix_verdict, fix_evidence) values (?, ?, ?)",
            [each.pain_point_id, each.fix_verdict, each.fix_evidence],
        )


def bring_back_marks(connection: duckdb.DuckDBPyConnection, published: Path) -> int:
    """Take the marks of the published file into a warehouse that was made anew; returns how many.

    A warehouse that was deleted is rebuilt from the lake, but what people said is in no lake.
    """
    known = connection.execute(
        "select (select count(*) from state.marks) + (select count(*) from state.nights)"
    ).fetchall()[0][0]
    if known or not published.exists():
        return 0
    try:
        connection.execute(f"attach {literal(published)} as old (read_only)")
    except duckdb.Error:
        return 0  # damaged, or open for writing elsewhere: the build goes on and will replace it
    try:
        has_marks = connection.execute(
            "select 1 from information_schema.tables where table_catalog = 'old' "
            "and table_schema = 'marts' and table_name = 'marks'"
        ).fetchall()
        if not has_marks:
            return 0
        connection.execute(
            f"insert into state.marks (mark_number, {_COLUMNS}) "
            f"select mark_number, {_COLUMNS} from old.marts.marks"
        )
        count: int = connection.execute("select count(*) from state.marks").fetchall()[0][0]
        return count
    finally:
        connection.execute("detach old")
