"""Which findings and tracking breaks are news to a receiver, given what it was told before."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pipelines.alerts_settings import AlertSettings
from pipelines.failed_sources import CHECK_NAME
from pipelines.listing import is_snoozed

WORDS = ("broken", "new", "worsening", "resolved")
NOBODY = "no owner"


@dataclass(frozen=True)
class Told:
    """``what`` a receiver was told of ``subject`` on ``night``; ``over`` is kept without being sent."""

    night: date
    subject: str
    what: str


@dataclass(frozen=True)
class News:
    """One thing to tell: ``what`` is one of WORDS, or ``over``, which is only remembered."""

    subject: str
    what: str
    owner: str
    text: str


def finding_news(
    rows: Sequence[Mapping[str, Any]],
    worsening_since: Mapping[str, date],
    told: Sequence[Told],
    night: date,
    today: date,
    settings: AlertSettings,
) -> list[News]:
    """News of the pain points ``rows`` (marts.pain_points) for a receiver that was ``told`` before tonight.

    An open finding is new until it was told; worsening is told once for each time it begins, and at most
    once in ``quiet``; resolved only where it was told before. ``worsening_since`` holds the first night of
    the present run of worsening nights.
    """
    news = []
    for row in rows:
        subject = row["pain_point_id"]
        earlier = sorted((each for each in told if each.subject == subject), key=lambda each: each.night)
        is_known = bool(earlier) and earlier[-1].what != "resolved"
        if row["status"] == "resolved":
            what = "resolved" if is_known else None
        elif is_snoozed(dict(row), today) or not _is_worth_it(row, settings):
            what = None
        elif not is_known:
            what = "new"
        else:
            what = "worsening" if _began_to_worsen(row, worsening_since, earlier, night, settings) else None
        if what:
            news.append(News(subject, what, row["owner"] or NOBODY, _text(row, what)))
    return news


def _began_to_worsen(
    row: Mapping[str, Any],
    worsening_since: Mapping[str, date],
    earlier: Sequence[Told],
    night: date,
    settings: AlertSettings,
) -> bool:
    if row["status"] != "worsening":
        return False
    last = max((each.night for each in earlier if each.what == "worsening"), default=None)
    since = worsening_since.get(row["pain_point_id"], night)
    # one that was new and already worsening when it was told first is not worse than was told
    if any(each.what == "new" and each.night >= since for each in earlier):
        return False
    return last is None or (last < since and night - last > settings.quiet)


def money_per_week(row: Mapping[str, Any]) -> float | None:
    """What the finding costs in a week, in its currency; None where nobody knows."""
    lost, value, weekly = row["lost_conversions"], row["lost_value"], row["lost_per_week"]
    if not lost or value is None or weekly is None:
        return None
    return float(value / lost * weekly)


def _is_worth_it(row: Mapping[str, Any], settings: AlertSettings) -> bool:
    weekly, money = row["lost_per_week"], money_per_week(row)
    return (
        row["kind"] in settings.kinds
        and (weekly is None or weekly >= settings.least_lost_per_week)
        and (money is None or money >= settings.least_money_per_week)
    )


def _text(row: Mapping[str, Any], what: str) -> str:
    back = "back again: " if what == "new" and row["status"] == "reopened" else ""
    return f"{back}{row['headline']} ({row['pain_point_id']})"


def tracking_news(rows: Sequence[Mapping[str, Any]], told: Sequence[Told]) -> list[News]:
    """News of the broken rows of marts.tracking_health, the latest first; a break is told when it begins.

    A break of which nothing is seen any more is ``over``, so that the next one is news again.
    """
    latest: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        latest.setdefault(break_key(row), row)
    last = {each.subject: each.what for each in sorted(told, key=lambda each: each.night)}
    begun = [
        News(key, "broken", "", f"{row['source']}, {row['day']}, {row['check_name']}: {row['detail']}")
        for key, row in latest.items()
        if last.get(key) != "broken"
    ]
    over = [News(key, "over", "", "") for key, what in last.items() if what == "broken" and key not in latest]
    return begun + over


def break_key(row: Mapping[str, Any]) -> str:
    """What stays the same while a break lasts: its words without the day's numbers."""
    if row["check_name"] == CHECK_NAME:
        return f"{row['source']}|{CHECK_NAME}"
    return f"{row['source']}|{row['check_name']}|{re.sub(r'[0-9][0-9.,]*', '#', row['detail'])}"
