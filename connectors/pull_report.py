"""What a pull did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class PullReport:
    """Rows that landed, the days whose content changed, and what was read or found unchanged.

    ``bytes_read`` is what the vendor sent or, for BigQuery, what it scanned. ``remarks`` are sentences a
    person should read: a missing day, a quota that is nearly used up.
    """

    source: str
    rows: int
    changed_days: tuple[date, ...]
    files_read: int = 0
    files_skipped: int = 0
    days_read: int = 0
    days_unchanged: int = 0
    bytes_read: int = 0
    remarks: tuple[str, ...] = ()

    def sentence(self) -> str:
        """What the pull brought, as a person reads it."""
        read = []
        if self.files_read or self.files_skipped:
            read.append(f"{self.files_read} files, {self.files_skipped} files unchanged")
        if self.days_read or self.days_unchanged:
            read.append(f"{self.days_read} days, {self.days_unchanged} days unchanged")
        size = f", {self.bytes_read / 1e6:,.1f} MB" if self.bytes_read else ""
        what = f"{self.rows:,} rows of {'; '.join(read)}" if read else "nothing is due"
        return f"{self.source}: {what}{size}; {len(self.changed_days)} days changed"

    def __add__(self, other: PullReport) -> PullReport:
        return PullReport(
            self.source,
            self.rows + other.rows,
            tuple(sorted({*self.changed_days, *other.changed_days})),
            self.files_read + other.files_read,
            self.files_skipped + other.files_skipped,
            self.days_read + other.days_read,
            self.days_unchanged + other.days_unchanged,
            self.bytes_read + other.bytes_read,
            self.remarks + other.remarks,
        )
