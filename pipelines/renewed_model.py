"""Bring one table after the other up to date: find what may differ, make those rows, put them in their place.

What came and what went of a table is kept in ``changed`` for the tables that read it. Both databases used
here, ``changed`` and ``renewing``, are the build's own (pipelines/renewed_tables.py).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from enum import Enum

import duckdb

from pipelines.limited_rows import EVENTS, LimitedRows, among, before, is_among, version
from pipelines.renewal_rules import NO_RULES, WHOLE, Renewal, Sums, changed_name, renewal_file
from pipelines.sql_models import (
    SQL_FOLDER,
    AnyModel,
    ComputedModel,
    GeneratedModel,
    Model,
    make_model,
    with_tables,
)
from pipelines.warehouse import count_rows, quoted

_CHANGED = re.compile(r"\bchanged\.[a-z_]+")


class Change(Enum):
    """What is known of a table's rows since the last build."""

    NONE = "none"
    TOLD = "told"  # what came and what went is in ``changed``
    ANY = "any"


class RenewedTables:
    """The tables of one build, as far as it has come."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, models: Iterable[AnyModel]) -> None:
        self.connection = connection
        self.models = {model.name: model for model in models}
        self.changes: dict[str, Change] = {}
        self._rows = LimitedRows(connection, self.models)
        self._changed_in = {name: _changed_in(name, self.models) for name in self.models}
        self._asked = {*itertools.chain(*self._changed_in.values())}
        for model in self.models.values():
            rules = model.rules
            self._asked.update(rules.renewal.all_read if rules.renewal else ())
            self._asked.update(rules.sums.of if rules.sums else ())
            self._asked.add(rules.grows_with)

    def make(self, model: AnyModel) -> None:
        """Bring ``model`` up to date; all it reads must be."""
        rules = model.rules
        if model.name == EVENTS:
            self.changes[EVENTS] = Change.TOLD  # pipelines/changed_events.py
        elif isinstance(model, ComputedModel):
            self._make_whole(model)
        elif model.is_view:
            self._tell_view(model)
        elif rules.sums and self._is_told(model, rules.sums.of):
            self._add_up(model, rules.sums)
        elif rules.grows and rules.grows != WHOLE:
            self._let_grow(model, rules.grows, rules.grows_with)
        elif rules.renewal and self._is_told(model, rules.renewal.all_read):
            self._renew(model, rules.renewal)
        else:
            self._make_whole(model)

    def limited_query(self, model: Model) -> str | None:
        """The query of a check for the rows that changed alone; None where it has to look at all."""
        renewal = model.rules.renewal
        if renewal is None or not self._is_told(model, renewal.of):
            return None
        self._find_keys(model.name, renewal)
        return with_tables(model.sql, self._rows.limited(model, renewal))

    def _make_whole(self, model: AnyModel) -> None:
        if model.name not in self._asked or model.rules.grows == WHOLE:
            make_model(self.connection, model)
            self.changes[model.name] = Change.NONE if model.rules.grows else Change.ANY
            return
        self._run(f"create or replace table renewing.old_rows as select * from {model.name}")
        make_model(self.connection, model)
        self._tell(model.name, model.name)

    def _tell_view(self, model: Model | GeneratedModel) -> None:
        """A view needs no making; what of it may say another thing is told where a file says how."""
        path = renewal_file(SQL_FOLDER, model.name)
        if model.name in self._asked and path.exists():
            # of nothing that changed below nothing is told; an empty question would still read all events
            is_asked = any(self.changes.get(each) is Change.TOLD for each in self._changed_in[model.name])
            query = f"select * from ({path.read_text('utf-8')}) limit {'all' if is_asked else 0}"
            self._run(f"create or replace table {changed_name(model.name)} as {query}")
            # which events themselves changed is known to whoever reads them
            is_told = self._is_told(model, (EVENTS,))
            self.changes[model.name] = Change.TOLD if is_told else Change.ANY

    def _let_grow(self, model: Model | GeneratedModel, number: str, grows_with: str) -> None:
        """Add the rows that are not there yet; what has a number keeps it. No row that was there changes."""
        renewal = model.rules.renewal
        if renewal and self._is_told(model, renewal.of):
            self._find_keys(model.name, renewal)
            query = with_tables(model.sql, self._rows.limited(model, renewal))
        elif renewal or self.changes[grows_with] is Change.ANY:
            query = str(model.sql)
        else:
            query = with_tables(model.sql, {grows_with: version(grows_with, "is_added")})
        is_numbered = number.endswith("_number")
        but = f" exclude ({number})" if is_numbered else ""
        first = f"(select coalesce(max({number}), 0) from {model.name})"
        names = [row[0] for row in self._run(f"describe {model.name}").fetchall()]
        columns = ", ".join(
            f"({first} + row_number() over ())::integer" if is_numbered and name == number else quoted(name)
            for name in names
        )
        self._run(
            f"create or replace table {changed_name(model.name)} as select {columns}, true as is_added from ("
            f"select *{but} from ({query}) except select *{but} from {model.name})"
        )
        self._run(f"insert into {model.name} select * exclude (is_added) from {changed_name(model.name)}")
        self.changes[model.name] = Change.NONE

    def _is_told(self, model: Model | GeneratedModel, of: Iterable[str]) -> bool:
        """Whether all that changed of what ``model`` reads is known, and how that changes its rows."""
        told = {*of, *self._changed_in.get(model.name, ())}
        return all(self._is_known(table, told) for table in model.reads if not _is_config(table))

    def _is_known(self, table: str, told: set[str]) -> bool:
        change = self.changes.get(table)
        if change is Change.NONE or (change is Change.TOLD and table in told):
            return True
        model = self.models.get(table)
        if model is None or not model.is_view or table == EVENTS:
            return False
        return all(self._is_known(each, told) for each in model.reads if not _is_config(each))

    def _renew(self, model: Model | GeneratedModel, renewal: Renewal) -> None:
        name = model.name
        keys = self._find_keys(name, renewal)
        moved = self._find_taken_over(renewal)
        if not keys and not moved:
            self._run(
                f"create or replace table {changed_name(name)} as "
                f"select *, true as is_added from {name} limit 0"
            )
            self.changes[name] = Change.NONE
            return
        query = with_tables(model.sql, self._rows.limited(model, renewal))
        self._run(
            f"create or replace table renewing.new_rows as {among(f'({query})', renewal, 'started_us')}"
        )
        self._run(f"create or replace table renewing.old_rows as {among(name, renewal, 'started_us')}")
        if moved and renewal.taken_over:
            self._take_over(name, renewal.keys[0], renewal.taken_over[0])
        self._tell(name, "renewing.new_rows")
        self._put_in_place(name, renewal)

    def _put_in_place(self, name: str, renewal: Renewal) -> None:
        """Replace the rows of the keys of which any differ."""
        if self.changes[name] is Change.NONE:
            return
        keys, changed = ", ".join(renewal.keys), changed_name(name)
        found = f"select distinct {keys} from {changed}"
        if renewal.since:
            same = " and ".join(f"c.{key} is not distinct from k.{key}" for key in renewal.keys)
            found = (
                f"select k.* from renewing.keys as k where exists (select 1 from {changed} as c where {same})"
            )
        self._run(f"create or replace table renewing.keys as {found}")
        self._run(f"delete from {name} as t where {is_among(renewal, 'started_us')}")
        self._run(f"insert into {name} {among('renewing.new_rows', renewal, 'started_us')}")

    def _find_taken_over(self, renewal: Renewal) -> int:
        """Make ``renewing.moved``: by key, what the view tells now of rows that are not made anew."""
        if renewal.taken_over is None:
            return 0
        column, view = renewal.taken_over
        model, (key,) = self.models[view], renewal.keys
        assert not isinstance(model, ComputedModel)
        told = with_tables(model.sql, {EVENTS: changed_name(view)})
        self._run(
            f"create or replace table renewing.moved as select {key}, {column} from ({told}) "
            f"where {key} not in (select {key} from renewing.keys)"
        )
        return count_rows(self.connection, "renewing.moved")

    def _take_over(self, name: str, key: str, column: str) -> None:
        self._run(
            f"create or replace table renewing.old_moved as select t.* from {name} as t "
            f"inner join renewing.moved as m on t.{key} = m.{key} "
            f"where t.{column} is distinct from m.{column}"
        )
        self._run("insert into renewing.old_rows select * from renewing.old_moved")
        self._run(
            f"insert into renewing.new_rows select t.* replace (m.{column} as {column}) "
            f"from renewing.old_moved as t inner join renewing.moved as m on t.{key} = m.{key}"
        )

    def _add_up(self, model: Model | GeneratedModel, sums: Sums) -> None:
        """Add what came to the sums, and take off what went; who has nothing left is gone."""
        name = model.name
        columns = [row[0] for row in self._run(f"describe {name}").fetchall()]
        keys = [column for column in columns if column not in sums.columns]
        parts = []
        for sign in ("", "-"):
            versions = {table: self._version(table, is_added=not sign) for table in sums.of}
            query = with_tables(model.sql, self._rows.nested(model, versions))
            listed = ", ".join(
                f"{sign}{each} as {each}" if each in sums.columns else each for each in columns
            )
            parts.append(f"select {listed} from ({query})")
        summed = ", ".join(
            f"sum({each})::bigint as {each}" if each in sums.columns else each for each in columns
        )
        self._run(
            f"create or replace table renewing.sums as select {summed} from ({' union all '.join(parts)}) "
            f"group by {', '.join(keys)}"
        )
        same = " and ".join(f"s.{key} is not distinct from t.{key}" for key in keys)
        rows = f"exists (select 1 from renewing.sums as s where {same})"
        self._run(f"create or replace table renewing.old_rows as select * from {name} as t where {rows}")
        self._run(f"delete from {name} as t where {rows}")
        self._run(
            f"insert into {name} select {summed} from ("
            "select * from renewing.old_rows union all by name select * from renewing.sums) "
            f"group by {', '.join(keys)} having sum({sums.columns[0]}) <> 0"
        )
        self.changes[name] = Change.ANY

    def _version(self, table: str, *, is_added: bool) -> str:
        """The rows of ``table`` that came or went; of a view also those that it tells as before."""
        model = self.models[table]
        which = "is_added" if is_added else "not is_added"
        if table == EVENTS or isinstance(model, ComputedModel) or not model.is_view:
            return version(table, which)
        touched = changed_name(table)
        columns = ", ".join(row[0] for row in self._run(f"describe {touched}").fetchall())
        names = {
            EVENTS: f"(select {columns} from {changed_name(EVENTS)} where {which} union all "
            f"select {columns} from {touched} where event_number not in "
            f"(select event_number from {changed_name(EVENTS)} where is_added))"
        }
        for name in model.reads - {EVENTS}:
            rules = self.models[name].rules if name in self.models else NO_RULES
            if not is_added and rules.renewal and self.changes[name] is Change.TOLD:
                names[name] = before(name, rules.renewal)
        return f"({with_tables(model.sql, names)})"

    def _tell(self, name: str, new_rows: str) -> None:
        """Keep what differs between ``new_rows`` and ``renewing.old_rows``."""
        self._run(
            f"create or replace table {changed_name(name)} as "
            "select *, true as is_added from ("
            f"select * from {new_rows} except select * from renewing.old_rows) "
            "union all select *, false as is_added from ("
            f"select * from renewing.old_rows except select * from {new_rows})"
        )
        self.changes[name] = Change.TOLD if count_rows(self.connection, changed_name(name)) else Change.NONE

    def _find_keys(self, name: str, renewal: Renewal) -> int:
        """Make ``renewing.keys`` of what changed below and of what its file finds; returns how many."""
        columns = ", ".join([*renewal.keys, *(["since_us"] if renewal.since else [])])
        selects = [
            f"select {columns} from {changed_name(table)} where {renewal.where}"
            for table in (() if renewal.since else renewal.of)
            if self.changes[table] is Change.TOLD
        ]
        if any(self.changes.get(table) is Change.TOLD for table in self._changed_in.get(name, ())):
            selects.append(f"select {columns} from ({renewal_file(SQL_FOLDER, name).read_text('utf-8')})")
        if not selects:
            none = columns.replace("since_us", "0::bigint as since_us")
            selects.append(f"select {none} from {renewal.of[0]} limit 0")
        self._run(
            f"create or replace table renewing.keys as select distinct {columns} "
            f"from ({' union all '.join(selects)})"
        )
        return count_rows(self.connection, "renewing.keys")

    def _run(self, query: str) -> duckdb.DuckDBPyConnection:
        return self.connection.execute(query)


def _is_config(table: str) -> bool:
    return table.startswith("config.") and table != "config.calendar"


def _changed_in(table: str, models: Mapping[str, AnyModel]) -> set[str]:
    """The tables of whose changes the file of ``table`` asks."""
    path = renewal_file(SQL_FOLDER, table)
    if not path.exists():
        return set()
    named = set(_CHANGED.findall(path.read_text("utf-8")))
    return {name for name in models if changed_name(name) in named}
