"""What a cell of a table means, where the config declares it: times, money, yes and no.

``event_at``: ``iso``, ``seconds``, ``milliseconds`` or ``microseconds`` since 1970, or a pattern of
``strptime`` such as ``%d/%m/%Y %H:%M``. ``value``: ``decimal point`` (1,234.56), ``decimal comma``
(1.234,56) or ``cents`` (123456). ``is_new_user``: the words for yes and no with a slash between them,
such as ``yes/no`` or ``New/Returning``.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from connectors.believable_moments import EARLIEST, believable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"seconds": 1_000_000, "milliseconds": 1_000, "microseconds": 1}
_MONEY = ("decimal point", "decimal comma", "cents")
DECLARABLE = ("event_at", "value", "is_new_user")

# a sign, a currency before or after the number, digits with separators
_NUMBER = re.compile(r"([+-]?)[^\d.,+()-]{0,4}?([+-]?)([\d.,]+)[^\d.,+()-]{0,4}")
# accountants write a negative number in brackets, the currency inside or outside of them
_BRACKETS = re.compile(r"([^\d.,+()-]{0,4})\(([^()+-]*)\)([^\d.,+()-]{0,4})")
_PLAIN = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_NO_VALUE = ("", "n/a", "na", "null", "none", "-", "nan")
_GROUPED = re.compile(r"(\d{1,3}(,\d{3})+|\d*)(\.\d*)?")


def check_format(field: str, declared: str) -> None:
    """Raises ValueError when ``declared`` is no format of ``field``, saying which there are."""
    if field == "event_at":
        _check_time_format(declared)
    elif field == "value":
        if declared not in _MONEY:
            raise ValueError(f"{declared!r} is no format of value; there are {', '.join(_MONEY)}")
    elif field == "is_new_user":
        _words(declared)
    else:
        raise ValueError(f"{field} is text and has no format; {', '.join(DECLARABLE)} have one")


def _check_time_format(declared: str) -> None:
    if declared == "iso" or declared in _UNITS:
        return
    if "%" not in declared:
        raise ValueError(
            f"{declared!r} is no format of event_at; use iso, {', '.join(_UNITS)}, or a pattern such as "
            "%d/%m/%Y %H:%M"
        )
    moment = datetime(2031, 12, 28, 23, 0, tzinfo=UTC)
    try:
        again = datetime.strptime(moment.strftime(declared), declared)
    except (ValueError, re.error) as error:
        raise ValueError(f"{declared!r} is no pattern of times ({error})") from error
    if again.date() != moment.date():
        raise ValueError(f"{declared!r} leaves out the year, the month or the day")


def declared_moment(value: object, declared: str, zone: ZoneInfo) -> datetime:
    """The moment, in UTC, of a cell whose format is declared. Raises ValueError, also before 1990, or
    OverflowError.

    Times without a zone are of ``zone``; of an hour that a clock change repeats, the first is meant.
    """
    if isinstance(value, datetime):  # a typed column needs no pattern
        moment = value
    elif isinstance(value, date):
        moment = datetime(value.year, value.month, value.day)
    elif declared in _UNITS:
        return _moment_of_number(value, declared)
    else:
        text = str(value).strip() if value is not None else ""
        moment = datetime.fromisoformat(text) if declared == "iso" else datetime.strptime(text, declared)
    return believable(moment.replace(tzinfo=moment.tzinfo or zone).astimezone(UTC))


def _moment_of_number(value: object, unit: str) -> datetime:
    try:
        # not by way of a float, which cannot hold the microseconds of today
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError(f"no number of {unit}") from None
    moment = EPOCH + timedelta(microseconds=int((number * _UNITS[unit]).to_integral_value()))
    if moment < EARLIEST:
        raise ValueError(f"{moment:%Y-%m-%d} when read as {unit}")
    return moment


def declared_text(field: str, value: object, declared: str) -> str | None:
    """A cell of ``value`` or ``is_new_user`` as plain text: a number with a point, true or false.

    An empty cell is None, and so is one of ``value`` that says in words that there is none (n/a, null, -).
    Raises ValueError when the cell is not of the declared format.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if field == "value":
        return None if _is_no_value(value) else _money(value, declared)
    if isinstance(value, bool):
        return str(value).lower()
    yes, no = _words(declared)
    word = str(value).strip().casefold()
    if word not in (yes, no):
        raise ValueError(f"neither {yes!r} nor {no!r}")
    return "true" if word == yes else "false"


def check_plain_money(value: object) -> None:
    """Raises ValueError where a cell of ``value``, whose format is not declared, is no plain number."""
    text = str(value).strip()
    if not _is_no_value(value) and not (_PLAIN.fullmatch(text) and math.isfinite(float(text))):
        raise ValueError("no plain number")


def _is_no_value(value: object) -> bool:
    """Whether a cell says in words that there is no value."""
    return value is None or str(value).strip().lower() in _NO_VALUE


def _money(value: object, declared: str) -> str:
    if isinstance(value, str):
        text = re.sub(r"[\s'’]", "", value.replace("−", "-"))
        if bracketed := _BRACKETS.fullmatch(text):
            text = f"-{bracketed[2]}{bracketed[1]}{bracketed[3]}"
        match = _NUMBER.fullmatch(text)
        digits = match[3] if match else ""
        if declared == "decimal comma":
            digits = digits.translate(str.maketrans(".,", ",."))
        grouped = _GROUPED.fullmatch(digits)
        twice_signed = match is not None and match[1] and match[2]
        if match is None or twice_signed or grouped is None or not any(map(str.isdigit, digits)):
            raise ValueError(f"no number with a {declared}" if declared != "cents" else "no number of cents")
        number = Decimal(digits.replace(",", ""))
        number = -number if "-" in (match[1], match[2]) else number
    else:
        number = Decimal(str(value))
        if not number.is_finite():
            raise ValueError("no finite number")
    return format(number / 100 if declared == "cents" else number, "f")


def _words(declared: str) -> tuple[str, str]:
    yes, slash, no = (part.strip().casefold() for part in declared.partition("/"))
    if not (yes and slash and no) or yes == no or "/" in no:
        raise ValueError(
            f"{declared!r} is no format of is_new_user; write the words for yes and no, such as yes/no"
        )
    return yes, no
