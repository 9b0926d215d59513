"""Every error a source can raise, drawn once. Each says what happened, where, and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class SourceError(Exception):
    """Something about a source stops it; the message names the place and the remedy."""

    waiting_may_help: ClassVar[bool] = False

    def __init__(self, what: str, *, where: str | Path, remedy: str) -> None:
        self.what, self.where, self.remedy = what, str(where), remedy
        super().__init__(f"{where}: {what}. {remedy}")


class FileMissing(SourceError):
    """No file matches what the config names."""


class FileUnreadable(SourceError):
    """A file is empty, cut short, or not of the format its name or place promises."""


class FileForeign(SourceError):
    """A file is readable, yet not the export it should be: a column or field is missing."""


class LineBroken(SourceError):
    """One line of a file cannot be read."""


class LakeDamaged(SourceError):
    """A landed day no longer is what its manifest says."""


class CredentialMissing(SourceError):
    """A secret that a source needs is nowhere to be found."""


class AccessDenied(SourceError):
    """The vendor does not accept the credential, or not for this (401, 403)."""


class RequestRefused(SourceError):
    """The vendor understands the request and does not want it (other 4xx): asking again is no use."""


class PullTooCostly(SourceError):
    """A pull would read more than the config allows."""


class VendorUnavailable(SourceError):
    """The vendor cannot be reached, takes too long, or fails on its own side (5xx)."""

    waiting_may_help = True


class QuotaExhausted(SourceError):
    """The vendor asks to slow down (429); ``retry_after_seconds`` is how long, where it says so."""

    waiting_may_help = True

    def __init__(
        self, what: str, *, where: str | Path, remedy: str, retry_after_seconds: float | None = None
    ) -> None:
        wait = f" (asks to wait {retry_after_seconds:,.0f} s)" if retry_after_seconds else ""
        super().__init__(what + wait, where=where, remedy=remedy)
        self.what = what  # who says how long it waits, or takes the words over, need not hear it twice
        self.retry_after_seconds = retry_after_seconds


class AnswerBroken(SourceError):
    """An answer came, and is cut short, damaged, or an error in disguise."""

    waiting_may_help = True
