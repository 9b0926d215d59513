"""Lines of text on a terminal: wrapped at words, indented, with no blanks at their ends."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

LEAST_WIDTH = 20


def text_line(
    console: Console, text: str | Text, indent: int = 0, *, first: str | Text = "", style: str = ""
) -> None:
    """Print ``text`` wrapped ``indent`` columns from the left; ``first`` stands before its first line.

    Text is never read as markup, so that names a visitor or a vendor chose stay what they are.
    """
    width = max(console.width - indent, LEAST_WIDTH)
    body = text if isinstance(text, Text) else Text(text)
    lines = body.wrap(console, width)
    for number, line in enumerate(lines):
        line.rstrip()
        start = Text(str(first)) if isinstance(first, str) else first.copy()
        if number:
            start = Text()
        start.pad_right(indent - start.cell_len)
        start.append_text(line)
        console.print(start, style=style, soft_wrap=True)
