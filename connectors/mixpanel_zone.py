"""Do the times of a Mixpanel day show that the project's days are others than the config's?"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from connectors.day_pull import Nights
from connectors.mixpanel_lines import DayTimes

LEAST_EVENTS = 50
TOLERANCE = timedelta(minutes=30)
DAY_SECONDS, HOUR_SECONDS = 86_400, 3_600


def zone_remark(origin: str, day: date, seen: DayTimes, nights: Nights, times: ZoneInfo) -> str | None:
    """What to correct where events of ``day`` lie outside of it, None where they do not or are too few.

    ``times`` is the zone whose wall clock the events' times are; wall clocks are compared, as in the hour
    that a clock change repeats they cannot be turned into UTC.
    """
    if seen.events < LEAST_EVENTS:
        return None
    starts, ends = (_wall(nights.end_of(each), times) for each in (day - timedelta(days=1), day))
    first, last = (datetime.fromtimestamp(each, UTC).replace(tzinfo=None) for each in (seen.first, seen.last))
    if starts - TOLERANCE <= first and last <= ends + TOLERANCE:
        return None
    # in a project made before 2023 the times are its wall clock, and then its day is theirs
    remedy = f"the project's time zone under Project settings ({_fitting(day, seen)})"
    if str(times) != "UTC":
        remedy += f'; keep timezone = "{times}" only if the events\' times are its wall clock'
    return (
        f"{origin}: the events of {day} are from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} "
        f"({times}), while a day of {nights.zone} is from {starts:%H:%M} to {ends:%H:%M}: the project's days "
        f"are others, so a night takes hours of another day. Set project_timezone of this source to {remedy}"
    )


def _wall(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _fitting(day: date, seen: DayTimes) -> str:
    """The whole hours that a zone may be ahead of UTC, if the times are UTC and all of one day of it."""
    midnight = datetime.combine(day, time(), UTC).timestamp()
    # the day starts at the first event or before, and ends after the last one
    most = math.floor((midnight + DAY_SECONDS - 1 - seen.last) / HOUR_SECONDS)
    least = math.ceil((midnight - seen.first) / HOUR_SECONDS)
    least, most = max(least, -12), min(most, 14)
    if least > most:
        return "though no zone fits all of these events"
    hours = f"UTC{least:+d}" if least == most else f"UTC{least:+d} to UTC{most:+d}"
    return f"{hours} would fit"
