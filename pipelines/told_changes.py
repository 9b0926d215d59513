"""What is known of the rows that came and went since the last build, table by table.

They are kept in the database ``changed`` (pipelines/renewed_tables.py) for the tables that read them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import Enum

import duckdb

from pipelines.limited_rows import BY_EVENT, EVENTS, before, version
from pipelines.renewal_rules import NO_RULES, Renewal, changed_name, renewal_file
from pipelines.sql_models import SQL_FOLDER, AnyModel, ComputedModel, GeneratedModel, Model, with_tables
from pipelines.warehouse import column_names, count_rows

_CHANGED = re.compile(r"\bchanged\.[a-z_]+")


class Change(Enum):
    """What is known of a table's rows since the last build."""

    NONE = "none"
    TOLD = "told"  # what came and what went is in ``changed``
    ANY = "any"


class ToldChanges:
    """Of the tables that are up to date: ``states`` by name, and their rows that came and went."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, models: Mapping[str, AnyModel]) -> None:
        self.states: dict[str, Change] = {}
        self._connection = connection
        self._models = models
        self._changed_in = {name: _changed_in(name, models) for name in models}
        self.asked = {*itertools.chain(*self._changed_in.values())}
        for model in models.values():
            rules = model.rules
            self.asked.update(rules.renewal.all_read if rules.renewal else ())
            self.asked.update(rules.sums.of if rules.sums else ())
            self.asked.add(rules.grows_with)

    def is_told(self, model: Model | GeneratedModel, of: Iterable[str]) -> bool:
        """Whether all that changed of what ``model`` reads is known, and how that changes its rows."""
        told = {*of, *self._changed_in.get(model.name, ())}
        return all(self._is_known(table, told) for table in model.reads if not _is_config(table))

    def _is_known(self, table: str, told: set[str]) -> bool:
        change = self.states.get(table)
        if change is Change.NONE or (change is Change.TOLD and table in told):
            return True
        model = self._models.get(table)
        if model is None or not model.is_view or table == EVENTS:
            return False
        return all(self._is_known(each, told) for each in model.reads if not _is_config(each))

    def tell(self, name: str, new_rows: str) -> None:
        """Keep what differs between ``new_rows`` and ``renewing.old_rows``."""
        self._connection.execute(
            f"create or replace table {changed_name(name)} as "
            "select *, true as is_added from ("
            f"select * from {new_rows} except select * from renewing.old_rows) "
            "union all select *, false as is_added from ("
            f"select * from renewing.old_rows except select * from {new_rows})"
        )
        self.states[name] = Change.TOLD if count_rows(self._connection, changed_name(name)) else Change.NONE

    def tell_view(self, model: Model | GeneratedModel) -> None:
        """Of what rows a view may say another thing is told where a file says how.

        Such a file lists the columns of staged events that are asked of the view, with ``event_number``.
        """
        path = renewal_file(SQL_FOLDER, model.name)
        if model.name in self.asked and path.exists():
            # of nothing that changed below nothing is told; an empty question would still read all events
            is_asked = any(self.states.get(each) is Change.TOLD for each in self._changed_in[model.name])
            query = f"select * from ({path.read_text('utf-8')}) limit {'all' if is_asked else 0}"
            self._connection.execute(f"create or replace table {changed_name(model.name)} as {query}")
            # which events themselves changed is known to whoever reads them
            is_told = self.is_told(model, (EVENTS,))
            self.states[model.name] = Change.TOLD if is_told else Change.ANY

    def version(self, table: str, *, is_added: bool) -> str:
        """The rows of ``table`` that came or went; of a view also of events of which it tells otherwise.

        What else the view reads is known by one key a row.
        """
        model = self._models[table]
        which = "is_added" if is_added else "not is_added"
        if table == EVENTS or isinstance(model, ComputedModel) or not model.is_view:
            return version(table, which)
        touched = changed_name(table)
        columns = ", ".join(column_names(self._connection, touched))
        names = {
            EVENTS: f"(select {columns} from {changed_name(EVENTS)} where {which} union all "
            f"select {columns} from {touched} where event_number not in "
            f"(select event_number from {changed_name(EVENTS)} where is_added))"
        }
        for name in model.reads - {EVENTS}:
            rules = self._models[name].rules if name in self._models else NO_RULES
            if not is_added and rules.renewal and self.states[name] is Change.TOLD:
                names[name] = before(name, rules.renewal)
        return f"({with_tables(model.sql, names)})"

    def find_keys(self, name: str, renewal: Renewal) -> Renewal:
        """Make ``renewing.keys`` of what changed below and of what its file finds.

        Returns ``renewal``, with ``since`` where it is known from when on the rows of each key are.
        """
        is_asked = any(self.states.get(table) is Change.TOLD for table in self._changed_in.get(name, ()))
        told = [] if renewal.since else [each for each in renewal.of if self.states[each] is Change.TOLD]
        columns = ", ".join([*renewal.keys, *(["since_us"] if renewal.since else [])])
        given = columns
        if renewal.keys == BY_EVENT and not is_asked and all(self._tells_time(each) for each in told):
            # an event is never at another time
            renewal = replace(renewal, since=True)
            columns, given = "event_number, since_us", "event_number, event_us as since_us"
        selects = [f"select {given} from {changed_name(each)} where {renewal.where}" for each in told]
        if is_asked:
            selects.append(f"select {columns} from ({renewal_file(SQL_FOLDER, name).read_text('utf-8')})")
        if not selects:
            none = columns.replace("since_us", "0::bigint as since_us")
            selects.append(f"select {none} from {renewal.of[0]} limit 0")
        self._connection.execute(
            f"create or replace table renewing.keys as select distinct {columns} "
            f"from ({' union all '.join(selects)})"
        )
        return renewal

    def _tells_time(self, table: str) -> bool:
        return "event_us" in column_names(self._connection, changed_name(table))


def _is_config(table: str) -> bool:
    return table.startswith("config.") and table != "config.calendar"


def _changed_in(table: str, models: Mapping[str, AnyModel]) -> set[str]:
    """The tables of whose changes the file of ``table`` asks."""
    path = renewal_file(SQL_FOLDER, table)
    if not path.exists():
        return set()
    named = set(_CHANGED.findall(path.read_text("utf-8")))
    return {name for name in models if changed_name(name) in named}
