"""Queries that see but some rows of the tables below them: those of some keys, or those that came or went."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import duckdb

from pipelines.person_events import KEYED, PERSON, PERSON_EVENTS, PersonEvents
from pipelines.renewal_rules import Renewal, changed_name
from pipelines.sql_models import AnyModel, ComputedModel, GeneratedModel, Model, with_tables
from pipelines.warehouse import column_names, count_rows, quoted

EVENTS = "staging.events"
BY_EVENT = ("event_number",)


class LimitedRows:
    """The tables of a build, of which ``renewing.keys`` says which rows are asked for."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, models: Mapping[str, AnyModel]) -> None:
        self._connection = connection
        self._models = models
        self._persons = PersonEvents(connection)

    def limited(self, model: Model | GeneratedModel, renewal: Renewal) -> dict[str, str]:
        """By the name of a table that ``model`` reads, what has its rows of the keys: a table or a query.

        A table has only the columns that the query names, or that ``model`` itself has.
        """
        # a view is made of tables that are named beside it
        tables = [table for table in renewal.of if table != EVENTS and not self._models[table].is_view]
        # tables, whose size the engine knows; of the many columns of staged files few are read
        names = {table: f"renewing.{table.replace('.', '_')}" for table in tables}
        others = {}
        if EVENTS in renewal.of:
            others[EVENTS] = f"({self._limited_events(renewal)})"
        if renewal.is_of_persons:
            others[KEYED] = PERSON_EVENTS
        found = self.nested(model, names | others)
        words = {*re.findall("[a-z0-9_]+", with_tables(model.sql, found).lower()), *self._columns(model.name)}
        for table in tables:
            all_columns = self._columns(table)
            columns = ", ".join(quoted(name) for name in all_columns if name in words)
            source = table
            if (table, renewal.keys) == (KEYED, (PERSON,)):
                self._persons.read(["renewing.keys"])
                source = PERSON_EVENTS
            rows = among(source, renewal, time_of(all_columns), columns or "*")
            self._connection.execute(f"create or replace table {names[table]} as {rows}")
        if renewal.is_of_persons:
            self._persons.read(names.values())
        return found

    def _columns(self, table: str) -> list[str]:
        return [] if table.startswith("checks.") else column_names(self._connection, table)

    def nested(self, model: Model | GeneratedModel, names: Mapping[str, str]) -> dict[str, str]:
        """``names``, and for the views that stand on those tables queries that read what they name."""
        found = dict(names)

        def is_found(table: str) -> bool:
            view = self._models.get(table)
            if table in found:
                return True
            if view is None or isinstance(view, ComputedModel) or not view.is_view:
                return False
            below = [is_found(each) for each in sorted(view.reads)]
            if any(below):
                found[table] = f"({with_tables(view.sql, found)})"
            return any(below)

        for table in sorted(model.reads):
            is_found(table)
        return found

    def _limited_events(self, renewal: Renewal) -> str:
        if renewal.keys != BY_EVENT:
            rows = f"select * from {EVENTS} as t where {is_among(renewal, 'event_us')}"
            if not renewal.since:
                return f"{rows} and ({renewal.where})"
            # of staged files those that end before need not be read
            ((first,),) = self._connection.execute("select min(since_us) from renewing.keys").fetchall()
            return f"{rows} and t.event_us >= {first or 0}"
        # what came is at hand; only for other events the staged files are read
        keys = "select event_number from renewing.keys"
        came = f"from {changed_name(EVENTS)} where is_added"
        others = f"{keys} except select event_number {came}"
        rows = f"select * exclude (is_added) {came} and event_number in ({keys})"
        if not count_rows(self._connection, f"({others})"):
            return rows
        return f"{rows} union all select * from {EVENTS} where event_number in ({others})"


def among(table: str, renewal: Renewal, time: str | None, columns: str = "*") -> str:
    """The query for those rows of a table that are of ``renewing.keys``; ``time`` is the column of theirs."""
    found = is_among(renewal, time, table)
    if renewal.keys == (PERSON,) or _is_compared(renewal, time):
        return f"select {columns} from {table} as t where {found}"
    # what came lately lies together: found by its keys alone, of the other columns little has to be read
    return by_rowid(table, found, columns)


def _is_compared(renewal: Renewal, time: str | None) -> bool:
    """Whether there is more to a row than one key."""
    return len(renewal.keys) > 1 or (renewal.since and time is not None)


def by_rowid(table: str, found: str, columns: str = "*") -> str:
    """The query for the rows ``t`` of a table of which ``found`` holds; it alone is asked of all rows."""
    rows = f"select t.rowid from {table} as t where {found}"
    return f"select {columns} from {table} as t where t.rowid in ({rows})"


def is_among(renewal: Renewal, time: str | None, table: str = "") -> str:
    """What holds of rows ``t``, of a table where one is given, of ``renewing.keys``."""
    if not _is_compared(renewal, time):
        (key,) = renewal.keys
        return f"t.{key} in (select {key} from renewing.keys)"
    (first, *others) = renewal.keys
    same = [f"k.{first} = t.{first}", *(f"k.{key} is not distinct from t.{key}" for key in others)]
    if renewal.since and time:
        same.append(f"t.{time} >= k.since_us")
    on = " and ".join(same)
    if table:
        # of a join the engine tells the scan the earliest time, and it leaves out what ends before
        rows = f"select t.rowid from {table} as t inner join renewing.keys as k on {on}"
        return f"t.rowid in ({rows} where t.{first} in (select {first} from renewing.keys))"
    # the first column leaves few rows of which the others have to be compared
    return (
        f"t.{first} in (select {first} from renewing.keys) "
        f"and exists (select 1 from renewing.keys as k where {on})"
    )


def time_of(columns: Sequence[str]) -> str | None:
    """The column that tells when a row of a table with these columns was, where there is one."""
    return next((name for name in ("event_us", "started_us") if name in columns), None)


def version(table: str, which: str) -> str:
    return f"(select * exclude (is_added) from {changed_name(table)} where {which})"


def before(table: str, renewal: Renewal) -> str:
    """``table`` as it was before it was renewed by one key."""
    (key,) = renewal.keys
    changed = changed_name(table)
    return (
        f"(select * from {table} as t "
        f"where not exists (select 1 from {changed} as c where c.{key} = t.{key}) "
        f"union all select * exclude (is_added) from {changed} where not is_added)"
    )
