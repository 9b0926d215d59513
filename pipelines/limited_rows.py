"""Queries that see but some rows of the tables below them: those of some keys, or those that came or went."""

from __future__ import annotations

import re
from collections.abc import Mapping

import duckdb

from pipelines.renewal_rules import Renewal, changed_name
from pipelines.sql_models import AnyModel, ComputedModel, GeneratedModel, Model, with_tables
from pipelines.warehouse import column_names, count_rows, quoted

EVENTS = "staging.events"


class LimitedRows:
    """The tables of a build, of which ``renewing.keys`` says which rows are asked for."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, models: Mapping[str, AnyModel]) -> None:
        self._connection = connection
        self._models = models

    def limited(self, model: Model | GeneratedModel, renewal: Renewal) -> dict[str, str]:
        """By the name of a table that ``model`` reads, what has its rows of the keys: a table or a query.

        A table has only the columns that the query names, or that ``model`` itself has.
        """
        # a view is made of tables that are named beside it
        tables = [table for table in renewal.of if table != EVENTS and not self._models[table].is_view]
        # tables, whose size the engine knows; of the many columns of staged files few are read
        names = {table: f"renewing.{table.replace('.', '_')}" for table in tables}
        found = self.nested(
            model, names | ({EVENTS: f"({self._limited_events(renewal)})"} if EVENTS in renewal.of else {})
        )
        words = {*re.findall("[a-z0-9_]+", with_tables(model.sql, found).lower()), *self._columns(model.name)}
        for table in tables:
            columns = ", ".join(quoted(name) for name in self._columns(table) if name in words)
            rows = among(table, renewal, "event_us", columns or "*")
            self._connection.execute(f"create or replace table {names[table]} as {rows}")
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
        if renewal.since:
            # of staged files those that end before need not be read
            ((first,),) = self._connection.execute("select min(since_us) from renewing.keys").fetchall()
            return f"{among(EVENTS, renewal, 'event_us')} and t.event_us >= {first or 0}"
        if renewal.keys != ("event_number",):
            return f"{among(EVENTS, renewal, 'event_us')} and ({renewal.where})"
        # what came is at hand; only for other events the staged files are read
        keys = "select event_number from renewing.keys"
        came = f"from {changed_name(EVENTS)} where is_added"
        others = f"{keys} except select event_number {came}"
        rows = f"select * exclude (is_added) {came} and event_number in ({keys})"
        if not count_rows(self._connection, f"({others})"):
            return rows
        return f"{rows} union all select * from {EVENTS} where event_number in ({others})"


def among(rows: str, renewal: Renewal, time: str, columns: str = "*") -> str:
    """The query for those of ``rows``, a table or a query in parentheses, that are of ``renewing.keys``."""
    found = is_among(renewal, time)
    is_table = not rows.startswith("(") and rows != EVENTS
    if is_table and renewal.keys != ("user_number",):
        # what came lately lies together: found by its keys alone, of the other columns little has to be read
        return by_rowid(rows, found, columns)
    return f"select {columns} from {rows} as t where {found}"


def by_rowid(table: str, found: str, columns: str = "*") -> str:
    """The query for the rows ``t`` of a table of which ``found`` holds; it alone is asked of all rows."""
    rows = f"select t.rowid from {table} as t where {found}"
    return f"select {columns} from {table} as t where t.rowid in ({rows})"


def is_among(renewal: Renewal, time: str) -> str:
    if len(renewal.keys) == 1 and not renewal.since:
        (key,) = renewal.keys
        return f"t.{key} in (select {key} from renewing.keys)"
    (first, *others) = renewal.keys
    same = [f"k.{first} = t.{first}", *(f"k.{key} is not distinct from t.{key}" for key in others)]
    if renewal.since:
        same.append(f"t.{time} >= k.since_us")
    # the first column leaves few rows of which the others have to be compared
    return (
        f"t.{first} in (select {first} from renewing.keys) "
        f"and exists (select 1 from renewing.keys as k where {' and '.join(same)})"
    )


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
