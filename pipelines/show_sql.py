"""SQL on a terminal: lines broken where it stays the same SQL when somebody copies it."""

from __future__ import annotations

import re

INDENT = "    "
# A word with what is quoted in it (a doubled quote closes and opens again), a line's end, or blanks.
_PARTS = re.compile(r"""(?:'[^']*'|"[^"]*"|[^\s'"]|['"])+|\n|[^\S\n]+""")


def narrow_sql(sql: str, width: int = 80) -> str:
    """The same statement with lines of at most ``width`` columns where that can be.

    Lines are broken at blanks, never inside a quoted value or name, which would be another one then. The
    statement holds no comments.
    """
    written: list[str] = []
    column, start, blanks = 0, "", ""
    for part in _PARTS.findall(sql):
        if part == "\n":
            written.append(part)
            column, start, blanks = 0, "", ""
        elif part.isspace():
            blanks = part
            start = part if column == 0 else start
        elif column and column + len(blanks) + len(part) > width:
            written.append(f"\n{start}{INDENT}{part}")
            column, blanks = len(start) + len(INDENT) + len(part), ""
        else:
            written.append(blanks + part)
            column, blanks = column + len(blanks) + len(part), ""
    return "".join(written)
