"""A world of the benchmark: counts by cohort with their truth, and what is known of them each night."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from detection.claims import NightView
from detection.confounders import Outage, disturb
from detection.grid import AGES, COLUMNS, CONFOUNDERS, DAYS, FIRST_DAY, KINDS, TRANSITIONS, WARM_UP
from detection.people import Ints, draw_people
from detection.plants import Plant, draw_plants
from detection.rates import Rates, draw_rates, draw_traffic
from detection.recording import first_night, record
from detection.segments import LEAF_VALUES, Floats, draw_shares

_ORDER_VALUE = 60.0
_ORDER_SHAPE = 2.0  # of a gamma distribution


@dataclass(frozen=True)
class World:
    """T transitions, L leaves, D days, A ages; days count from ``grid.FIRST_DAY``.

    ``trials``, ``arrivals``, ``converted``, ``value``, ``reached_beyond`` and ``stage_events`` are what
    is recorded in the end (see ``NightView``); the ``first_*`` are the same on the night of their own
    day. ``people`` (T, L, D) are the true trials, without bots and whether recorded or not; ``rates``
    (its days begin with the first as well) made them; ``truth`` are the plants.
    """

    seed: int
    kind: str
    volume: int
    truth: tuple[Plant, ...]
    trials: Ints
    arrivals: Ints
    converted: Ints
    value: Floats
    beyond: Ints
    stage_events: Ints
    first_trials: Ints
    first_arrivals: Ints
    first_events: Ints
    completing: Floats
    rounding: Floats
    people: Ints
    rates: Rates
    outages: tuple[Outage, ...]

    columns = COLUMNS
    leaf_values = LEAF_VALUES
    transitions = TRANSITIONS
    days = tuple(FIRST_DAY + timedelta(days=n) for n in range(DAYS))

    @property
    def weight(self) -> Floats:
        """Attempts that opened per leaf (L,), to weigh segments with."""
        return np.asarray(self.people[0].sum(axis=1), dtype=float)

    def view(self, night: int) -> NightView:
        """What is known when the data end with day ``night``, in 0 .. D - 1."""
        if not 0 <= night < DAYS:
            raise ValueError(f"night {night} is not in 0 .. {DAYS - 1}")
        until = night + 1
        at = np.arange(until)
        age = np.arange(AGES)
        trials = self.trials[:, :, :until].copy()
        trials[:, :, night] = self.first_trials[:, :, night]
        seen_on = at[:, None] + age
        arrivals = np.where(seen_on <= night, self.arrivals[:, :, :until], 0)
        arrivals = np.where(seen_on == night, self.first_arrivals[:, :, :until], arrivals)
        events = self.stage_events[:, :, :until].copy()
        events[:, :, night] = self.first_events[:, :, night]
        lags = np.arange(self.beyond.shape[-1])
        beyond = np.where(at[:, None] + lags <= night, self.beyond[:, :, :until], 0).sum(axis=-1)
        converted = self._converted_by(night, arrivals)
        orders = self.converted[:, :, :until]
        share = np.divide(converted, orders, out=np.zeros(orders.shape), where=orders > 0)
        return NightView(
            night,
            self.days[:until],
            self.columns,
            self.leaf_values,
            self.transitions,
            trials,
            arrivals,
            converted,
            self.value[:, :, :until] * share,
            beyond,
            events,
        )

    def expected_loss(self, plant: Plant, night: int, *, exposed: bool = True) -> float:
        """Goal conversions lost to a plant, as expected by the rates that made the world.

        Of the people who reached a from its onset to ``night``: the fall of their rate without and with
        this plant (all others as they are), times their chance to complete from b. ``exposed`` counts
        only what could show by ``night``: attempts that may still come are not lost yet.
        """
        if plant.kind == "slow":
            return 0.0
        t, mask = plant.transition, plant.mask
        days = slice(plant.onset, night + 1)
        drop = self.rates.drops[self.truth.index(plant)][days]
        rate = self.rates.rate[t, mask, days]
        fall = rate / (1 - drop) - rate
        completing = self.rates.rate[t + 1 :, mask, days].prod(axis=0)
        lost = self.people[t, mask, days] * fall * completing
        if exposed:
            lost = lost * self.exposure(t, night)[mask, days]
        return float(lost.sum())

    def exposure(self, transition: int, night: int) -> Floats:
        """Share (L, night + 1) of those who will come that could have come by ``night``."""
        seen_on = np.arange(night + 1)[:, None] + np.arange(AGES)
        return np.asarray((self.rates.delays[transition, :, : night + 1] * (seen_on <= night)).sum(axis=-1))

    def _converted_by(self, night: int, arrivals: Ints) -> Ints:
        lag = night - np.arange(night + 1)
        known = self.completing[:, :, np.minimum(lag, self.completing.shape[2] - 1)]
        whole = np.floor(self.converted[:, :, : night + 1] * known + self.rounding[:, :, : night + 1])
        # what is not seen to arrive is not seen to convert either
        most = np.minimum(self.converted[:, :, : night + 1], arrivals.sum(axis=-1))
        return np.asarray(np.minimum(whole.astype(np.int64), most))


def make_world(kind: str, volume: int, seed: int) -> World:
    """The world of this kind (of ``grid.KINDS``) with about ``volume`` attempts a day."""
    if kind not in KINDS:
        raise ValueError(f"no such kind: {kind}; there are {', '.join(KINDS)}")
    # worlds of different kinds and volumes share nothing but the seed's number
    rng = np.random.default_rng([seed, KINDS.index(kind), volume])
    days = range(-WARM_UP, DAYS)
    shares = draw_shares(rng)
    plants = draw_plants(rng, shares, kind)
    confounder = next((each for each in CONFOUNDERS if kind.endswith(each)), None)
    disturbance = disturb(rng, shares, confounder, days, volume)
    traffic = draw_traffic(rng, shares, days, volume) * disturbance.traffic
    rates = draw_rates(rng, shares, disturbance.log_odds, plants, days)
    people = draw_people(rng, traffic, rates.rate, rates.delays)
    bots = rng.poisson(disturbance.bots)
    told = record(
        rng, people, rates.usual_delays, bots, disturbance.bot_stage, disturbance.outages, days.start
    )
    first_trials, first_arrivals, first_events = first_night(rng, told)
    value = rng.gamma(np.maximum(told.converted, 0) * _ORDER_SHAPE + 1e-12, _ORDER_VALUE / _ORDER_SHAPE)
    kept = slice(WARM_UP, None)
    return World(
        seed,
        kind,
        volume,
        plants,
        told.trials[:, :, kept],
        told.arrivals[:, :, kept],
        told.converted[:, :, kept],
        value[:, :, kept],
        told.beyond[:, :, kept],
        told.events[:, :, kept],
        first_trials[:, :, kept],
        first_arrivals[:, :, kept],
        first_events[:, :, kept],
        told.completing,
        rng.random(value[:, :, kept].shape),
        people.trials[:, :, kept],
        Rates(
            rates.usual[:, :, kept],
            rates.drops[:, kept],
            rates.rate[:, :, kept],
            rates.delays[:, :, kept],
            rates.usual_delays,
        ),
        tuple(disturbance.outages),
    )
