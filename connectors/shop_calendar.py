"""The synthetic shop's days: local midnights, traffic per day, shocks, and when people come."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from connectors.shop_segments import BASE_RATES, Floats

Ints = npt.NDArray[np.int64]

ZONE = ZoneInfo("Europe/Madrid")
SECOND = 1_000_000  # all times are microseconds since the epoch, UTC
DAY = 86_400 * SECOND
WEEKDAY_TRAFFIC = np.array([1.06, 1.02, 1.00, 0.98, 0.94, 0.93, 1.12])  # Monday first
WEEKDAY_LOG_ODDS = np.array([0.01, 0.01, 0.0, 0.0, -0.02, -0.03, 0.03])
HOURS = np.array([4, 2, 1, 1, 1, 2, 5, 10, 16, 20, 23, 24, 24, 23, 22, 22, 24, 27, 30, 34, 38, 40,
                  32, 17], dtype=float)  # fmt: skip
REST_DAYS = 9  # between two attempts of a person: longer than the journey's window of 7 days


def midnights(first_day: date, days: int) -> Ints:
    """(days + 1,) UTC microseconds of each local midnight; days of a clock change differ in length."""
    starts = (datetime.combine(first_day + timedelta(n), time(), ZONE) for n in range(days + 1))
    return np.array([int(start.timestamp()) * SECOND for start in starts], dtype=np.int64)


def utc_midnight(day: date) -> int:
    """UTC microseconds of a day's UTC midnight."""
    return int(datetime.combine(day, time(), UTC).timestamp()) * SECOND


def weekdays(first_day: date, days: int) -> Ints:
    """(days,) 0 = Monday."""
    return (first_day.weekday() + np.arange(days)) % 7


def traffic(first_day: date, days: int, rng: np.random.Generator | None = None) -> Floats:
    """(days,) share of the period's traffic: weekday pattern, slow growth, noise when `rng` is given."""
    weight = WEEKDAY_TRAFFIC[weekdays(first_day, days)] * (1 + 0.0012 * np.arange(days))
    if rng is not None:
        weight = weight * np.exp(rng.normal(0, 0.04, days))
    return np.asarray(weight / weight.sum())


def shocks(rng: np.random.Generator, journey: str, days: int) -> Floats:
    """(days, steps) log-odds shocks common to everyone: about 2 % of each rate, autocorrelation .5."""
    rates = np.array(BASE_RATES[journey])
    noise = rng.normal(size=(days, len(rates)))
    for day in range(1, days):
        noise[day] = 0.5 * noise[day - 1] + np.sqrt(0.75) * noise[day]
    return noise * np.minimum(0.02 / (1 - rates), 0.09)


def attempt_days(rng: np.random.Generator, users: int, share: Floats, days: int) -> tuple[Ints, Ints]:
    """(attempts,) person and day of every shopping attempt, sorted; a person rests between two."""
    wanted = 1 + np.minimum(rng.poisson(1.75 * days / 90, users), 5)
    drawn = rng.choice(len(share), size=(users, 6), p=share)
    drawn[np.arange(6)[None, :] >= wanted[:, None]] = 1_000_000
    drawn.sort(axis=1)
    keep = np.zeros(drawn.shape, dtype=bool)
    last = np.full(users, -REST_DAYS)
    for column in range(6):
        day = drawn[:, column]
        keep[:, column] = (day - last >= REST_DAYS) & (day < 1_000_000)
        last = np.where(keep[:, column], day, last)
    person = np.broadcast_to(np.arange(users)[:, None], drawn.shape)
    return person[keep].astype(np.int64), drawn[keep].astype(np.int64)


def seconds_of_day(rng: np.random.Generator, count: int) -> Ints:
    """(count,) seconds since midnight: few at night, most in the evening."""
    hour = rng.choice(24, size=count, p=HOURS / HOURS.sum())
    return hour * 3600 + rng.integers(0, 3600, count)
