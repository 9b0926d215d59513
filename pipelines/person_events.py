"""The events of the persons whom a night's tables ask for, read once: they lie among those of everybody."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from pipelines.warehouse import column_names, count_rows

KEYED = "intermediate.keyed_events"
PERSON = "user_number"
PERSON_EVENTS = "renewing.person_events"


class PersonEvents:
    """What was read so far in a build, in ``renewing.person_events``; KEYED must be up to date by then."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def read(self, tables: Iterable[str]) -> None:
        """Have all events at hand of the persons in those of ``tables`` that name any."""
        run = self._connection.execute
        run(f"create table if not exists renewing.persons ({PERSON} bigint)")
        run(f"create table if not exists {PERSON_EVENTS} as select * from {KEYED} limit 0")
        asked = " union ".join(
            f"select {PERSON} from {table} where {PERSON} is not null"
            for table in tables
            if PERSON in column_names(self._connection, table)
        )
        known = f"select {PERSON} from renewing.persons"
        run(f"create or replace table renewing.missing as {asked} except {known}")
        if count_rows(self._connection, "renewing.missing"):
            missing = f"select {PERSON} from renewing.missing"
            run(f"insert into {PERSON_EVENTS} select * from {KEYED} where {PERSON} in ({missing})")
            run("insert into renewing.persons from renewing.missing")
