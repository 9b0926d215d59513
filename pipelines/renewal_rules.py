"""How a table is brought up to date when few of the rows it is made of changed: what its header says of it.

``-- renewed by: KEY of TABLE, TABLE`` says that the rows of one key are made of the rows of that key in
those tables, and of whatever the other tables say of them; KEY is a column or several. What else may change
the rows of a key is found by ``sql/renewals/NAME.sql``. With ``since`` at the end that query alone gives the
keys, and in ``since_us`` from when on the rows of each may differ. With ``where CONDITION`` at the end only
rows of those tables for which it holds make any.

``-- asks events: of persons`` says that of the events, ``keyed_events``, only those are asked that are of the
persons in the tables it is renewed by.

``-- takes over: COLUMN of VIEW`` says that a column is what a view of staged events says; for which events it
may say another thing is found by ``sql/renewals/VIEW.sql``.

``-- adds up: COLUMN of TABLE, TABLE`` says that rows are sums over the rows of those tables, or of a view of
staged events of which ``sql/renewals/VIEW.sql`` finds the events that it tells otherwise now.

``-- grows: COLUMN`` says that rows come with events and never change, with numbers in COLUMN where it is one;
``-- grows: COLUMN of TABLE`` that they come with rows of another table; ``-- grows: whole`` that the table is
made anew, but what it says of a key stays the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

RULES = ("renewed by", "asks events", "takes over", "adds up", "grows")
_OF_TABLES = re.compile(
    r"(?P<columns>[a-z_, ]+) of (?P<tables>[a-z_.]+(?:, [a-z_.]+)*)(?: where (?P<where>.+))?"
)


@dataclass(frozen=True)
class Renewal:
    """``keys`` are columns; ``of`` are tables with their schema whose rows of a key make that key's rows.

    With ``since`` only the later rows of a key do, with ``where`` only those for which it holds.
    ``taken_over`` is a column and the view that tells it. ``is_of_persons``: see ``asks events``.
    """

    keys: tuple[str, ...]
    of: tuple[str, ...]
    since: bool = False
    taken_over: tuple[str, str] | None = None
    where: str = "true"
    is_of_persons: bool = False

    @property
    def all_read(self) -> tuple[str, ...]:
        """``of``, and the view that tells a column."""
        return (*self.of, *(self.taken_over[1:] if self.taken_over else ()))


@dataclass(frozen=True)
class Sums:
    """``columns`` are sums over the rows of the tables ``of``; the other columns say of which."""

    columns: tuple[str, ...]
    of: tuple[str, ...]


@dataclass(frozen=True)
class RenewalRules:
    """What a header says. ``grows`` is the column with numbers, or WHOLE; ``grows_with`` is a table."""

    renewal: Renewal | None = None
    sums: Sums | None = None
    grows: str = ""
    grows_with: str = ""


WHOLE = "whole"
NO_RULES = RenewalRules()


def parse_rules(lines: Mapping[str, str]) -> RenewalRules:
    """The rules of header lines, by what stands before the colon. Raises ValueError."""
    renewal = sums = None
    if "renewed by" in lines:
        keys, of, where = _parsed(lines["renewed by"])
        taken = _parsed(lines["takes over"]) if "takes over" in lines else None
        over = (taken[0][0], taken[1][0]) if taken else None
        asks = lines.get("asks events")
        tables = tuple(table for table in of if table != _with_schema("since"))
        if asks not in (None, "of persons") or (asks and _with_schema("keyed_events") in of):
            raise ValueError(f"asks events: {asks}: write `of persons`; whoever is renewed by them cannot")
        renewal = Renewal(keys, tables, tables != of, over, where, asks is not None)
    if "adds up" in lines:
        sums = Sums(*_parsed(lines["adds up"])[:2])
    grows, _, grown = lines.get("grows", "").partition(" of ")
    return RenewalRules(renewal, sums, grows, _with_schema(grown or "staging.events"))


def _parsed(text: str) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    match = _OF_TABLES.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no rule for renewing; write: COLUMN of TABLE, TABLE")
    columns, tables = (
        tuple(each.strip() for each in match[part].split(",")) for part in ("columns", "tables")
    )
    return columns, tuple(_with_schema(table) for table in tables), match["where"] or "true"


def _with_schema(name: str) -> str:
    return name if "." in name else f"intermediate.{name}"


def changed_name(table: str) -> str:
    """Where the rows of a table are that came (``is_added``) or went: ``changed.session_moments``."""
    schema, _, name = table.partition(".")
    return "changed." + {"intermediate": "", "staging": "staged_"}.get(schema, f"{schema}_") + name


def renewal_file(sql_folder: Path, table: str) -> Path:
    """The query for what the rules of a table do not find; it may not be there."""
    return sql_folder / "renewals" / f"{table.partition('.')[2]}.sql"
