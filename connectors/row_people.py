"""Whose a row of a vendor is: the ids in it that say so, read as staging reads them.

A row with an own user id is that user's. Else it is of its session's user, else of its device's. An id that
strangers share (a placeholder, or one that was refused) is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.forgotten_ledger import DEVICE, REFUSED, SESSION, USER, Ledger
from connectors.json_lines import Record

LEAST_DISTINCT = 6  # characters of an id that is looked for in columns of which nobody said what they hold
HOTJAR_IDS = ("Hotjar User ID", "hotjar_user_id")
MERGES = ("$merge", "$create_alias")
_DEVICE_ID = re.compile(r"^[0-9a-fA-F]{6,}-[0-9a-fA-F-]{10,}$")


@dataclass(frozen=True)
class RowPeople:
    """The ids of a row: its own user, device and session, and ids that it says are one person."""

    user: str | None = None
    device: str | None = None
    session: str | None = None
    merged: tuple[str, ...] = ()


@dataclass(frozen=True)
class PeopleOf:
    """How the ids of a source are found: its kind, the columns of a table or of Hotjar's user id.

    ``kind`` is None where the config knows the source no more; then any cell may hold an id.
    """

    source: str
    kind: str | None
    columns: Mapping[str, str]
    constants: Mapping[str, str]
    placeholders: Collection[str]

    def real(self, value: object) -> str | None:
        """An id as staging keeps it, None where it is empty or a placeholder."""
        if value is None:
            return None
        text = str(value).strip(" ")
        return None if text.lower() in self.placeholders else text

    def is_forgotten(self, row: RowPeople, ledger: Ledger) -> bool:
        """Whether a row is of somebody who was forgotten."""
        if any(ledger.holds(USER, each) or self._device(each, ledger) for each in row.merged):
            return True
        user = self.real(row.user)
        if user is not None and not ledger.holds(REFUSED, user):
            return ledger.holds(USER, user)
        holder = row.device or row.user or ""
        if row.session and ledger.holds(SESSION, self.source, holder, row.session):
            return True
        return row.device is not None and self._device(row.device, ledger)

    def _device(self, device: str, ledger: Ledger) -> bool:
        return ledger.holds(DEVICE, self.source, device.replace("$device:", ""))

    def screens(self, record: Record, ledger: Ledger) -> bool:
        """Whether a line of a landed file is of somebody who was forgotten."""
        if self.kind is None:
            return any(
                ledger.holds(USER, text) or self._device(text, ledger)
                for text in _texts(record)
                if len(text) >= LEAST_DISTINCT
            )
        return self.is_forgotten(_READERS[self.kind](self, record), ledger)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def ga4_session(params: Any) -> str | None:
    """The session id of a GA4 event's parameters."""
    for param in params or ():
        if param["key"] == "ga_session_id":
            number = (param["value"] or {}).get("int_value")
            return None if number is None else str(number)
    return None


def _ga4(people: PeopleOf, record: Record) -> RowPeople:
    device = people.real(record.get("user_pseudo_id"))
    return RowPeople(people.real(record.get("user_id")), device, ga4_session(record.get("event_params")))


def _mixpanel(people: PeopleOf, record: Record) -> RowPeople:
    found = record["properties"]
    distinct = _text(found.get("distinct_id"))
    given_device, anonymous = _text(found.get("$device_id")), _text(found.get("$anon_id"))
    user = _text(found.get("$user_id")) or _text(found.get("$identified_id"))
    is_device = distinct is None or distinct.startswith("$device:") or _DEVICE_ID.match(distinct)
    if user is None and not is_device and distinct != (given_device or ""):
        user = distinct
    devices = (
        people.real(each.replace("$device:", "")) for each in (given_device, anonymous, distinct) if each
    )
    device = next((each for each in devices if each), None)
    return RowPeople(user, device, None, merged_ids(record.get("event"), found))


def merged_ids(event: object, properties: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids that one of Mixpanel's events says are one person; none of any other event."""
    if event == "$merge":
        ids = properties.get("$distinct_ids")
        return tuple(str(each) for each in ids) if isinstance(ids, list) else ()
    if event == "$create_alias":
        return tuple(each for name in ("distinct_id", "alias") if (each := _text(properties.get(name))))
    return ()


def _table(people: PeopleOf, record: Record) -> RowPeople:
    row = record["row"]

    def cell(field: str) -> str | None:
        name = people.columns.get(field)
        return _text(row.get(name) if name is not None else None) or people.constants.get(field)

    return RowPeople(cell("user_id"), people.real(cell("device_id")), cell("vendor_session_id"))


def _hotjar(people: PeopleOf, record: Record) -> RowPeople:
    row, column = record["row"], people.columns.get("user_id")
    named = (row.get(name) for name in (column, f"user_attributes.{column}")) if column else ()
    user = next((text for each in named if (text := _text(each)) and text != "N/A"), None)
    device = next((text for name in HOTJAR_IDS if (text := _text(row.get(name))) and text != "N/A"), None)
    return RowPeople(user, device)


def _text(value: object) -> str | None:
    return (str(value).strip(" ") or None) if value is not None else None


_READERS: Mapping[str, Callable[[PeopleOf, Record], RowPeople]] = {
    "ga4": _ga4,
    "mixpanel": _mixpanel,
    "table": _table,
    "hotjar": _hotjar,
}
