"""What a published file says of how it was written, and whether it can be renewed row by row."""

from __future__ import annotations

import hashlib
from functools import cache

import duckdb

from pipelines.engine_functions import FUNCTIONS
from pipelines.layout_version import LAYOUT
from pipelines.sql_models import read_models
from pipelines.version import VERSION
from pipelines.warehouse import literal, quoted

# the marts with a row for each thing that happened
ROW_MARTS = ("events", "sessions", "attempts", "stage_visits")
TEXT_ROWS = ("recordings", "survey_answers")  # few, and what people wrote
MOST_RENEWALS = 30  # since the file was written whole: what a disk spoils must not be copied for ever
MOST_GROWTH = 1.5  # of the file since it was written whole: what was deleted leaves holes
GROWTH_BYTES = 50_000_000  # of which nobody speaks
_ABOUT_WRITTEN = "One row: the program that wrote the rows, the bytes when all were new, renewals since."


def write_about_rows(connection: duckdb.DuckDBPyConnection, whole_bytes: int, renewals: int) -> None:
    """Keep in the schema ``about`` of the attached file which program wrote its rows.

    ``whole_bytes`` was its size when all of it was new, ``renewals`` how often it was renewed since.
    """
    connection.execute(
        "create or replace table published.about.written as "
        "select ?::varchar as program, ?::bigint as bytes, ?::integer as renewals",
        [_program(), whole_bytes, renewals],
    )
    connection.execute(f"comment on table published.about.written is {literal(_ABOUT_WRITTEN)}")


def is_renewable(connection: duckdb.DuckDBPyConnection, size_bytes: int) -> bool:
    """Whether the attached file is of this program and these columns, and was not renewed too often.

    Raises duckdb.Error where it does not hold what it should.
    """
    ((program, whole_bytes, renewals),) = connection.execute("from published.about.written").fetchall()
    has_grown = size_bytes - whole_bytes > max((MOST_GROWTH - 1) * whole_bytes, GROWTH_BYTES)
    if program != _program() or has_grown or renewals >= MOST_RENEWALS:
        return False
    of_other_columns = any(
        _columns_of(connection, f"published.marts.{quoted(mart)}")
        != _columns_of(connection, f"marts.{quoted(mart)}")
        for mart in ROW_MARTS
    )
    return not of_other_columns and not any(_has_lost_rows(connection, mart) for mart in TEXT_ROWS)


@cache
def _program() -> str:
    """What decides what rows are made of the same files: the program, its SQL, and the engine."""
    models = [model.sql for model in read_models("intermediate", "marts")]
    recipe = hashlib.sha256("\n".join([*FUNCTIONS, *models]).encode()).hexdigest()[:16]
    return f"painpoints {VERSION} (layout {LAYOUT}, {recipe}), DuckDB {duckdb.__version__}"


def _columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[tuple[str, str], ...]:
    return tuple((row[0], row[1]) for row in connection.execute(f"describe {table}").fetchall())


def _has_lost_rows(connection: duckdb.DuckDBPyConnection, mart: str) -> bool:
    """Whether the attached file has a row that the tables have no more: its bytes would stay in a copy."""
    lost = f"from published.marts.{mart} except all from marts.{mart}"
    return bool(connection.execute(f"select 1 from ({lost}) limit 1").fetchall())
