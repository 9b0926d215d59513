"""Bring one table after the other up to date: find what may differ, make those rows, put them in their place.

What came and what went of a table is kept in ``changed`` for the tables that read it. Both databases used
here, ``changed`` and ``renewing``, are the build's own (pipelines/renewed_tables.py).
"""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from pipelines.limited_rows import BY_EVENT, EVENTS, LimitedRows, among, is_among, time_of, version
from pipelines.renewal_rules import WHOLE, Renewal, Sums, changed_name
from pipelines.sql_models import AnyModel, ComputedModel, GeneratedModel, Model, make_model, with_tables
from pipelines.told_changes import Change, ToldChanges
from pipelines.warehouse import column_names, count_rows, quoted


class RenewedTables:
    """The tables of one build, as far as it has come."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, models: Iterable[AnyModel]) -> None:
        self.connection = connection
        self.models = {model.name: model for model in models}
        self._rows = LimitedRows(connection, self.models)
        self._told = ToldChanges(connection, self.models)

    def make(self, model: AnyModel) -> None:
        """Bring ``model`` up to date; all it reads must be."""
        rules = model.rules
        if model.name == EVENTS:
            self._told.states[EVENTS] = Change.TOLD  # pipelines/changed_events.py
        elif isinstance(model, ComputedModel):
            self._make_whole(model)
        elif model.is_view:
            # what was frozen for retention lies in its place as a table (pipelines/frozen_marts.py)
            make_model(self.connection, model)
            self._told.tell_view(model)
        elif rules.sums and self._told.is_told(model, rules.sums.of):
            self._add_up(model, rules.sums)
        elif rules.grows and rules.grows != WHOLE:
            self._let_grow(model, rules.grows, rules.grows_with)
        elif rules.renewal and self._told.is_told(model, rules.renewal.all_read):
            self._renew(model, rules.renewal)
        else:
            self._make_whole(model)

    def limited_query(self, model: Model) -> str | None:
        """The query of a check for the rows that changed alone; None where it has to look at all."""
        renewal = model.rules.renewal
        if renewal is None or not self._told.is_told(model, renewal.of):
            return None
        renewal = self._told.find_keys(model.name, renewal)
        return with_tables(model.sql, self._rows.limited(model, renewal))

    def _make_whole(self, model: AnyModel) -> None:
        if model.name not in self._told.asked or model.rules.grows == WHOLE:
            make_model(self.connection, model)
            self._told.states[model.name] = Change.NONE if model.rules.grows else Change.ANY
            return
        self._run(f"create or replace table renewing.old_rows as select * from {model.name}")
        make_model(self.connection, model)
        self._told.tell(model.name, model.name)

    def _let_grow(self, model: Model | GeneratedModel, number: str, grows_with: str) -> None:
        """Add the rows that are not there yet; what has a number keeps it. No row that was there changes."""
        renewal = model.rules.renewal
        if renewal and self._told.is_told(model, renewal.of):
            renewal = self._told.find_keys(model.name, renewal)
            query = with_tables(model.sql, self._rows.limited(model, renewal))
        elif renewal or self._told.states[grows_with] is Change.ANY:
            query = str(model.sql)
        else:
            query = with_tables(model.sql, {grows_with: version(grows_with, "is_added")})
        is_numbered = number.endswith("_number")
        but = f" exclude ({number})" if is_numbered else ""
        first = f"(select coalesce(max({number}), 0) from {model.name})"
        names = column_names(self.connection, model.name)
        columns = ", ".join(
            f"({first} + row_number() over ())::integer" if is_numbered and name == number else quoted(name)
            for name in names
        )
        self._run(
            f"create or replace table {changed_name(model.name)} as select {columns}, true as is_added from ("
            f"select *{but} from ({query}) except select *{but} from {model.name})"
        )
        self._run(f"insert into {model.name} select * exclude (is_added) from {changed_name(model.name)}")
        self._told.states[model.name] = Change.NONE

    def _renew(self, model: Model | GeneratedModel, renewal: Renewal) -> None:
        name = model.name
        renewal = self._told.find_keys(name, renewal)
        keys = count_rows(self.connection, "renewing.keys")
        time = time_of(column_names(self.connection, name))
        moved = self._find_taken_over(renewal)
        if not keys and not moved:
            self._run(
                f"create or replace table {changed_name(name)} as "
                f"select *, true as is_added from {name} limit 0"
            )
            self._told.states[name] = Change.NONE
            return
        query = with_tables(model.sql, self._rows.limited(model, renewal))
        self._run(
            f"create or replace table renewing.new_rows as "
            f"select * from ({query}) as t where {is_among(renewal, time)}"
        )
        self._run(f"create or replace table renewing.old_rows as {among(name, renewal, time)}")
        if moved and renewal.taken_over:
            self._take_over(name, renewal.keys[0], renewal.taken_over[0])
        self._told.tell(name, "renewing.new_rows")
        self._put_in_place(name, renewal, time)

    def _put_in_place(self, name: str, renewal: Renewal, time: str | None) -> None:
        """Replace the rows of the keys of which any differ."""
        if self._told.states[name] is Change.NONE:
            return
        keys, changed = ", ".join(renewal.keys), changed_name(name)
        found = f"select distinct {keys} from {changed}"
        if renewal.since and renewal.keys == BY_EVENT and time:
            found = f"select distinct {keys}, {time} as since_us from {changed}"
        elif renewal.since:
            same = " and ".join(f"c.{key} is not distinct from k.{key}" for key in renewal.keys)
            found = (
                f"select k.* from renewing.keys as k where exists (select 1 from {changed} as c where {same})"
            )
        self._run(f"create or replace table renewing.keys as {found}")
        self._run(f"delete from {name} as t where {is_among(renewal, time, name)}")
        self._run(f"insert into {name} {among('renewing.new_rows', renewal, time)}")

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
        # many are looked at and few differ: only of those the other columns are read
        found = (
            f"select t.rowid from {name} as t inner join renewing.moved as m on t.{key} = m.{key} "
            f"where t.{column} is distinct from m.{column}"
        )
        self._run(
            f"create or replace table renewing.old_moved as select * from {name} where rowid in ({found})"
        )
        self._run("insert into renewing.old_rows select * from renewing.old_moved")
        self._run(
            f"insert into renewing.new_rows select t.* replace (m.{column} as {column}) "
            f"from renewing.old_moved as t inner join renewing.moved as m on t.{key} = m.{key}"
        )

    def _add_up(self, model: Model | GeneratedModel, sums: Sums) -> None:
        """Add what came to the sums, and take off what went; who has nothing left is gone."""
        name = model.name
        columns = column_names(self.connection, name)
        keys = [column for column in columns if column not in sums.columns]
        parts = []
        for sign in ("", "-"):
            versions = {table: self._told.version(table, is_added=not sign) for table in sums.of}
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
        self._told.states[name] = Change.ANY

    def _run(self, query: str) -> duckdb.DuckDBPyConnection:
        return self.connection.execute(query)
