"""Statements that reach the disk together: each commit waits for it, longer than a small table takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import duckdb

# What takes longer is committed by itself: the engine keeps statistics of committed rows only, and gives
# back the room of what was replaced when it commits.
_MOST_SECONDS = 0.1


@contextmanager
def at_once(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """What is done inside is committed at its end, or not at all. One is never inside another."""
    with in_batches(connection, most_seconds=float("inf")):
        yield


@contextmanager
def in_batches(
    connection: duckdb.DuckDBPyConnection, *, most_seconds: float = _MOST_SECONDS
) -> Iterator[Callable[[], None]]:
    """Gives what is to be called after each statement: it commits when the last commit is a while ago.

    What was not committed yet when an error leaves is undone.
    """
    connection.begin()
    begun = time.monotonic()

    def done() -> None:
        nonlocal begun
        if time.monotonic() - begun > most_seconds:
            connection.commit()
            connection.begin()
            begun = time.monotonic()

    try:
        yield done
        connection.commit()
    except BaseException:
        with suppress(duckdb.Error):  # what went wrong may have ended it, or the whole database
            connection.rollback()
        raise
