"""Who takes part: the file of each contender, the library it needs, and what it is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Contender:
    """``script`` stands beside this file; ``library`` is the module that must be importable.

    ``share`` in (0, 1] is the part of the users it gets; its seconds are divided by it. ``is_checked``:
    whether it gives a result per session. ``most_events``: it sits out larger worlds. ``note``: what the
    printed table has to say of it.
    """

    script: str
    library: str
    arguments: tuple[str, ...] = ()
    share: float = 1.0
    is_checked: bool = True
    most_events: float = float("inf")
    note: str = ""


OURS = "ours"
CONTENDERS: Mapping[str, Contender] = {
    "floor": Contender("bench_floor.py", "duckdb", is_checked=False),
    OURS: Contender(
        "bench_ours.py",
        "duckdb",
        note="sessions, stage visits, attempts and the funnel with all that marts say of them: visitor, "
        "channel, pages, money, path, fitness",
    ),
    "ours_core": Contender(
        "bench_ours.py",
        "duckdb",
        ("--core",),
        note="no more than the others tell: sessions, stage visits, attempts with their end and path, and "
        "the depth of each session, by the same files of sql/; no visitors, pages, money, or marts",
    ),
    "ours_whole": Contender(
        "bench_ours.py", "duckdb", ("--whole",), is_checked=False, note="every table and check of a build"
    ),
    "ours_user": Contender("bench_ours.py", "duckdb", ("--journeys", "user")),
    "ours_both": Contender("bench_ours.py", "duckdb", ("--journeys", "both")),
    "ours_two": Contender("bench_ours.py", "duckdb", ("--journeys", "two")),
    "usual_sql": Contender("bench_usual_sql.py", "duckdb"),
    "chdb": Contender("bench_chdb.py", "chdb"),
    "chdb_text": Contender("bench_chdb.py", "chdb", ("--keys", "text")),
    "polars": Contender("bench_polars.py", "polars"),
    "polars_text": Contender("bench_polars.py", "polars", ("--keys", "text")),
    "retentioneering": Contender("bench_retentioneering.py", "retentioneering", share=0.1),
    "plain": Contender("bench_plain.py", "pyarrow", most_events=1e6),
}
