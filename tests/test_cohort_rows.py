"""What is read of the cube for judging says of every night looked at what the whole cube says."""

from __future__ import annotations

import random
from datetime import date, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from models.cohort_table import cohort_cubes
from models.cohorts import CohortCube
from models.detector import MEMORY_DAYS
from models.slices import Bools, LeafValues
from pipelines.cohort_rows import read_cohorts

FIRST = date(2025, 3, 1)
LAST = FIRST + timedelta(days=300)
COLUMNS = ("device", "is_new_user", "plan")


def _observed(_: str, __: str, ___: tuple[str, ...], leaves: LeafValues, days: tuple[date, ...]) -> Bools:
    return np.ones((len(leaves), len(days)), dtype=np.bool_)


def _made(seed: int) -> duckdb.DuckDBPyConnection:
    """A warehouse whose cube has two transitions: one all along, one that begins late or ended early."""
    chance = random.Random(seed)
    connection = duckdb.connect()
    connection.execute("create schema marts")
    connection.execute(
        "create table marts.stage_cohorts (journey varchar, persona varchar, stage varchar, "
        "stage_number bigint, next_stage varchar, reached_date date, device varchar, is_new_user boolean, "
        "plan varchar, age_days bigint, attempts bigint, converted bigint, value double, seconds double, "
        "median_seconds double, within_ideal bigint, skipped bigint, looped bigint, backtracked bigint)"
    )
    spans = [(0, 300), chance.choice([(250, 300), (0, 40), (100, 101)])]
    rows = [
        (
            *("shop", "everyone", f"s{number}", number, f"s{number + 1}", FIRST + timedelta(days=day)),
            *(chance.choice(["mobile", "desktop", None]), chance.choice([True, False, None])),
            # some plans were there once and never again, some ages too
            *("old" if day < 30 else chance.choice(["free", "paid"]), chance.choice([None, 0, 0, 1, 3])),
            *(chance.randrange(1, 50), chance.randrange(5), float(chance.randrange(900)), 60.0, 60.0, None),
            *(chance.randrange(3), chance.randrange(3), chance.randrange(3)),
        )
        for number, (start, end) in enumerate(spans, start=1)
        for day in range(start, end + 1)
        for _ in range(chance.randrange(6))
    ]
    rows.append(
        (
            "shop",
            "everyone",
            "s1",
            1,
            "s2",
            FIRST,
            "mobile",
            True,
            "old",
            7,
            1,
            0,
            0.0,
            9.0,
            9.0,
            None,
            0,
            0,
            0,
        )
    )
    names = [row[0] for row in connection.execute("describe marts.stage_cohorts").fetchall()]
    given = pa.table(
        {name: list(values) for name, values in zip(names, zip(*rows, strict=True), strict=True)}
    )
    connection.register("given", given)
    connection.execute("insert into marts.stage_cohorts from given")
    return connection


def _cubes(connection: duckdb.DuckDBPyConnection, since: date) -> list[CohortCube]:
    frame = read_cohorts(connection, since)
    return cohort_cubes(frame, {"shop": COLUMNS}, {"shop": LAST}, _observed)


@pytest.mark.parametrize("seed", range(8))
def test_each_night_sees_what_the_whole_cube_shows(seed: int) -> None:
    with _made(seed) as connection:
        first_night = LAST - timedelta(days=20)
        whole = _cubes(connection, FIRST)
        asked = connection.execute("from marts.stage_cohorts where reached_date >= ?", [FIRST]).fetchall()
        assert sum(cube.trials.sum() for cube in whole) == sum(row[10] for row in asked)
        cubes = _cubes(connection, first_night - timedelta(days=MEMORY_DAYS))
    assert [cube.transition for cube in cubes] == [cube.transition for cube in whole]
    for cube, all_of_it in zip(cubes, whole, strict=True):
        assert cube.days == all_of_it.days
        assert cube.leaf_values == all_of_it.leaf_values
        assert cube.ages == all_of_it.ages
        slices, of_all = cube.slices(2), all_of_it.slices(2)
        assert [each.name for each in slices.slices] == [each.name for each in of_all.slices]
        assert (slices.member == of_all.member).all()
        for night in (first_night, first_night + timedelta(days=7), LAST):
            seen, shown = cube.until(night, MEMORY_DAYS), all_of_it.until(night, MEMORY_DAYS)
            assert seen.days == shown.days
            for name in ("trials", "arrivals", "converted", "value", "seconds", "observed"):
                np.testing.assert_allclose(getattr(seen, name), getattr(shown, name), err_msg=name)
            assert {name: each.tolist() for name, each in seen.turns.items()} == {
                name: each.tolist() for name, each in shown.turns.items()
            }


def test_days_before_are_few_rows() -> None:
    with _made(3) as connection:
        since = LAST - timedelta(days=MEMORY_DAYS)
        frame = read_cohorts(connection, since)
        ((later,),) = connection.execute(
            "select count(*) from marts.stage_cohorts where reached_date >= ?", [since]
        ).fetchall()
    assert 0 < len(frame) - later <= 2 * 3 * 3 * 3 * 5  # transitions, devices, new or not, plans, ages
