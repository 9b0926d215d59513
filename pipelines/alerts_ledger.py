"""What each receiver was told, in schema ``state``: a night that is run again tells nothing twice."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime

import duckdb

from pipelines.alerts_choice import News, Told
from pipelines.state_tables import make_state_table

_COLUMNS = {
    "night": "date",
    "receiver": "varchar",
    "about": "varchar",
    "subject": "varchar",
    "what": "varchar",
    "sent_at": "timestamp",
}


def make_ledger(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the table where it is missing."""
    make_state_table(connection, "alerts_sent", _COLUMNS)


def told_before(
    connection: duckdb.DuckDBPyConnection, receiver: str, about: str, night: date
) -> tuple[Told, ...]:
    """What ``receiver`` was told on other nights; ``about`` is findings or tracking.

    Later nights count too: data that ends earlier than it did makes nothing news again.
    """
    rows = connection.execute(
        "select night, subject, what from state.alerts_sent "
        "where receiver = ? and about = ? and night <> ? order by night, sent_at",
        [receiver, about, night],
    ).fetchall()
    return tuple(Told(*row) for row in rows)


def not_yet_told(
    connection: duckdb.DuckDBPyConnection, receiver: str, about: str, night: date, news: Iterable[News]
) -> list[News]:
    """Those of ``news`` that ``receiver`` has not been told on this very night."""
    done = set(
        connection.execute(
            "select subject, what from state.alerts_sent where receiver = ? and about = ? and night = ?",
            [receiver, about, night],
        ).fetchall()
    )
    return [each for each in news if (each.subject, each.what) not in done]


def remember_told(
    connection: duckdb.DuckDBPyConnection, receiver: str, about: str, night: date, news: Iterable[News]
) -> None:
    """Keep that ``receiver`` was told ``news``, now."""
    now = datetime.now(UTC).replace(tzinfo=None)
    for each in news:
        connection.execute(
            f"insert into state.alerts_sent ({', '.join(_COLUMNS)}) values (?, ?, ?, ?, ?, ?)",
            [night, receiver, about, each.subject, each.what, now],
        )
