"""What happens in a world without being a pain point."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from detection.grid import BASE_RATES, SEGMENTS, STAGES, TRANSITIONS
from detection.segments import Bools, Floats, draw_segment, leaves_of


@dataclass(frozen=True)
class Outage:
    """Events of stage number ``stage`` (1 .. T) are not recorded on these days in these leaves (L,)."""

    stage: int
    days: range
    leaves: Bools


@dataclass
class Disturbance:
    """How the confounders of a world change it; days (D') count from ``first``.

    ``traffic`` (L, D') multiplies the attempts that open; ``log_odds`` (T, L, D') is added to the
    rates; ``bots`` (L, D') are attempts of no people, which get as far as stage ``bot_stage``.
    """

    traffic: Floats
    log_odds: Floats
    bots: Floats
    bot_stage: int = 0
    outages: list[Outage] = field(default_factory=list)


def disturb(
    rng: np.random.Generator, shares: Floats, confounder: str | None, days: range, volume: float
) -> Disturbance:
    """The disturbance of one confounder (of ``grid.CONFOUNDERS``), or none, over ``days``."""
    leaves, count, transitions = len(shares), len(days), len(TRANSITIONS)
    made = Disturbance(
        np.ones((leaves, count)), np.zeros((transitions, leaves, count)), np.zeros((leaves, count))
    )
    day = np.asarray(days)
    if confounder == "mix":
        _grow_a_poor_segment(rng, made, day)
    elif confounder == "outage":
        _stop_recording(rng, made)
    elif confounder == "bots":
        _send_bots(rng, made, day, shares * volume)
    elif confounder == "sale":
        _hold_a_sale(rng, made, day)
    elif confounder == "holiday":
        _take_a_holiday(rng, made, day)
    elif confounder is not None:
        raise ValueError(f"no such confounder: {confounder}")
    return made


def _grow_a_poor_segment(rng: np.random.Generator, made: Disturbance, day: np.ndarray) -> None:
    """A channel or country that was always poor at two transitions gets 1.5 to 3 times its traffic."""
    column = str(rng.choice(["channel", "country"]))
    mask = leaves_of(((column, str(rng.choice(list(SEGMENTS[column])))),))
    for transition in rng.choice(len(TRANSITIONS), 2, replace=False):
        made.log_odds[transition, mask, :] -= 0.5
    grown = np.clip((day - rng.integers(57, 67) + 1) / rng.integers(1, 8), 0, 1)
    made.traffic[mask] *= 1 + rng.uniform(0.5, 2.0) * grown


def _stop_recording(rng: np.random.Generator, made: Disturbance) -> None:
    """One or two stages lose their events for a day or two, everywhere or on one device."""
    for stage in rng.choice(np.arange(1, len(STAGES)), int(rng.integers(1, 3)), replace=False).tolist():
        device = str(rng.choice(list(SEGMENTS["device"])))
        everywhere = rng.random() < 0.5
        start = int(rng.integers(57, 80))
        days = range(start, start + int(rng.integers(1, 3)))
        made.outages.append(Outage(stage, days, leaves_of(() if everywhere else (("device", device),))))


def _send_bots(rng: np.random.Generator, made: Disturbance, day: np.ndarray, usual: Floats) -> None:
    """For one to four days a segment gets half to four times its usual traffic in bots."""
    mask = leaves_of(draw_segment(rng, usual / usual.sum(), int(rng.integers(1, 4))))
    start = int(rng.integers(57, 80))
    on = (day >= start) & (day < start + rng.integers(1, 5))
    made.bots[mask] = rng.uniform(0.5, 4.0) * usual[mask][:, None] * on
    made.bot_stage = int(rng.integers(0, 3))


def _hold_a_sale(rng: np.random.Generator, made: Disturbance, day: np.ndarray) -> None:
    """Traffic and rates of all are up for five to eight days, then back."""
    start = int(rng.integers(45, 75))
    on = (day >= start) & (day < start + rng.integers(5, 9))
    made.traffic[:, on] *= rng.uniform(1.4, 2.2)
    for transition, base in enumerate(BASE_RATES):
        made.log_odds[transition][:, on] += rng.uniform(0.03, 0.20) / (1 - base)


def _take_a_holiday(rng: np.random.Generator, made: Disturbance, day: np.ndarray) -> None:
    """Volume halves for two to four days and the rates of all shift, mostly down."""
    start = int(rng.integers(50, 80))
    on = (day >= start) & (day < start + rng.integers(2, 5))
    made.traffic[:, on] *= 0.5
    for transition, base in enumerate(BASE_RATES):
        made.log_odds[transition][:, on] += rng.uniform(-0.08, 0.04) / (1 - base)
