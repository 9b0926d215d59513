"""The synthetic shop's onboarding: who signs up when, how far they get, and which account it is."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from connectors.shop_calendar import (
    DAY,
    SECOND,
    WEEKDAY_LOG_ODDS,
    Ints,
    midnights,
    seconds_of_day,
    shocks,
    traffic,
    weekdays,
)
from connectors.shop_plants import SIGNUPS_PER_USER_DAY, Plant
from connectors.shop_segments import PLATFORMS, Bools, expit, leaves, logit
from connectors.shop_world import People, Visits, draw_steps


@dataclass(frozen=True)
class Signups:
    """(signups,) sorted by `start`; `steps` (signups, 4) microseconds UTC of each stage, -1: never.

    `platform`, `country`, `channel` index SIGNUP_PLATFORMS, COUNTRIES, SIGNUP_CHANNELS. `person`
    is the GA4 account holder this sign-up made, -1 for people GA4 never saw log in.
    """

    platform: Ints
    country: Ints
    channel: Ints
    steps: Ints
    person: Ints
    retries: Bools


def draw_signups(
    rng: np.random.Generator,
    people: People,
    visits: Visits,
    plants: list[Plant],
    first_day: date,
    days: int,
) -> Signups:
    """Sign-ups of `days` local days; each finishes what it will within the window of 7 days."""
    count = int(rng.poisson(SIGNUPS_PER_USER_DAY * len(people.platform) * days))
    day = rng.choice(days, size=count, p=traffic(first_day, days, rng))
    grid = leaves("onboarding")
    leaf = rng.choice(len(grid.share), size=count, p=grid.share)
    weekday = WEEKDAY_LOG_ODDS[weekdays(first_day, days)][:, None]
    log_odds = logit(grid.rates)[leaf] + (shocks(rng, "onboarding", days) + weekday)[day]
    depth, _ = draw_steps(rng, "onboarding", expit(log_odds), plants, leaf, day, first_day)
    start = midnights(first_day, days)[day] + seconds_of_day(rng, count) * SECOND
    # Minutes for most, hours for some; one in twenty verifies at once (sign in with Google).
    verify = np.clip(rng.lognormal(np.log(180), 1.6, count), 5, 86_400)
    verify = np.where(rng.random(count) < 0.05, 0, verify)
    profile = np.clip(rng.lognormal(np.log(240), 1.5, count), 8, 86_400)
    order = np.clip(rng.lognormal(np.log(5_000), 1.8, count), 60, 4 * 86_400)
    waits = np.stack([np.zeros(count), verify, profile, order], axis=1) * SECOND
    steps = start[:, None] + np.cumsum(waits, axis=1).astype(np.int64)
    steps = np.where(np.arange(4)[None, :] <= depth[:, None], steps, -1)
    order_of_start = np.argsort(start, kind="stable")
    platform, country, channel = (
        axis[order_of_start].astype(np.int64) for axis in np.unravel_index(leaf, grid.shape)
    )
    steps = steps[order_of_start]
    person = _match_accounts(people, visits, steps[:, 1], platform, country)
    return Signups(platform, country, channel, steps, person, rng.random(count) < 0.08)


def _match_accounts(people: People, visits: Visits, verified: Ints, platform: Ints, country: Ints) -> Ints:
    """(signups,) gives new account holders a sign-up of their country and device, just before."""
    device = np.array([0 if row[0] == "mobile" else 1 for row in PLATFORMS])
    fresh = (visits.session_number == 1) & people.account[visits.person] & ~people.denied[visits.person]
    login = visits.start[fresh]
    owner = visits.person[fresh]
    group = people.country[owner] * 2 + device[visits.platform[fresh]]
    signup_group = country * 2 + (platform >= 2)
    person = np.full(len(verified), -1, dtype=np.int64)
    for one in np.unique(group):
        free = np.flatnonzero((signup_group == one) & (verified >= 0))
        free = free[np.argsort(verified[free], kind="stable")]
        mine = np.flatnonzero(group == one)
        mine = mine[np.argsort(login[mine], kind="stable")]
        place = np.searchsorted(verified[free], login[mine], side="right") - 1
        ok = place >= 0
        place, mine = place[ok], mine[ok]
        ok = login[mine] - verified[free[place]] < DAY
        place, first = np.unique(place[ok], return_index=True)
        person[free[place]] = owner[mine[ok][first]]
    return person
