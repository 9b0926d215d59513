"""Counts of days whose events are about to go: written down once, and from then on taken from there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb

from connectors.durable_files import sync_file
from pipelines.commits import at_once
from pipelines.retention_ledger import RetentionLedger, read_retention, write_retention
from pipelines.sql_models import replace_model
from pipelines.warehouse import column_names, literal, quoted
from pipelines.workspace import Workspace

# table -> the column that says the day a row is of
FROZEN: Mapping[str, str] = {
    "marts.stage_funnel": "entry_date",
    "marts.stage_cohorts": "reached_date",
    "marts.stage_delays": "reached_date",
    "marts.stage_friction": "day",
    "marts.page_feedback": "day",
    "marts.tracking_health": "day",
    "marts.reconciliation": "day",
    # on which days a stage could not be seen: the detector looks past the days that have events
    "intermediate.tracking_breaks": "day",
}


def use_frozen(connection: duckdb.DuckDBPyConnection, workspace: Workspace) -> None:
    """Put the frozen counts in the place of what a build made of the few events left of those days."""
    ledger = read_retention(workspace.lake)
    if ledger.frozen_before is None:
        return
    with at_once(connection):
        _put_in_place(connection, workspace, dict(ledger.frozen), ledger.frozen_before)


def _put_in_place(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, files: Mapping[str, str], before: date
) -> None:
    for table, day in FROZEN.items():
        # what a build left as a view has to be a table before it can hold rows of its own
        connection.execute(
            f"create or replace temp table kept as select * from {table} "
            f"where coalesce({day} >= date {literal(str(before))}, true)"
        )
        replace_model(connection, table, "select * from kept", is_view=False)
        connection.execute("drop table kept")
        if table in files:
            source = f"read_parquet({literal(_folder(workspace) / files[table])})"
            kept = _common_columns(connection, table, source)
            connection.execute(f"insert into {table} by name select {kept} from {source}")


def freeze(
    connection: duckdb.DuckDBPyConnection, workspace: Workspace, before: date, kept_from: date | None
) -> RetentionLedger:
    """Write down the counts of the days before ``before``, of those from ``kept_from`` on.

    The tables have the frozen counts in them already (use_frozen). New files are written beside the old
    ones and committed together by the ledger, which is returned. Days that are frozen stay so.
    """
    ledger = read_retention(workspace.lake)
    until = max(before, ledger.frozen_before or before)
    folder = _folder(workspace)
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for table, day in FROZEN.items():
        name = f"{table}-{until.isoformat()}-{kept_from or 'all'}.parquet"
        part = folder / f"{name}.part"
        part.unlink(missing_ok=True)
        query = f"select * from {table} where {day} < {literal(until.isoformat())}::date"
        if kept_from is not None:
            query += f" and {day} >= {literal(kept_from.isoformat())}::date"
        connection.execute(
            f"copy ({query} order by all) to {literal(part)} (format parquet, compression zstd)"
        )
        sync_file(part)
        os.replace(part, folder / name)
        files[table] = name
    ledger = replace(ledger, frozen_before=until, frozen=tuple(files.items()))
    write_retention(workspace.lake, ledger)
    for path in folder.iterdir():
        if path.name not in files.values():
            path.unlink()
    return ledger


def _common_columns(connection: duckdb.DuckDBPyConnection, table: str, source: str) -> str:
    """The columns of a frozen file that the table still has: segments come and go with the journeys."""
    present = set(column_names(connection, table))
    frozen = column_names(connection, f"select * from {source}")
    return ", ".join(quoted(name) for name in frozen if name in present)


def _folder(workspace: Workspace) -> Path:
    return workspace.lake / "_frozen"
