"""How a table is brought up to date when few of the rows it is made of changed: what its header says of it.

``-- renewed by: KEY of TABLE, TABLE`` says that the rows of one key are made of the rows of that key in those
tables, and of whatever the other tables say of them; what changes in a TABLE in parentheses changes in one of
them, too. What else may change the rows of a key is found by ``sql/renewals/NAME.sql``. ``all told`` at the
end counts every row that was made again as changed.
``-- grows: COLUMN`` says that rows come and never change, with numbers in COLUMN where it is one;
``-- grows: whole`` that the table is made anew, but what it says of a key stays the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

RENEWED_BY = "renewed by"
GROWS = "grows"
WHOLE = "whole"
_ALL_TOLD = "all told"
_KEY_OF = re.compile(r"(?P<key>[a-z_]+) of (?P<tables>[a-z_., ()]+)")


@dataclass(frozen=True)
class Renewal:
    """``key`` is a column; ``of`` are tables with their schema whose rows of a key make that key's rows.

    What changes in a table of ``noticed`` changes in one of them, too.
    """

    key: str
    of: tuple[str, ...]
    noticed: tuple[str, ...] = ()
    is_all_told: bool = False


def parse_renewal(text: str) -> Renewal:
    """The rule of a header line after its colon. Raises ValueError."""
    match = _KEY_OF.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no rule for renewing; write: KEY of TABLE, TABLE")
    names = [name.strip() for name in match["tables"].split(",")]
    tables = [name for name in names if name != _ALL_TOLD]
    of = tuple(_with_schema(name) for name in tables if not name.startswith("("))
    noticed = tuple(_with_schema(name.strip("()")) for name in tables if name.startswith("("))
    return Renewal(match["key"], of, noticed, _ALL_TOLD in names)


def _with_schema(name: str) -> str:
    return name if "." in name else f"intermediate.{name}"


def changed_name(table: str) -> str:
    """Where the rows of a table are that came or went: ``changed.session_moments``."""
    schema, _, name = table.partition(".")
    return "changed." + {"intermediate": "", "staging": "staged_"}.get(schema, f"{schema}_") + name


def renewal_file(sql_folder: Path, table: str) -> Path:
    """The query for the keys of a table that its own rule does not find; it may not be there."""
    return sql_folder / "renewals" / f"{table.partition('.')[2]}.sql"
