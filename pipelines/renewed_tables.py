"""Bring the tables of the last build up to date: what its staged files say is not made again.

Every table either grows (dictionaries), is renewed for the keys that changed rows touch, or, where that
cannot be told or is cheap, is made whole. What changed of a table is told to those that read it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

import duckdb

from pipelines.build_base import Base, forget_base, read_base, recipe_of, remember_base
from pipelines.changed_events import find_changed_events
from pipelines.config_tables import WorldConfig, write_config
from pipelines.errors import CheckFailed, SqlFailed
from pipelines.exhausted import query_failed
from pipelines.journey_tables import make_and_check, models_of
from pipelines.renewed_model import RenewedTables
from pipelines.sql_models import AnyModel, Progress, in_order, run_checks
from pipelines.unpublished_rows import end_notes, note_changes
from pipelines.warehouse import count_rows

# of fewer the hundred statements cost more than the events
FEWEST_EVENTS = 300_000
# what a disk spoils must not be carried on for ever, nor what nothing uses any more
MOST_RENEWALS = 30


def renew_tables(
    connection: duckdb.DuckDBPyConnection,
    config: WorldConfig,
    progress: Progress = lambda _: None,
    *,
    fewest_events: int = FEWEST_EVENTS,
) -> bool:
    """Make all tables of ``lake`` what a whole build makes of it, and run the checks.

    Returns whether the tables of the last build were renewed; they are made whole where there are none, or
    of another program, config or journeys, where few events are or many changed, where they were renewed
    often, and where renewing fails. Raises SqlFailed or CheckFailed; the next build is then a whole one.
    """
    write_config(connection, config)
    models = models_of(config)
    recipe = recipe_of(connection, models)
    base = read_base(connection)
    forget_base(connection)
    is_worth_it = count_rows(connection, "lake.staged_events") >= fewest_events
    renewals = 0
    if base and base.recipe == recipe and is_worth_it and base.renewals < MOST_RENEWALS:
        try:
            renewals = base.renewals + 1 if _renew(connection, models, base, progress) else 0
        except (SqlFailed, CheckFailed) as error:
            progress(f"making all tables anew, as renewing them failed: {str(error).splitlines()[0]}")
    if renewals == 0:
        end_notes(connection)
        make_and_check(connection, models, progress)
    remember_base(connection, recipe, renewals)
    return renewals > 0


def _renew(
    connection: duckdb.DuckDBPyConnection, models: Iterable[AnyModel], base: Base, progress: Progress
) -> bool:
    with _beside(connection, "changed"), _beside(connection, "renewing"):
        changed = find_changed_events(connection, base)
        if changed is None:
            return False
        progress(f"renewing tables: {changed} rows of events came or went")
        tables = RenewedTables(connection, models)
        # each statement is committed by itself: the engine plans by statistics of committed rows
        for model in in_order(models):
            try:
                tables.make(model)
            except duckdb.Error as error:
                raise query_failed(error, f"renewing {model.name}") from error
        progress("checking what changed")
        run_checks(connection, tables.limited_query)
        note_changes(connection)
    return True


@contextmanager
def _beside(connection: duckdb.DuckDBPyConnection, name: str) -> Iterator[None]:
    """A database in memory, beside the working file, for what nobody asks of when the build is over."""
    connection.execute(f"attach ':memory:' as {name}")
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # what went wrong may have ended the whole database
            connection.execute(f"detach {name}")
        raise
    connection.execute(f"detach {name}")
