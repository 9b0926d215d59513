"""A text that never shows itself: not in a repr, a log, an error or a traceback's locals."""

from __future__ import annotations


class Secret:
    """Holds a secret; only ``reveal()`` gives it out, at the call that sends it."""

    __slots__ = ("__text",)

    def __init__(self, text: str) -> None:
        self.__text = text

    def reveal(self) -> str:
        return self.__text

    def masked_in(self, text: str) -> str:
        """``text`` of a vendor, in which the secret, should it be echoed, is replaced by ``***``."""
        return text.replace(self.__text, "***") if self.__text else text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not written anywhere")
