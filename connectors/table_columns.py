"""The layout of a table: which column holds which field, in which format, and which rows are events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from connectors.cell_formats import check_plain_money, declared_moment, declared_text
from connectors.errors import FileForeign, LineBroken
from connectors.nested_cells import MISSING, lookup
from connectors.row_files import CompactStamp, Row, utc_moment
from connectors.stamped_rows import cell_text

_IDS = ("user_id", "device_id", "transaction_id", "vendor_session_id")


@dataclass(frozen=True)
class TableColumns:
    """How to read the rows of a table source.

    ``columns`` maps fields of an event to columns of the file; a column ``a.b`` that is no column itself
    is looked up as ``b`` inside ``a``. ``formats`` declares fields' formats (connectors.cell_formats).
    Rows are events where each column of ``where`` holds one of its values, and no column of
    ``where_present`` is empty. ``constants`` are the fields that have a value of their own.
    """

    columns: Mapping[str, str]
    formats: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    where_present: tuple[str, ...] = ()
    constants: tuple[str, ...] = ()

    @property
    def all_columns(self) -> tuple[str, ...]:
        """Every column that is read."""
        return (*self.columns.values(), *self.where, *self.where_present)

    def landed_as(self) -> dict[str, str]:
        """The key of a landed row under which staging finds each field.

        A cell that had to be looked for, or was declared, is kept beside the row as received.
        """
        return {
            name: f"mapped:{name}" if self._is_worked_out(name) else column
            for name, column in self.columns.items()
        }

    def recipe(self) -> str:
        """What the landed rows depend on, as text."""
        worked_out = {name: self.columns[name] for name in self.columns if self._is_worked_out(name)}
        more = [dict(self.formats), worked_out, dict(self.where), self.where_present]
        text = json.dumps(more, sort_keys=True) if any(more) else ""
        return f"{self.columns['event_at']} {text}".strip()

    def is_event(self, row: Row) -> bool:
        """Whether the row passes ``where`` and ``where_present``."""
        return all(_cell(row, column) in values for column, values in self.where.items()) and all(
            _cell(row, column) for column in self.where_present
        )

    def moment(self, row: Row, zone: ZoneInfo, path: Path, place: str) -> datetime:
        """When the row's event happened, in UTC. Raises LineBroken."""
        column = self.columns["event_at"]
        value = None if (found := lookup(row, column)) is MISSING else found
        declared = self.formats.get("event_at")
        try:
            return declared_moment(value, declared, zone) if declared else utc_moment(value, zone)
        except (ValueError, OverflowError, OSError) as error:
            pattern = error.pattern if isinstance(error, CompactStamp) else "%d/%m/%Y %H:%M"
            remedy = (
                f"Correct formats.event_at = {declared!r} of the source, or the file"
                if declared
                else "Use ISO 8601 (2026-11-22 03:36:00) or seconds since 1970, or declare what it is: "
                f'formats = {{event_at = "{pattern}"}}'
            )
            raise LineBroken(
                f"{place}: {column} = {value!r} is no point in time ({error})", where=path, remedy=remedy
            ) from error

    def as_event(self, row: Row, path: Path, place: str) -> Row:
        """The row as it lands, with the cells that had to be worked out beside it. Raises LineBroken."""
        whole = {column: _whole(row[column]) for name in _IDS if (column := self.columns.get(name)) in row}
        return row | whole | dict(self._worked_out(row, path, place))

    def _worked_out(self, row: Row, path: Path, place: str) -> Iterator[tuple[str, str]]:
        """The cells to keep beside the row, by the key of ``landed_as``. Raises LineBroken."""
        for name, column in self.columns.items():
            is_worked_out = name != "event_at" and self._is_worked_out(name)
            if not is_worked_out and name != "value":
                continue
            value = lookup(row, column)
            if value is MISSING:
                continue
            try:
                text = self._text_of(name, value)
            except ValueError as error:
                raise self._misfit(name, value, path, place, error) from error
            if is_worked_out and text is not None:
                yield f"mapped:{name}", text

    def _text_of(self, name: str, value: object) -> str | None:
        if declared := self.formats.get(name):
            return declared_text(name, value, declared)
        if name == "value":
            check_plain_money(value)
        return cell_text(_whole(value) if name in _IDS else value)

    def _misfit(self, name: str, value: object, path: Path, place: str, error: ValueError) -> LineBroken:
        cell, declared = f"{self.columns[name]} = {value!r}", self.formats.get(name)
        if declared:
            what = f"{place}: {cell} does not fit formats.{name} = {declared!r} ({error})"
            remedy = "Correct the declared format of the source, or the file; nothing of it was loaded"
        else:
            what = f"{place}: {cell} is {error}"
            remedy = (
                'Declare how the file writes numbers: formats = {value = "decimal comma"} (1.234,56 €) or '
                '"decimal point" (1,234.56); nothing of it was loaded'
            )
        return LineBroken(what, where=path, remedy=remedy)

    def _is_worked_out(self, name: str) -> bool:
        return name in self.formats or "." in self.columns[name]


def _whole(value: object) -> object:
    """A number of a column of floats as the integer it was: an id before somebody's cell was empty."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class ColumnsSeen:
    """Finds out that a file of JSON objects, which has no header, never has what an event needs.

    JSON leaves out what has no value, so that other columns may be missing without anything being wrong.
    """

    def __init__(self, layout: TableColumns) -> None:
        self._rows = self._events = 0
        self._of_rows: list[tuple[str, ...]] = [(column,) for column in layout.where]
        self._of_events: list[tuple[str, ...]] = []
        if "event_name" in layout.columns and "event_name" not in layout.constants:
            self._of_events.append((layout.columns["event_name"],))
        if not {"user_id", "device_id"} & set(layout.constants):
            # one of them is enough
            ids = tuple(layout.columns[name] for name in ("user_id", "device_id") if name in layout.columns)
            self._of_events.append(ids)

    def look(self, row: Row, *, is_event: bool) -> None:
        self._rows += 1
        if self._of_rows:
            self._of_rows = _unseen(self._of_rows, row)
        if is_event:
            self._events += 1
            if self._of_events:
                self._of_events = _unseen(self._of_events, row)

    def check(self, path: Path) -> None:
        """Raises FileForeign naming the columns that none of the rows looked at has."""
        for columns, rows in ((self._of_rows, self._rows), (self._of_events, self._events)):
            if columns and rows:
                raise FileForeign(
                    f"none of {rows} rows has the column {' or '.join(map(repr, columns[0]))}",
                    where=path,
                    remedy="Correct the column map of the source, or the file",
                )


def _unseen(groups: list[tuple[str, ...]], row: Row) -> list[tuple[str, ...]]:
    return [group for group in groups if all(lookup(row, column) is MISSING for column in group)]


def _cell(row: Row, column: str) -> str:
    found = lookup(row, column)
    return "" if found is MISSING else (cell_text(found) or "").strip()
