"""The ceiling: a detector that is told where, since when, and what was usual, and only has to be sure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detection.claims import NightView
from detection.grid import AGES, BASE_RATES, DAY_SHOCK, DELAY_SHOCK, LATE_SHARE, LEAF_NOISE, SHOCK_MEMORY
from detection.plants import Plant
from detection.segments import Floats
from detection.world import World

SURE = 4.5  # standard deviations


@dataclass(frozen=True)
class Ceiling:
    """Per plant of a world: the first scored night on which the oracle is sure, and whether on the last."""

    first: tuple[int | None, ...]
    last: tuple[bool, ...]


def ceiling_of(world: World, views: Sequence[NightView]) -> Ceiling:
    """What the oracle makes of a world; ``views`` are those of the scored nights, in order."""
    sure = [
        {view.night for view in views if view.night >= plant.onset and oracle_z(world, plant, view) > SURE}
        for plant in world.truth
    ]
    return Ceiling(
        tuple(min(each, default=None) for each in sure), tuple(views[-1].night in each for each in sure)
    )


def oracle_z(world: World, plant: Plant, view: NightView) -> float:
    """Standard deviations by which the plant's segment falls short since its onset.

    The oracle knows transition, segment, onset, the usual rates and delays of every leaf, the variance
    of the shocks, what else happened, and which days were recorded; it does not know the shocks. Of
    those it learns from everyone outside the segment (the conditional mean and covariance of a normal
    autoregression); with nobody outside they stay in the variance.
    """
    cells = _slow_cells(world, plant, view) if plant.kind == "slow" else _drop_cells(world, plant, view)
    trials, seen, chance, slope, shock = cells
    mask = plant.mask
    short = np.where(trials > 0, trials * chance - seen, 0.0)
    steep = trials * slope
    variance = trials * chance * (1 - chance) + (steep * LEAF_NOISE) ** 2
    inside = [each[mask].sum(axis=0) for each in (short, steep, variance)]
    outside = [each[~mask].sum(axis=0) for each in (short, steep, variance)]
    days = np.arange(trials.shape[1])
    prior = shock**2 * SHOCK_MEMORY ** np.abs(days[:, None] - days[None, :])
    noise = np.maximum(outside[2], 1e-9)
    told = np.linalg.inv(np.linalg.inv(prior) + np.diag(outside[1] ** 2 / noise))
    # a shock of +1 makes the shortfall smaller by the slope
    mean = told @ (-outside[0] * outside[1] / noise)
    total = inside[0].sum() + inside[1] @ mean
    spread = inside[2].sum() + inside[1] @ told @ inside[1]
    return float(total / np.sqrt(max(spread, 1e-9)))


_Cells = tuple[Floats, Floats, Floats, Floats, float]


def _drop_cells(world: World, plant: Plant, view: NightView) -> _Cells:
    """Trials, arrivals, chance to be seen arriving without the plant, its slope in log-odds of the rate
    (all (L, days since onset)), and the standard deviation of the shock in log-odds."""
    t, days = plant.transition, slice(plant.onset, None)
    trials = view.trials[t, :, days].astype(float)
    # of bots the oracle knows
    trials = np.where(view.trials[t, :, days] > world.people[t, :, plant.onset : view.night + 1], 0.0, trials)
    rate = world.rates.usual[t, :, plant.onset : view.night + 1].copy()
    for other, drop in zip(world.truth, world.rates.drops, strict=True):
        if other is not plant and other.transition == t and other.kind == "drop":
            rate[other.mask] *= 1 - drop[plant.onset : view.night + 1]
    delays = np.broadcast_to(world.rates.usual_delays[t][:, None, :], (*trials.shape, AGES))
    exposed = (delays * _observed(world, plant, view.night)).sum(axis=-1)
    arrived = view.arrivals[t, :, days].sum(axis=-1).astype(float)
    shock = DAY_SHOCK / (1 - BASE_RATES[t])
    return trials, arrived, rate * exposed, rate * (1 - rate) * exposed, shock


def _slow_cells(world: World, plant: Plant, view: NightView) -> _Cells:
    """The same of arrivals on the same day among all arrivals seen."""
    t, days = plant.transition, slice(plant.onset, None)
    arrivals = view.arrivals[t, :, days].astype(float)
    usual = np.broadcast_to(world.rates.usual_delays[t][:, None, :], arrivals.shape)
    slower = np.ones(arrivals.shape[:2])
    for other, drop in zip(world.truth, world.rates.drops, strict=True):
        if other is not plant and other.transition == t and other.kind == "slow":
            slower[other.mask] *= 1 - drop[plant.onset : view.night + 1]
    same = usual[..., 0] * slower
    delays = np.concatenate(
        [same[..., None], usual[..., 1:] * ((1 - same) / (1 - usual[..., 0]))[..., None]], -1
    )
    shown = delays * _observed(world, plant, view.night)
    total = shown.sum(axis=-1)
    # in an outage nobody can be seen to arrive, nor to arrive late
    chance = np.divide(shown[..., 0], total, out=np.ones(same.shape), where=total > 0)
    return arrivals.sum(axis=-1), arrivals[..., 0], chance, chance * (1 - chance), DELAY_SHOCK


def _observed(world: World, plant: Plant, night: int) -> Floats:
    """Share (L, days since onset, A) of the arrivals of each age that the data can hold by ``night``."""
    seen_on = np.arange(plant.onset, night + 1)[:, None] + np.arange(AGES)
    share = np.where(seen_on < night, 1.0, np.where(seen_on == night, 1 - LATE_SHARE, 0.0))
    told = np.broadcast_to(share, (len(world.leaf_values), *share.shape)).copy()
    for outage in world.outages:
        if outage.stage == plant.transition + 1:
            told[outage.leaves] *= ~np.isin(seen_on, outage.days)
    return told
