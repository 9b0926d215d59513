"""What tracking hid is not judged: of everybody, or only of those it was hidden of."""

from __future__ import annotations

from datetime import date, timedelta

import duckdb
import numpy as np
import pytest

from pipelines.blind_days import observed_days

FIRST = date(2026, 3, 2)
DAYS = tuple(FIRST + timedelta(days=n) for n in range(5))
COLUMNS = ("device", "is_new_user")
LEAVES = (("desktop", "false"), ("desktop", "true"), ("mobile", "false"), (None, "true"))


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    db = duckdb.connect()
    db.execute("create schema intermediate")
    db.execute(
        "create table intermediate.tracking_breaks "
        "(journey varchar, stage varchar, day date, segment_column varchar, segment_value varchar)"
    )
    rows = [
        ("shop", "cart", DAYS[0], None, None),
        ("shop", "cart", DAYS[1], "device", "mobile"),
        ("shop", "cart", DAYS[2], "is_new_user", "true"),
        ("shop", "cart", DAYS[2], "device", "desktop"),
        ("shop", "cart", DAYS[3], "browser", "Safari"),
        ("shop", "cart", FIRST - timedelta(days=1), None, None),
        ("shop", "pay", DAYS[4], None, None),
        ("club", "cart", DAYS[4], None, None),
    ]
    db.executemany("insert into intermediate.tracking_breaks values (?, ?, ?, ?, ?)", rows)
    return db


def test_a_break_of_one_segment_hides_its_leaves_on_its_day_only(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    mask = observed_days(connection)("shop", "cart", COLUMNS, LEAVES, DAYS)
    assert np.array(mask, dtype=int).tolist() == [
        # everybody, mobile, desktop or new, a column that is not told apart, nobody
        [0, 1, 0, 0, 1],
        [0, 1, 0, 0, 1],
        [0, 0, 1, 0, 1],
        [0, 1, 0, 0, 1],
    ]


def test_another_stage_or_journey_is_seen(connection: duckdb.DuckDBPyConnection) -> None:
    observed = observed_days(connection)
    assert observed("shop", "buy", COLUMNS, LEAVES, DAYS).all()
    assert observed("club", "cart", COLUMNS, LEAVES, DAYS).sum() == len(LEAVES) * 4
    assert observed("shop", "cart", COLUMNS, LEAVES, ()).shape == (len(LEAVES), 0)
