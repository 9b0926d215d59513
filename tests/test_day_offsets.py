"""A moment's day by the clocks' offset of its UTC day is the day that the time zone's own rules tell."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pytest

from pipelines.engine_functions import FUNCTIONS
from pipelines.sql_models import SQL_FOLDER, read_model

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
YEARS = 366 * 24 * 3600 * 3_000_000


# clocks go back over midnight; a day is left out; half hours; midnight that does not exist; before 1970; none
@pytest.mark.parametrize(
    ("zone", "first"),
    [
        ("America/St_Johns", date(2004, 1, 1)),
        ("Pacific/Apia", date(2010, 6, 1)),
        ("Australia/Lord_Howe", date(2024, 1, 1)),
        ("America/Sao_Paulo", date(2016, 1, 1)),
        ("America/New_York", date(1968, 6, 1)),
        ("Asia/Kolkata", date(1968, 6, 1)),
        ("UTC", date(2026, 1, 1)),
    ],
)
def test_days_told_by_offsets_are_those_of_the_zone(zone: str, first: date) -> None:
    chance = random.Random(7)
    start_us = (datetime(first.year, first.month, first.day, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    moments = [start_us + chance.randrange(YEARS) for _ in range(20_000)]
    # the minutes around every midnight and every change of the clocks
    for hour in range(0, YEARS, 3_600_000_000):
        moments += [start_us + hour + around for around in (-1, 0, 30_000_000, 90_000_000)]
    with duckdb.connect() as db:
        for function in FUNCTIONS:
            db.execute(function)
        db.execute("create schema config")
        db.execute("create schema intermediate")
        db.execute("create table config.settings as select ? as timezone", [zone])
        db.execute(
            "create table intermediate.session_spans as "
            "select unnest(?) as started_us, started_us as ended_us",
            [moments],
        )
        sql = read_model(SQL_FOLDER / "intermediate" / "day_offsets.sql").sql
        db.execute(f"create table intermediate.day_offsets as {sql}")
        ((known, days),) = db.execute(
            "select count(offset_us), count(*) from intermediate.day_offsets"
        ).fetchall()
        told = db.execute(
            "select s.started_us, local_day_at(s.started_us, d.offset_us, ?) "
            "from intermediate.session_spans as s "
            "left join intermediate.day_offsets as d on s.started_us // 86400000000 = d.utc_day",
            [zone],
        ).fetchall()
    rules = ZoneInfo(zone)
    assert len(told) == len(moments)
    for us, day in told:
        assert day == (EPOCH + timedelta(microseconds=us)).astimezone(rules).date(), us
    assert known >= 0.4 * days, "else nothing is won"
