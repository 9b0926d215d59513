"""Findings and runs as tables of schema ``state``: what the warehouse must remember from night to night."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, fields
from datetime import date
from typing import Any

import duckdb
import pandas as pd

from models.pain_point import PainPoint
from pipelines.mark_store import make_mark_state
from pipelines.placebo_nights import make_placebo_state
from pipelines.sql_models import build_models, read_models
from pipelines.state_tables import make_state_table

_TYPES = {
    "str": "varchar",
    "str | None": "varchar",
    "date": "date",
    "date | None": "date",
    "int": "bigint",
    "float": "double",
    "float | None": "double",
    "bool": "boolean",
}
_NOTES = {"night": "date"} | dict.fromkeys(
    ("kind", "journey", "persona", "stage", "next_stage", "segment", "note"), "varchar"
)
RUNS = {
    "run_id": "varchar",
    "started_at": "timestamp",
    "finished_at": "timestamp",
    "from_day": "date",
    "to_day": "date",
    "status": "varchar",
    "events": "bigint",
    "seconds": "double",
    "version": "varchar",
    "config_hash": "varchar",
    "data_as_of": "date",
}
COLUMNS = tuple(field.name for field in fields(PainPoint))


def make_state(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the state tables where they are missing."""
    findings = {field.name: _TYPES[str(field.type)] for field in fields(PainPoint)}
    make_state_table(connection, "pain_point_history", {"night": "date"} | findings)
    make_state_table(connection, "notes", _NOTES)
    make_state_table(connection, "runs", RUNS)
    make_state_table(connection, "nights", {"night": "date"})
    make_mark_state(connection)
    make_placebo_state(connection)


def make_state_marts(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the marts that show the state tables, which must exist."""
    build_models(connection, [model for model in read_models("marts") if model.stands_on_state])


def forget_nights_after(connection: duckdb.DuckDBPyConnection, night: date) -> None:
    """Drop what was said of nights that the data does not reach any more."""
    connection.execute("delete from state.nights where night > ?", [night])
    connection.execute("delete from state.pain_point_history where night > ?", [night])
    connection.execute("delete from state.placebo_nights where night > ?", [night])


def mark_built(connection: duckdb.DuckDBPyConnection, recipe: str | None) -> None:
    """Remember that the tables are whole and of which config; None while they are being made."""
    connection.execute("create or replace table state.built as select ?::varchar as recipe", [recipe])


def built_recipe(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The config the tables were built of, None where no build was completed."""
    if not connection.execute(
        "select 1 from information_schema.tables where table_schema = 'state' and table_name = 'built'"
    ).fetchall():
        return None
    recipe: str | None = connection.execute("select recipe from state.built").fetchall()[0][0]
    return recipe


def judged_nights(connection: duckdb.DuckDBPyConnection) -> list[date]:
    rows = connection.execute("select night from state.nights order by night").fetchall()
    return [row[0] for row in rows]


def pain_points_of(connection: duckdb.DuckDBPyConnection, night: date) -> list[PainPoint]:
    """The pain points as they stood after ``night``."""
    rows = connection.execute(
        f"select {', '.join(COLUMNS)} from state.pain_point_history where night = ?", [night]
    ).fetchall()
    return [PainPoint(*row) for row in rows]


def save_night(connection: duckdb.DuckDBPyConnection, night: date, pain_points: Sequence[PainPoint]) -> None:
    """Keep a night's pain points, in the place of what an earlier run of that night said."""
    connection.execute("begin")
    connection.execute("delete from state.pain_point_history where night = ?", [night])
    connection.execute("delete from state.nights where night = ?", [night])
    connection.execute("insert into state.nights values (?)", [night])
    marks = ", ".join("?" * (len(COLUMNS) + 1))
    for each in pain_points:
        connection.execute(
            f"insert into state.pain_point_history (night, {', '.join(COLUMNS)}) values ({marks})",
            [night, *astuple(each)],
        )
    connection.execute("commit")


def save_notes(connection: duckdb.DuckDBPyConnection, night: date, notes: list[dict[str, Any]]) -> None:
    """Keep a night's notes, in the place of all earlier ones."""
    connection.execute("delete from state.notes")
    names = ("kind", "journey", "persona", "stage", "next_stage", "segment", "note")
    for note in notes:
        connection.execute(
            f"insert into state.notes ({', '.join(_NOTES)}) values (?, ?, ?, ?, ?, ?, ?, ?)",
            [night, *(note[name] for name in names)],
        )


def read_frame(connection: duckdb.DuckDBPyConnection, query: str) -> pd.DataFrame:
    return connection.execute(query).df()
