"""The day tables of a GA4 BigQuery export: which there are, and what their metadata says."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from google.api_core.exceptions import NotFound
from google.cloud.bigquery import SchemaField

from connectors.bigquery_access import ExportAccess
from connectors.errors import AnswerBroken, FileForeign, RequestRefused
from connectors.ga4_export import NEEDED, SCHEMA

# Retries are Patience's: the client's own go on for ten minutes. Seconds to connect, and to be answered.
ONCE: Any = {"retry": None, "timeout": (10.0, 120.0)}
PAGE_TABLES = 1000

# The same day may have several tables; "" is the daily one, which is final once three days are over. Fresh
# tables are of GA4 360, intraday ones of the streaming export
# (https://support.google.com/analytics/answer/9358801).
PREFERRED = ("", "fresh_", "intraday_")
_NAME = re.compile(r"events_(fresh_|intraday_|)(\d{8})")


@dataclass(frozen=True)
class TableName:
    """``table_id`` holds the events of ``day``; only ``is_daily`` ones are the vendor's last word."""

    day: date
    table_id: str
    is_daily: bool


@dataclass(frozen=True)
class DayTable:
    """What the metadata of a table said: its last change (UTC), rows, bytes, and the fields to read."""

    name: TableName
    modified: datetime
    rows: int
    bytes: int
    fields: tuple[str, ...]

    @property
    def flags(self) -> Mapping[str, str]:
        """What a landed day keeps of its table."""
        return {
            "table": self.name.table_id,
            "modified": self.modified.isoformat(),
            "bytes": str(self.bytes),
        }


def list_day_tables(access: ExportAccess) -> dict[date, TableName]:
    """The one table to read of each day, in the order of days.

    Raises SourceError; RequestRefused where the dataset holds no table of an export.
    """
    export = access.export
    with access.explained():
        listed = access.tables.list_tables(
            f"{export.project}.{export.dataset}",
            page_size=PAGE_TABLES,
            **ONCE,
        )
        ids = [table.table_id for table in listed]
    best: dict[date, tuple[int, str]] = {}
    for table_id in ids:
        for day, rank in _day_and_rank(table_id):
            best[day] = min(best.get(day, (rank, table_id)), (rank, table_id))
    if not best:
        others = f"; it holds {len(ids)} other tables, such as {ids[0]}" if ids else ""
        raise RequestRefused(
            f"the dataset holds no events_YYYYMMDD table{others}",
            where=export.origin,
            remedy="Check the dataset, which is named analytics_<property id>, and the link under Admin > "
            "BigQuery Links in GA4: the first table comes within a day of linking",
        )
    return {day: TableName(day, table_id, rank == 0) for day, (rank, table_id) in sorted(best.items())}


def describe_table(access: ExportAccess, name: TableName) -> DayTable:
    """What the metadata of a table says, in one call. Raises SourceError."""
    export = access.export
    with access.explained(name.table_id), may_be_gone(access, name):
        table = access.tables.get_table(f"{export.project}.{export.dataset}.{name.table_id}", **ONCE)
    fields = tuple(_paths(SCHEMA, table.schema))
    tops = {path.partition(".")[0] for path in fields}
    if missing := [column for column in NEEDED if column not in tops]:
        raise FileForeign(
            f"the table has no column {missing[0]}",
            where=f"{export.origin}, {name.table_id}",
            remedy="A GA4 BigQuery export has " + ", ".join(NEEDED),
        )
    modified = table.modified or datetime.fromtimestamp(0, UTC)
    return DayTable(name, modified, table.num_rows or 0, table.num_bytes or 0, fields)


@contextmanager
def may_be_gone(access: ExportAccess, name: TableName) -> Iterator[None]:
    """Says of a table that is not found that it was replaced: an intraday one goes when the daily comes."""
    try:
        yield
    except NotFound as error:
        if "not found: dataset" in str(error.message).lower():
            raise
        raise AnswerBroken(
            "the table went away while the day was pulled",
            where=f"{access.export.origin}, {name.table_id}",
            remedy="Pull again: another table of the day takes its place",
        ) from None


def _day_and_rank(table_id: str) -> Iterator[tuple[date, int]]:
    if match := _NAME.fullmatch(table_id):
        try:
            day = datetime.strptime(match[2], "%Y%m%d").date()
        except ValueError:  # eight digits that are no day
            return
        yield day, PREFERRED.index(match[1])


def _paths(ours: Iterable[pa.Field], theirs: Sequence[SchemaField], prefix: str = "") -> Iterator[str]:
    """Dotted paths of the leaves that both have: tables of 2020-21 lack the batch and traffic columns."""
    by_name = {field.name: field for field in theirs}
    for field in ours:
        if (their := by_name.get(field.name)) is None:
            continue
        kind = field.type.value_type if pa.types.is_list(field.type) else field.type
        if pa.types.is_struct(kind):
            yield from _paths(kind, their.fields, f"{prefix}{field.name}.")
        else:
            yield prefix + field.name
