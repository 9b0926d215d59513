"""The events a journey is discovered from: the published ones, or, before there are any, what landed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb

from models.discovery import OPENINGS, PAGE_MARK
from pipelines.sql_models import Progress
from pipelines.staging import stage_days
from pipelines.warehouse import open_warehouse
from pipelines.workspace import Workspace, default_sources

DAY_US = 86_400_000_000


@contextmanager
def events_to_learn_from(
    workspace: Workspace, days: int, progress: Progress
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the tables ``seen`` and ``steps``: the last ``days`` of the sources that count.

    ``seen`` has a row per event of a person; ``steps`` one per event and page view, as what may be a stage.
    Before the first night is published they come from what landed, people by their user id or device.
    """
    sources = list(default_sources(workspace.settings))
    if workspace.published.exists():
        with duckdb.connect(str(workspace.published), read_only=True) as connection:
            columns = "epoch_us(event_at) as us, user_key, session_id, event_name, page, source, value, "
            rest = "transaction_id, device, channel, country, is_new_user"
            _make_seen(connection, columns + rest, "marts.events", "user_key", sources, days)
            yield connection
    else:
        with workspace.locked(), open_warehouse(None, workspace.settings.engine) as connection:
            stage_days(connection, workspace, progress)
            person = "coalesce(user_id, device_id)"
            columns = (
                f"event_us as us, md5({person}) as user_key, session_number::varchar as session_id, "
                "event_name, page, source, value, transaction_id, device, given_channel as channel, country, "
                "is_new_user"
            )
            _make_seen(connection, columns, "lake.staged_events", person, sources, days)
            yield connection


def _make_seen(
    connection: duckdb.DuckDBPyConnection,
    columns: str,
    table: str,
    person: str,
    sources: Sequence[str],
    days: int,
) -> None:
    # the texts are this module's own; events dated in years to come do not move the period
    connection.execute(
        f"create temp table seen as with all_of_them as (select {columns} from {table} "
        f"where source in (select unnest(?)) and {person} is not null) "
        "select * from all_of_them where us > (select max(us) from all_of_them "
        "where us <= epoch_us(current_timestamp::timestamp)) - ?::bigint "
        "and us <= epoch_us(current_timestamp::timestamp)",
        [list(sources), days * DAY_US],
    )
    # what may be a step: an event, and the view of a part of the site (the first folder of its pages)
    connection.execute(
        "create temp table steps as select us, user_key, session_id, source, event_name as step from seen "
        "union all select us, user_key, session_id, source, "
        "event_name || ? || '/' || split_part(page, '/', 2) from seen "
        "where event_name in (select unnest(?)) and page like '/_%'",
        [PAGE_MARK, list(OPENINGS)],
    )
