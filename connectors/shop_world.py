"""The synthetic shop's visitors: who comes when, how far they get, and on which visit they do it.

Every shopping attempt draws how far it gets from its segment's own rates (`shop_segments`), the
day's shocks and the plants; then it is laid out over one visit, or over two visits days apart.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np

from connectors.shop_calendar import (
    SECOND,
    WEEKDAY_LOG_ODDS,
    Ints,
    attempt_days,
    midnights,
    seconds_of_day,
    shocks,
    traffic,
    weekdays,
)
from connectors.shop_plants import Plant, step_factor
from connectors.shop_segments import (
    CHANNELS,
    COUNTRIES,
    PLATFORMS,
    STAGES,
    Bools,
    Floats,
    expit,
    leaves,
    logit,
)

BUY = 5  # depth of an attempt that ends in a purchase; depth 0 = only discover


@dataclass(frozen=True)
class People:
    """(people,) fixed facts; a cookie is a browser: `person`, or `second_cookie` where not -1."""

    platform: Ints
    country: Ints
    account: Bools
    denied: Bools
    earlier_sessions: Ints
    second_cookie: Ints
    second_platform: Ints
    cookies: int


@dataclass(frozen=True)
class Attempts:
    """(attempts,) one row per shopping attempt; `hit`: the plant that stopped it, -1 for none."""

    person: Ints
    day: Ints
    leaf: Ints
    channel: Ints
    on_second: Bools
    depth: Ints
    hit: Ints
    order_value: Floats


@dataclass(frozen=True)
class Visits:
    """(visits,) sorted by cookie and start. A visit takes its attempt from depth `low` to `high`.

    `attempt` is -1 for a visit that sees only the home page. `session_number` counts per cookie.
    """

    attempt: Ints
    person: Ints
    cookie: Ints
    platform: Ints
    channel: Ints
    start: Ints
    returning: Bools
    low: Ints
    high: Ints
    hit: Ints
    session_number: Ints


def draw_people(rng: np.random.Generator, users: int) -> People:
    """Devices, homes, accounts and consent of `users` people."""
    shares = np.array([row[3] for row in PLATFORMS])
    platform, second = rng.choice(len(PLATFORMS), size=(2, users), p=shares / shares.sum())
    account = rng.random(users) < 0.30
    denied = rng.random(users) < 0.04
    two = account & ~denied & (rng.random(users) < 0.2)
    earlier = np.where(rng.random(users) < 0.65, 0, 1 + rng.poisson(3, users))
    # Nobody is new on a second device, so that "new" never depends on which device came first.
    earlier = np.where(two & (earlier == 0), 2, earlier)
    second_cookie = np.where(two, users + np.cumsum(two) - 1, -1)
    country = rng.choice(len(COUNTRIES), size=users, p=[c[3] for c in COUNTRIES])
    return People(platform, country, account, denied, earlier, second_cookie, second, users + int(two.sum()))


def draw_attempts(
    rng: np.random.Generator, people: People, plants: list[Plant], first_day: date, days: int
) -> Attempts:
    """Attempts of `days` days and how far each gets."""
    users = len(people.platform)
    person, day = attempt_days(rng, users, traffic(first_day, days, rng), days)
    channel = rng.choice(len(CHANNELS), size=len(person), p=[c[4] for c in CHANNELS])
    on_second = (people.second_cookie[person] >= 0) & (rng.random(len(person)) < 0.4)
    platform = np.where(on_second, people.second_platform[person], people.platform[person])
    first = np.concatenate([[True], person[1:] != person[:-1]])
    new = first & (people.earlier_sessions[person] == 0)
    grid = leaves("purchase")
    leaf = np.ravel_multi_index((platform, people.country[person], channel, new.astype(int)), grid.shape)
    log_odds = logit(grid.rates)[leaf]
    log_odds += (shocks(rng, "purchase", days) + _weekday(first_day, days))[day]
    success, hit = draw_steps(rng, "purchase", expit(log_odds), plants, leaf, day, first_day)
    value = np.round(rng.lognormal(np.log(55), 0.55, len(person)), 2)
    return Attempts(person, day, leaf, channel, on_second, success, hit, value)


def _weekday(first_day: date, days: int) -> Floats:
    return np.asarray(WEEKDAY_LOG_ODDS[weekdays(first_day, days)][:, None])


def draw_steps(
    rng: np.random.Generator,
    journey: str,
    rates: Floats,
    plants: list[Plant],
    leaf: Ints,
    day: Ints,
    first_day: date,
) -> tuple[Ints, Ints]:
    """(attempts,) number of steps made, and the plant that stopped the attempt (-1: none).

    `rates` (attempts, steps) are those of a shop without plants; a plant stops people who would
    have made the step.
    """
    draw = rng.random(rates.shape)
    steps = rates.shape[1]
    blocker = np.full(rates.shape, -1, dtype=np.int64)
    for number, plant in enumerate(plants):
        if plant.journey != journey:
            continue
        step = STAGES[journey].index(plant.stage)
        touched = leaves(journey).inside(plant.segment)[leaf]
        if plant.started_on is not None:
            touched &= day >= (plant.started_on - first_day).days
        would = draw[:, step] < rates[:, step]
        still = draw[:, step] < rates[:, step] * step_factor(plant)
        blocker[touched & would & ~still, step] = number
    made = (draw < rates) & (blocker < 0)
    depth = np.cumprod(made, axis=1).sum(axis=1)
    at = np.minimum(depth, steps - 1)
    hit = np.where(depth < steps, blocker[np.arange(len(depth)), at], -1)
    return depth.astype(np.int64), hit


def lay_out_visits(
    rng: np.random.Generator, people: People, attempts: Attempts, first_day: date, days: int
) -> Visits:
    """Visits of the attempts, a return 1 to 4 days later for some, and home-page-only visits."""
    count = len(attempts.person)
    start_of_day = midnights(first_day, days + 6)
    depth = attempts.depth
    chance = np.select([depth == BUY, depth == 0], [0.13, 0.05], 0.14)
    returns = rng.random(count) < chance
    middle = np.where(
        depth == BUY,
        rng.choice([1, 2, 3], size=count, p=[0.35, 0.40, 0.25]),
        np.floor(rng.random(count) * (depth + 1)).astype(np.int64),
    )
    second = np.flatnonzero(returns)
    switch = rng.random(len(second)) < 0.5
    on_second = np.concatenate([attempts.on_second, attempts.on_second[second] ^ switch])
    # Only people who have been here before drop by and leave from the home page.
    known = np.flatnonzero((people.earlier_sessions > 0) & (people.second_cookie < 0))
    glance = rng.choice(known, size=int(0.04 * count)) if len(known) else known
    attempt = np.concatenate([np.arange(count), second, np.full(len(glance), -1)])
    person = np.concatenate([attempts.person, attempts.person[second], glance])
    day = np.concatenate(
        [
            attempts.day,
            attempts.day[second] + rng.integers(1, 5, len(second)),
            rng.integers(0, days, len(glance)),
        ]
    )
    real = attempt >= 0
    low = np.where(np.arange(len(attempt)) < count, 0, np.where(real, middle[attempt], 0))
    high = np.where(real, depth[attempt], 0)
    high[:count] = np.where(returns, middle, depth)
    last = np.ones(len(attempt), dtype=bool)
    last[:count] = ~returns
    hit = np.where(real & last, attempts.hit[attempt], -1)
    channel = np.where(real, attempts.channel[attempt], 2)
    start = start_of_day[day] + seconds_of_day(rng, len(day)) * SECOND
    start += rng.integers(0, SECOND, len(day))
    away = np.concatenate([on_second, np.zeros(len(glance), dtype=bool)])
    away &= people.second_cookie[person] >= 0
    cookie = np.where(away, people.second_cookie[person], person)
    platform = np.where(away, people.second_platform[person], people.platform[person])
    returning = (np.arange(len(attempt)) >= count) & real
    order = np.lexsort((start, cookie))
    order = order[start[order] < start_of_day[days]]
    rank = _rank_in_group(cookie[order]) + people.earlier_sessions[person[order]]
    return Visits(
        attempt[order],
        person[order],
        cookie[order],
        platform[order],
        channel[order],
        start[order],
        returning[order],
        low[order],
        high[order],
        hit[order],
        rank + 1,
    )


def _rank_in_group(group: Ints) -> Ints:
    """(n,) 0, 1, 2, ... within each run of equal values."""
    begins = np.concatenate([[True], group[1:] != group[:-1]]) if len(group) else group
    position = np.arange(len(group))
    return np.asarray(position - np.maximum.accumulate(np.where(begins, position, 0)))
