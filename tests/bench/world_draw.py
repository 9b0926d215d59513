"""Draw what people do: visits and their events as plain arrays, before any text is made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from contract import INACTIVITY_US, STEPS
from numpy.typing import NDArray

DAY_US = 86_400_000_000
NOISE = ("page_view", "scroll", "search", "click", "user_engagement", "view_promotion")
EVENT_NAMES = (*STEPS, *NOISE)
EVENTS_PER_USER = 18

# Evenings are busy, and their visits last past midnight.
_HOURS = np.array(
    [9, 4, 2, 1, 1, 1, 2, 4, 6, 7, 8, 9, 10, 9, 8, 8, 9, 10, 12, 15, 17, 18, 17, 14], dtype=float
)


@dataclass(frozen=True)
class Drawn:
    """Events in order of time, and the visits they belong to.

    ``at_us``: microseconds since the first day began; ``name``: place in EVENT_NAMES; ``visit``: place
    in ``visit_user`` and ``visit_is_first``; ``opens``: whether it is the first event of its visit.
    """

    users: int
    at_us: NDArray[np.int64]
    name: NDArray[np.int8]
    visit: NDArray[np.int32]
    opens: NDArray[np.bool_]
    visit_user: NDArray[np.int32]
    visit_is_first: NDArray[np.bool_]


def draw(events: int, days: int, seed: int) -> Drawn:
    """About ``events`` events over ``days``, of 1/18 as many users: 2.5 visits each of about 7 events."""
    rng = np.random.default_rng(seed)
    users = max(1, events // EVENTS_PER_USER)
    visits_of = np.minimum(rng.geometric(0.4, users), 40)
    user = np.repeat(np.arange(users, dtype=np.int32), visits_of)
    lengths = np.minimum(rng.geometric(1 / 7.25, len(user)), 150)
    # longest first, so that visits which still go on are always the first ones
    order = np.argsort(-lengths, kind="stable")
    user, lengths = user[order], lengths[order]
    starts = _starts(rng, len(user), days)
    offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    total = int(lengths.sum())
    name = _walk(rng, lengths, offsets, total)
    visit = np.repeat(np.arange(len(user), dtype=np.int32), lengths)
    at_us = _times(rng, starts, offsets, lengths, visit, total)
    # some trackers only keep whole seconds, which makes many ties
    whole = (rng.random(users) < 0.3)[user][visit]
    at_us[whole] -= at_us[whole] % 1_000_000
    opens = np.zeros(total, dtype=np.bool_)
    opens[offsets] = True
    in_time = np.argsort(at_us, kind="stable")
    in_time = in_time[at_us[in_time] < days * DAY_US]
    first_start = np.full(users, np.iinfo(np.int64).max)
    np.minimum.at(first_start, user, starts)
    return Drawn(
        users,
        at_us[in_time],
        name[in_time],
        visit[in_time],
        opens[in_time],
        user,
        starts == first_start[user],
    )


def _starts(rng: np.random.Generator, visits: int, days: int) -> NDArray[np.int64]:
    hour = rng.choice(24, visits, p=_HOURS / _HOURS.sum())
    within = rng.integers(0, 3_600_000_000, visits)
    return rng.integers(0, days, visits) * DAY_US + hour * 3_600_000_000 + within


def _walk(
    rng: np.random.Generator, lengths: NDArray[np.int64], offsets: NDArray[np.int64], total: int
) -> NDArray[np.int8]:
    """Event names: noise, the next step, the same again, one gone back to, or any (skips, out of order)."""
    name = np.empty(total, dtype=np.int8)
    at = np.full(len(lengths), -1, dtype=np.int8)
    keen = rng.beta(2, 3, len(lengths))
    # -lengths rises, so this counts the visits longer than k
    for k in range(int(lengths[0])):
        going = int(np.searchsorted(-lengths, -k, side="left"))
        u, here, eager = rng.random(going), at[:going], keen[:going]
        chance = rng.random(going)
        onward = (u < 0.5 * eager) & (here < len(STEPS) - 1)
        again = ~onward & (u < 0.5 * eager + 0.1) & (here >= 0)
        back = ~onward & ~again & (u < 0.5 * eager + 0.2) & (here >= 0)
        anywhere = u > 0.96
        noise = (len(STEPS) + chance * len(NOISE)).astype(np.int8)
        step = np.where(onward, here + 1, here)
        step = np.where(back, (chance * (here + 1)).astype(np.int8), step)
        step = np.where(anywhere, (chance * len(STEPS)).astype(np.int8), step).astype(np.int8)
        is_step = onward | again | back | anywhere
        name[offsets[:going] + k] = np.where(is_step, step, noise)
        at[:going] = np.where(is_step, step, here)
    return name


def _times(
    rng: np.random.Generator,
    starts: NDArray[np.int64],
    offsets: NDArray[np.int64],
    lengths: NDArray[np.int64],
    visit: NDArray[np.int32],
    total: int,
) -> NDArray[np.int64]:
    gap = (rng.exponential(35e6, total)).astype(np.int64)
    kind = rng.random(total)
    gap[kind < 0.06] = 0
    # both sides of the limit at which a session ends
    gap[kind > 0.998] = INACTIVITY_US
    gap[kind > 0.999] = INACTIVITY_US + 1
    gap[offsets] = 0
    run = np.cumsum(gap)
    return run - run[offsets][visit] + starts[visit]
