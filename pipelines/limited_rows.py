"""Queries that see but some rows of the tables below them: those of some keys, or those that came or went."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb

from pipelines.renewal_rules import Renewal, changed_name
from pipelines.sql_models import AnyModel, ComputedModel, GeneratedModel, Model, with_tables
from pipelines.warehouse import count_rows

EVENTS = "staging.events"


class LimitedRows:
    """The tables of a build, of which ``renewing.keys`` says which rows are asked for."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, models: Mapping[str, AnyModel]) -> None:
        self._connection = connection
        self._models = models

    def limited(self, model: Model | GeneratedModel, renewal: Renewal) -> dict[str, str]:
        """By the name of a table that ``model`` reads, what has its rows of the keys: a table or a query."""
        names = {}
        for table in renewal.of:
            if table != EVENTS and self._models[table].is_view:
                continue  # it is made of tables that are named beside it
            if table == EVENTS:  # of its many columns few are read
                names[table] = f"({self._limited_events(renewal)})"
            else:  # a table, whose size the engine knows
                names[table] = f"renewing.{table.replace('.', '_')}"
                rows = among(table, renewal, "event_us")
                self._connection.execute(f"create or replace table {names[table]} as {rows}")
        return self.nested(model, names)

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
        if renewal.keys != ("event_number",):
            return among(EVENTS, renewal, "event_us")
        # what came is at hand; only for other events the staged files are read
        keys = "select event_number from renewing.keys"
        came = f"from {changed_name(EVENTS)} where is_added"
        others = f"{keys} except select event_number {came}"
        rows = f"select * exclude (is_added) {came} and event_number in ({keys})"
        if not count_rows(self._connection, f"({others})"):
            return rows
        return f"{rows} union all select * from {EVENTS} where event_number in ({others})"


def among(rows: str, renewal: Renewal, time: str) -> str:
    """The query for those of ``rows``, a table or a query in parentheses, that are of ``renewing.keys``."""
    return f"select * from {rows} as t where {is_among(renewal, time)}"


def is_among(renewal: Renewal, time: str) -> str:
    if renewal.keys == renewal.keys[:1]:
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
