"""Quote what a vendor said: short, in one line, and without the credentials it may echo."""

from __future__ import annotations

import html
import json
import re
import textwrap
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from connectors.secret import Secret

SAID_CHARACTERS = 200
MARKUP = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.S | re.I)


class VendorWords:
    """Knows the credentials of one client, in every form in which an echo could show them."""

    def __init__(self, *secrets: Secret) -> None:
        forms = {form for secret in secrets for form in _forms(secret.reveal())}
        # the longest first: a user name may be part of another credential
        self._masks = tuple(Secret(form) for form in sorted(forms, key=len, reverse=True))

    def quoted(self, words: str | bytes) -> str:
        """``words`` in quotes; of ``{"error": ...}`` the error, of a page its text."""
        text = words.decode("utf-8", "replace") if isinstance(words, bytes) else words
        text = self._masked(text)
        try:
            text = str(json.loads(text)["error"])
        except (ValueError, KeyError, TypeError, RecursionError):
            if text.lstrip().startswith("<"):
                text = html.unescape(MARKUP.sub(" ", text))
        # masked again, for unescaping brings things to light; before cutting, for a part of a secret is one
        text = " ".join(self._masked(text).split())
        return f'"{textwrap.shorten(text, SAID_CHARACTERS, placeholder=" ...")}"' if text else "nothing"

    def _masked(self, text: str) -> str:
        for mask in self._masks:
            text = mask.masked_in(text)
        return text


def _forms(text: str) -> Iterator[str]:
    bare = text.rstrip("=")  # base64 loses its padding on the way at times
    for form in (bare, quote(bare, safe=""), quote_plus(bare), json.dumps(bare)[1:-1], html.escape(bare)):
        if form:
            yield form
