"""What happens in an event-level world without being a pain point, in the sizes of ``confounders``."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from connectors.shop_clicks import CODE, Clicks
from connectors.shop_segments import BASE_RATES, CHANNELS, COUNTRIES, PLATFORMS, Bools, Floats
from connectors.shop_world import Visits

RATES = np.array(BASE_RATES["purchase"])
HIDDEN = ("add_to_cart", "begin_checkout", "add_payment_info", "purchase")
POOR = 0.5  # log-odds by which a poor channel is worse at two steps


@dataclass(frozen=True)
class Outage:
    """GA4 has none of these events on these days (from the first), of one device or of all."""

    event: str
    days: range
    device: str | None

    def hides(self, clicks: Clicks, visits: Visits, day: np.ndarray) -> Bools:
        """(clicks,) which of the clicks of these days never reach GA4."""
        hidden = (clicks.event == CODE[self.event]) & np.isin(day, self.days)
        if self.device is not None:
            platforms = [row[0] == self.device for row in PLATFORMS]
            hidden &= np.array(platforms)[visits.platform[clicks.visit]]
        return np.asarray(hidden)


@dataclass(frozen=True)
class Bots:
    """So many visitors a day of one platform, country and channel, who get no further than ``depth``."""

    days: range
    a_day: int
    platform: int
    country: int
    channel: int
    depth: int


@dataclass
class Disturbance:
    """How a confounder changes the shop; days (D) count from the first.

    ``traffic`` (D,) multiplies the visitors, ``log_odds`` (D, steps) is added to everyone's rates,
    ``channels`` (D, channels) are the channels' shares, ``channel_log_odds`` (channels, steps) what a
    channel's people differ by on all days.
    """

    traffic: Floats
    log_odds: Floats
    channels: Floats
    channel_log_odds: Floats
    outages: list[Outage] = field(default_factory=list)
    bots: Bots | None = None


def disturb(rng: np.random.Generator, kind: str, days: int, attempts_a_day: float) -> Disturbance:
    """The disturbance of a kind of ``event_plants.EVENT_KINDS``, in the last four weeks of ``days``."""
    usual = np.array([row[4] for row in CHANNELS])
    made = Disturbance(
        np.ones(days),
        np.zeros((days, len(RATES))),
        np.tile(usual / usual.sum(), (days, 1)),
        np.zeros((len(CHANNELS), len(RATES))),
    )
    start = days - int(rng.integers(8, 28))
    if kind == "outage":
        for event in rng.choice(HIDDEN, int(rng.integers(1, 3)), replace=False):
            device = None if rng.random() < 0.5 else str(rng.choice(["mobile", "desktop"]))
            begins = days - int(rng.integers(4, 27))
            made.outages.append(Outage(str(event), range(begins, begins + int(rng.integers(1, 3))), device))
    elif kind == "bots":
        many = int(rng.uniform(0.03, 0.25) * attempts_a_day)
        places = [int(rng.integers(len(each))) for each in (PLATFORMS, COUNTRIES, CHANNELS)]
        span = range(start, start + int(rng.integers(1, 5)))
        made.bots = Bots(span, many, *places, depth=int(rng.integers(0, 3)))
    elif kind == "sale":
        on = slice(start, start + int(rng.integers(5, 9)))
        made.traffic[on] *= rng.uniform(1.4, 2.2)
        made.log_odds[on] += rng.uniform(0.03, 0.20, len(RATES)) / (1 - RATES)
    elif kind == "holiday":
        on = slice(start, start + int(rng.integers(2, 5)))
        made.traffic[on] *= 0.5
        made.log_odds[on] += rng.uniform(-0.08, 0.04, len(RATES)) / (1 - RATES)
    elif kind == "mix":
        _grow_a_poor_channel(rng, made, start)
    elif kind not in ("null", "pain"):
        raise ValueError(f"no such kind: {kind}")
    return made


def _grow_a_poor_channel(rng: np.random.Generator, made: Disturbance, start: int) -> None:
    channel = int(rng.integers(len(CHANNELS)))
    made.channel_log_odds[channel, rng.choice(len(RATES), 2, replace=False)] -= POOR
    grown = np.clip((np.arange(len(made.traffic)) - start + 1) / rng.integers(1, 8), 0, 1)
    more = made.channels[:, channel] * rng.uniform(0.5, 2.0) * grown
    made.channels[:, channel] += more
    made.traffic *= made.channels.sum(axis=1)
    made.channels /= made.channels.sum(axis=1, keepdims=True)
