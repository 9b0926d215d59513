"""Every error a source can raise, drawn once. Each says what happened, where, and what to do."""

from __future__ import annotations

from pathlib import Path


class SourceError(Exception):
    """Something about a source stops it; the message names the place and the remedy."""

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
