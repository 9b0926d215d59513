"""Which rows of the marts differ from the published file: noted while tables are renewed, row by row.

Who is found to be somebody else after months has rows on many days; only those rows are written anew. The
notes begin with a published file and end with a build that makes tables whole: then it is written whole too.
What was noted of a file that is not the last one any more is kept for its spare (pipelines/spare_file.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import duckdb

from pipelines.event_slices import of_some_events
from pipelines.limited_rows import by_rowid
from pipelines.sql_models import SQL_FOLDER, Model, read_model, tables_named_in, with_tables
from pipelines.warehouse import count_rows, has_table

MOST_CHANGED = 0.3  # of the events; beyond it a new file is written


class Since(Enum):
    """Of which file it is asked which rows it lacks."""

    PUBLISHED = "published"
    SPARE = "spare"


@dataclass(frozen=True)
class RowKey:
    """What a mart's rows are found by: the number in ``table``, and the column of its text in the mart."""

    number: str
    table: str
    column: str


ROW_KEYS = {
    "events": RowKey("event_number", "intermediate.keyed_events", "event_id"),
    "sessions": RowKey("session_number", "intermediate.session_spans", "session_id"),
    "attempts": RowKey("attempt_number", "intermediate.attempts", "attempt_id"),
    "stage_visits": RowKey("user_number", "intermediate.attempt_visits", "user_key"),
}
# what an event's row says of its person and session; the rest is the event's own
_OF_VISIT = {
    "user_key": "key_text(user_number)",
    "session_id": "key_text(session_number)",
    **{name: name for name in ("channel", "medium", "source_name", "campaign", "value", "currency")},
}


def begin_notes(connection: duckdb.DuckDBPyConnection, *, keeps_spare: bool = False) -> None:
    """From now on the published file says what the tables say; its spare is the one published before."""
    for mart, key in ROW_KEYS.items():
        if keeps_spare:
            connection.execute(f"create or replace table {_spare_notes(mart)} as from {_notes(mart)}")
        else:
            connection.execute(f"drop table if exists {_spare_notes(mart)}")
        flags = ", is_another boolean, is_gone boolean" if mart == "events" else ""
        connection.execute(f"create or replace table {_notes(mart)} ({key.number} bigint{flags})")


def end_notes(connection: duckdb.DuckDBPyConnection) -> None:
    """What differs is not known any more."""
    for mart in ROW_KEYS:
        connection.execute(f"drop table if exists {_notes(mart)}")
        connection.execute(f"drop table if exists {_spare_notes(mart)}")


def has_notes(connection: duckdb.DuckDBPyConnection, since: Since) -> bool:
    """Whether it is known which rows the file lacks."""
    names = [_notes(mart) for mart in ROW_KEYS]
    if since is Since.SPARE:
        names += [_spare_notes(mart) for mart in ROW_KEYS]
    return all(has_table(connection, name) for name in names)


def note_changes(connection: duckdb.DuckDBPyConnection) -> None:
    """Add what ``changed`` says, once all tables are renewed; nothing where no notes were begun."""
    if not has_notes(connection, Since.PUBLISHED):
        return
    for mart in ROW_KEYS:
        query = read_model(SQL_FOLDER / "unpublished" / f"{mart}.sql").sql
        connection.execute(f"insert into {_notes(mart)} {query}")


def can_renew_rows(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether writing the noted rows anew is enough to make the published file right, and little work.

    Not where an event may have gone from it: its bytes would stay behind.
    """
    notes, keyed = _notes("events"), "intermediate.keyed_events"
    gone = f"select event_number from {notes} where is_gone"
    try:
        if count_rows(connection, notes) > MOST_CHANGED * count_rows(connection, keyed):
            return False
        if not count_rows(connection, f"({gone} limit 1)"):
            return True
        return not count_rows(connection, f"({gone} except select event_number from {keyed})")
    except duckdb.Error:  # notes of another program
        return False


def renew_noted_rows(connection: duckdb.DuckDBPyConnection, target: str, model: Model, since: Since) -> None:
    """Write the noted rows of a mart anew in ``target``, a table of the attached file."""
    mart = model.name.removeprefix("marts.")
    key = ROW_KEYS[mart]
    notes = _notes(mart)
    if since is Since.SPARE:
        notes = f"(from {notes} union all from {_spare_notes(mart)})"
    if mart == "events":
        _renew_events(connection, target, model, notes)
        return
    numbers = f"select {key.number} from {notes}"
    _delete(connection, target, key, numbers)
    rows = f"(select * from {key.table} where {key.number} in ({numbers}))"
    assert key.table in tables_named_in(model.sql)
    connection.execute(f"insert into {target} {with_tables(model.sql, {key.table: rows})}")


def _renew_events(connection: duckdb.DuckDBPyConnection, target: str, model: Model, notes: str) -> None:
    key = ROW_KEYS["events"]
    # whatever went from a renewed file is still an event that counts: can_renew_rows
    if _note_events(connection, f"select event_number from {notes} where is_another"):
        ((first, last),) = connection.execute(
            "select min(event_us), max(event_us) from noted_events"
        ).fetchall()
        # files hold their events by time, and those outside need not be read
        within = f"event_at between moment({first}) and moment({last})"
        _delete(connection, target, key, "select event_number from noted_events", within)
        staged = f"(select * from staging.events where event_us between {first} and {last})"
        limits = of_some_events(connection, model, "noted_events", staged)
        connection.execute(f"insert into {target} {with_tables(model.sql, limits)}")
    visits = f"select event_number from {notes} group by event_number having not bool_or(is_another)"
    if not _note_events(connection, visits):
        return
    # what the event itself says is not asked: these columns are there to be left out
    own = "session_number, value, currency, source_name, medium, campaign, given_channel"
    nothing = ", ".join(f"null as {name}" for name in own.split(", "))
    own_columns = f"(select event_number, {nothing} from noted_events)"
    limits = of_some_events(connection, model, "noted_events", own_columns)
    columns = ", ".join(f"{value} as {name}" for name, value in _OF_VISIT.items())
    connection.execute(
        f"create or replace temp table visits as select key_text(event_number) as event_id, {columns} "
        f"from {limits['intermediate.events']}"
    )
    _take_over(connection, target)
    connection.execute("drop table visits")


def _take_over(connection: duckdb.DuckDBPyConnection, target: str) -> None:
    """Write what ``visits`` says of events that are in ``target``, column by column, where it differs.

    A column that is written is compressed anew for all rows around those, and most differ in few columns.
    """
    differs = {name: f"p.{name} is distinct from v.{name}" for name in _OF_VISIT}
    connection.execute(
        "create or replace temp table differing as select p.rowid as row, v.* exclude (event_id), "
        f"{', '.join(f'{condition} as other_{name}' for name, condition in differs.items())} "
        f"from {target} as p inner join visits as v on p.event_id = v.event_id "
        f"where {' or '.join(differs.values())}"
    )
    for name in _OF_VISIT:
        if count_rows(connection, f"(select 1 from differing where other_{name} limit 1)"):
            connection.execute(
                f"update {target} as p set {name} = d.{name} from differing as d "
                f"where p.rowid = d.row and d.other_{name}"
            )
    connection.execute("drop table differing")


def _note_events(connection: duckdb.DuckDBPyConnection, numbers: str) -> int:
    """Make ``noted_events``: the rows of intermediate.keyed_events of these numbers; returns how many."""
    connection.execute(
        "create or replace temp table noted_events as "
        + by_rowid("intermediate.keyed_events", f"t.event_number in ({numbers})")
    )
    return count_rows(connection, "noted_events")


def _delete(
    connection: duckdb.DuckDBPyConnection, target: str, key: RowKey, numbers: str, within: str = "true"
) -> None:
    texts = f"select key_text({key.number}) from ({numbers})"
    connection.execute(f"delete from {target} where {key.column} in ({texts}) and {within}")


def _notes(mart: str) -> str:
    """What the published file lacks."""
    return f"lake.unpublished_{mart}"


def _spare_notes(mart: str) -> str:
    """What the published file had of late, and its spare has not."""
    return f"lake.unspared_{mart}"
