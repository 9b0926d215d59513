"""Bring a table up to date: find the keys whose rows may differ, make those rows, put them in their place."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from enum import Enum

import duckdb

from pipelines.renewal_rules import WHOLE, changed_name, renewal_file
from pipelines.sql_models import (
    SQL_FOLDER,
    AnyModel,
    ComputedModel,
    GeneratedModel,
    Model,
    make_model,
    with_tables,
)
from pipelines.warehouse import quoted

EVENTS = "staging.events"
# a day is asked of events by the quarters of an hour it has
_QUARTER_US = 900_000_000
_DAY_US = 86_400_000_000


class Change(Enum):
    """What is known of a table's rows since the last build."""

    NONE = "none"
    TOLD = "told"  # what came and what went is in ``changed``
    ANY = "any"


class RenewedTables:
    """The tables of one build, as far as it has come. Databases ``changed`` and ``renewing`` are its own."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, models: Iterable[AnyModel]) -> None:
        self.connection = connection
        self.models = {model.name: model for model in models}
        self.changes: dict[str, Change] = {}
        self._changed_in = {name: _changed_in(name, self.models) for name in self.models}
        self._asked = {*itertools.chain(*self._changed_in.values())}
        for model in self.models.values():
            if not isinstance(model, ComputedModel) and model.renewal:
                self._asked.update(model.renewal.of, model.renewal.noticed)

    def make(self, model: AnyModel) -> None:
        """Bring ``model`` up to date; all it reads must be."""
        if model.name == EVENTS:
            self.changes[EVENTS] = Change.TOLD
            return
        if not isinstance(model, ComputedModel) and model.is_view:
            self._tell_view(model)
            return
        if not isinstance(model, ComputedModel) and model.grows and model.grows != WHOLE:
            self._let_grow(model, model.grows)
            self.changes[model.name] = Change.NONE
        elif not isinstance(model, ComputedModel) and model.renewal and self._can_be_renewed(model):
            self._renew(model)
        elif model.grows == WHOLE or model.name not in self._asked:
            make_model(self.connection, model)
            self.changes[model.name] = Change.NONE if model.grows else Change.ANY
        else:
            self._make_and_tell(model)

    def _tell_view(self, model: Model | GeneratedModel) -> None:
        """A view needs no making; whether its rows changed is told where a file says how to find them."""
        if model.name not in self._asked:
            return
        query = renewal_file(SQL_FOLDER, model.name).read_text("utf-8")
        self.connection.execute(f"create or replace table {changed_name(model.name)} as {query}")
        self.changes[model.name] = Change.TOLD

    def _let_grow(self, model: Model | GeneratedModel, number: str) -> None:
        """Add the rows that events which came bring along; who has a number keeps it."""
        came = f"(select * exclude (is_added) from {changed_name(EVENTS)} where is_added)"
        query = with_tables(model.sql, {EVENTS: came})
        numbered = number.endswith("_number")
        but = f" exclude ({number})" if numbered else ""
        first = f"(select coalesce(max({number}), 0) from {model.name})"
        names = [row[0] for row in self.connection.execute(f"describe {model.name}").fetchall()]
        columns = ", ".join(
            f"({first} + row_number() over ())::integer" if numbered and name == number else quoted(name)
            for name in names
        )
        self.connection.execute(
            f"insert into {model.name} select {columns} from ("
            f"select *{but} from ({query}) except select *{but} from {model.name})"
        )

    def _can_be_renewed(self, model: Model | GeneratedModel) -> bool:
        """Whether all that changed of what it reads is known, and how it changes its rows."""
        assert model.renewal is not None
        told = {*model.renewal.of, *model.renewal.noticed, *self._changed_in[model.name]}
        return all(self._is_known(table, told) for table in model.reads if not table.startswith("config."))

    def _is_known(self, table: str, told: set[str]) -> bool:
        change = self.changes.get(table)
        if change is Change.NONE or (table in told and change is Change.TOLD):
            return True
        model = self.models.get(table)
        if model is None or isinstance(model, ComputedModel) or not model.is_view or table == EVENTS:
            return False
        return all(self._is_known(each, told) for each in model.reads if not each.startswith("config."))

    def _renew(self, model: Model | GeneratedModel) -> None:
        assert model.renewal is not None
        run, key, name = self.connection.execute, model.renewal.key, model.name
        self._find_keys(model)
        ((keys,),) = run("select count(*) from renewing.keys").fetchall()
        if keys == 0:
            self._tell_nothing(name)
            return
        among = f"{key} in (select {key} from renewing.keys)"
        query = with_tables(model.sql, self._limited(model))
        run(f"create or replace table renewing.new_rows as select * from ({query}) where {among}")
        run(f"create or replace table renewing.old_rows as select * from {name} where {among}")
        if model.renewal.is_all_told:
            self._tell(name, "select * from renewing.new_rows union all select * from renewing.old_rows")
        else:
            self._tell(name, _DIFFERENCE)
        changed = f"{key} in (select {key} from {changed_name(name)})"
        run(f"delete from {name} where {changed}")
        run(f"insert into {name} select * from renewing.new_rows where {changed}")

    def _make_and_tell(self, model: AnyModel) -> None:
        run = self.connection.execute
        run(f"create or replace table renewing.old_rows as select * from {model.name}")
        make_model(self.connection, model)
        self._tell(model.name, _DIFFERENCE.replace("renewing.new_rows", model.name))

    def _tell(self, name: str, query: str) -> None:
        self.connection.execute(f"create or replace table {changed_name(name)} as {query}")
        ((count,),) = self.connection.execute(f"select count(*) from {changed_name(name)}").fetchall()
        self.changes[name] = Change.TOLD if count else Change.NONE

    def _tell_nothing(self, name: str) -> None:
        self.connection.execute(
            f"create or replace table {changed_name(name)} as select * from {name} limit 0"
        )
        self.changes[name] = Change.NONE

    def _find_keys(self, model: Model | GeneratedModel) -> None:
        """Make ``renewing.keys``: by the rows that changed of what it is renewed by, and by its file."""
        assert model.renewal is not None
        key = model.renewal.key
        selects = []
        for table in model.renewal.of:
            if self.changes[table] is not Change.TOLD:
                continue
            if key == "day":
                selects.append(
                    f"select q.day from {changed_name(table)} as c inner join intermediate.tracking_quarters "
                    f"as q on c.event_us // {_QUARTER_US} = q.quarter"
                )
            else:
                selects.append(f"select {key} from {changed_name(table)}")
        path = renewal_file(SQL_FOLDER, model.name)
        if path.exists() and any(
            self.changes.get(table) is Change.TOLD for table in self._changed_in[model.name]
        ):
            selects.append(f"select {key} from ({path.read_text('utf-8')})")
        found = " union all ".join(selects) or f"select {key} from {model.name} limit 0"
        self.connection.execute(
            f"create or replace table renewing.keys as "
            f"select distinct {key} from ({found}) where {key} is not null"
        )

    def _limited(self, model: Model | GeneratedModel) -> dict[str, str]:
        """By the name of a table that ``model`` reads, what has its rows of the keys: a table or a query."""
        assert model.renewal is not None
        key = model.renewal.key
        names = {}
        for table in model.renewal.of:
            if _is_view(self.models.get(table)) and table != EVENTS:
                continue  # it is made of tables that are named beside it
            rows = self._limited_rows(table, key)
            if table == EVENTS:  # of its many columns few are read
                names[table] = f"({rows})"
            else:  # a table, whose size the engine knows
                names[table] = f"renewing.{table.replace('.', '_')}"
                self.connection.execute(f"create or replace table {names[table]} as {rows}")
        for table in sorted(model.reads):
            self._limit_view(table, names)
        return names

    def _limit_view(self, table: str, names: dict[str, str]) -> bool:
        """Have the views that stand on limited tables read these; whether ``table`` does."""
        if table in names:
            return True
        model = self.models.get(table)
        if model is None or isinstance(model, ComputedModel) or not model.is_view:
            return False
        limited = [self._limit_view(each, names) for each in sorted(model.reads)]
        if not any(limited):
            return False
        names[table] = f"({with_tables(model.sql, names)})"
        return True

    def _limited_rows(self, table: str, key: str) -> str:
        keys = f"select {key} from renewing.keys"
        if key == "day":
            return self._rows_of_days(table)
        if table != EVENTS or key != "event_number":
            return f"select * from {table} where {key} in ({keys})"
        # what came is at hand; only for other events the staged files are read
        came = f"from {changed_name(EVENTS)} where is_added"
        others = f"{keys} except select {key} {came}"
        rows = f"select * exclude (is_added) {came} and {key} in ({keys})"
        ((count,),) = self.connection.execute(f"select count(*) from ({others})").fetchall()
        return f"{rows} union all select * from {EVENTS} where {key} in ({others})" if count else rows

    def _rows_of_days(self, table: str) -> str:
        ((first, last),) = self.connection.execute(
            "select min(q.quarter), max(q.quarter) from intermediate.tracking_quarters as q "
            "where q.day in (select day from renewing.keys)"
        ).fetchall()
        return (
            f"select * from {table} where event_us >= {first * _QUARTER_US} "
            f"and event_us < {(last + 1) * _QUARTER_US} and event_us // {_QUARTER_US} in ("
            "select quarter from intermediate.tracking_quarters where day in (select day from renewing.keys))"
        )


_CHANGED = re.compile(r"\bchanged\.[a-z_]+")
_DIFFERENCE = (
    "(select * from renewing.new_rows except all select * from renewing.old_rows) union all "
    "(select * from renewing.old_rows except all select * from renewing.new_rows)"
)


def _is_view(model: AnyModel | None) -> bool:
    return model is not None and not isinstance(model, ComputedModel) and model.is_view


def _changed_in(table: str, models: Mapping[str, AnyModel]) -> set[str]:
    """The tables of whose changes the file of ``table`` asks."""
    path = renewal_file(SQL_FOLDER, table)
    if not path.exists():
        return set()
    named = set(_CHANGED.findall(path.read_text("utf-8")))
    return {name for name in models if changed_name(name) in named}
