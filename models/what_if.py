"""What would be gained if stages met a target: conversions and money over the whole journey.

A persona's journey is a chain. Who reaches stage i converts with probability
``V_i = p_i c_i + (1 - p_i) d_i``: ``p_i`` advance to the next required stage, of whom ``c_i`` convert; of
the others ``d_i`` convert all the same, having skipped it. ``c_i = r_i V_(i+1)``, with the ratio ``r_i``
as it was counted: who advances may convert a little better or worse than all who reach the next stage. So
added people complete as like people do, and share in what later stages gain. ``d_i`` is left as it is,
which errs on the low side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.fix_effect import DayCounts, day_spread
from models.shapley import MOST_PLAYERS, shapley_shares

Floats = npt.NDArray[np.float64]
DRAWS = 1000
SEED = 20240501
PRIOR = 30.0  # attempts that the rate of all personas is worth beside a persona's own
QUANTILES = (0.05, 0.95)


@dataclass(frozen=True)
class Step:
    """One transition over the days looked at: of ``counts.k`` that advanced ``converted`` reached the goal,
    and ``converted_without`` of those that did not advance."""

    stage: str
    next_stage: str
    counts: DayCounts
    converted: int
    converted_without: int


@dataclass(frozen=True)
class Chain:
    """The transitions of one persona in ideal order, from the entry to the goal."""

    persona: str
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class OrderValue:
    """Mean money of a conversion and the standard error of that mean."""

    mean: float
    error: float


@dataclass(frozen=True)
class Gain:
    """A gain over the days looked at, with the ends of its 90 % interval; money None without any."""

    conversions: float
    low: float
    high: float
    money: float | None
    money_low: float | None
    money_high: float | None


@dataclass(frozen=True)
class WhatIf:
    """``total`` of all stages together; ``shares`` of each stage add up to it, ``alone`` need not."""

    total: Gain
    shares: Mapping[str, Gain]
    alone: Mapping[str, Gain]


def what_if(
    chains: Sequence[Chain],
    targets: Mapping[tuple[str, str], float],
    value: OrderValue | None,
    *,
    draws: int = DRAWS,
) -> WhatIf:
    """The gain if transitions met their ``targets``, (persona, next stage) -> rate in [0, 1].

    A transition that is above its target stays as it is. Rates are shrunk toward those of all personas
    by 30 attempts; intervals are Monte Carlo over beta posteriors of all rates, made as much wider as the
    days vary more than chance. Several stages share their joint gain by exact Shapley values. Raises
    ValueError beyond 12 stages.
    """
    names = list(
        dict.fromkeys(
            step.next_stage
            for chain in chains
            for step in chain.steps
            if (chain.persona, step.next_stage) in targets
        )
    )
    if len(names) > MOST_PLAYERS:
        raise ValueError(f"{len(names)} stages are too many to be shared among; name at most {MOST_PLAYERS}")
    chance = np.random.default_rng(SEED)
    gains = np.zeros((1 << len(names), 1 + draws))
    pooled = _pooled(chains)
    for chain in chains:
        if chain.steps and chain.steps[0].counts.n:
            gains += _gains(chain, targets, names, _rates(chain, pooled, chance, draws))
    money = None if value is None else _order_values(value, chance, draws)
    shares = shapley_shares(gains)
    return WhatIf(
        _gain(gains[-1], money),
        {name: _gain(shares[index], money) for index, name in enumerate(names)},
        {name: _gain(gains[1 << index], money) for index, name in enumerate(names)},
    )


@dataclass(frozen=True)
class _Rates:
    """Per step the best estimate (column 0) and draws of p and d, both (steps, 1 + draws), and r (steps,)."""

    advance: Floats
    skip: Floats
    ratio: Floats


def _gains(
    chain: Chain, targets: Mapping[tuple[str, str], float], names: Sequence[str], rates: _Rates
) -> Floats:
    """Conversions gained by every subset of the improved stages, shape (2**names, 1 + draws)."""
    usual = _worth(rates, rates.advance)
    gains = np.zeros((1 << len(names), rates.advance.shape[1]))
    for subset in range(1, len(gains)):
        advance = rates.advance.copy()
        for place, step in enumerate(chain.steps):
            target = targets.get((chain.persona, step.next_stage))
            if target is not None and subset >> names.index(step.next_stage) & 1:
                advance[place] = np.maximum(advance[place], target)
        gains[subset] = chain.steps[0].counts.n * (_worth(rates, advance) - usual)
    return gains


def _worth(rates: _Rates, advance: Floats) -> Floats:
    """Probability of converting from the entry on, shape (1 + draws,); that at the goal is 1."""
    worth: Floats = np.ones(advance.shape[1])
    for place in range(len(advance) - 1, -1, -1):
        complete = np.minimum(rates.ratio[place] * worth, 1)
        worth = advance[place] * complete + (1 - advance[place]) * rates.skip[place]
    return worth


def _pooled(chains: Sequence[Chain]) -> dict[str, tuple[float, float, float]]:
    """(p, c, d) of each next stage over all personas."""
    sums: dict[str, list[int]] = {}
    for step in (step for chain in chains for step in chain.steps):
        row = sums.setdefault(step.next_stage, [0, 0, 0, 0])
        for place, count in enumerate((step.counts.n, step.counts.k, step.converted, step.converted_without)):
            row[place] += count
    return {
        name: ((k + 0.5) / (n + 1), (c + 0.5) / (k + 1), (w + 0.05) / (n - k + 1))
        for name, (n, k, c, w) in sums.items()
    }


def _rates(
    chain: Chain,
    pooled: Mapping[str, tuple[float, float, float]],
    chance: np.random.Generator,
    draws: int,
) -> _Rates:
    advance, skip = [], []
    for step in chain.steps:
        n, k, spread = step.counts.n, step.counts.k, day_spread([step.counts])
        p, _, d = pooled[step.next_stage]
        advance.append(_draws(k, n, p, spread, chance, draws))
        skip.append(_draws(step.converted_without, n - k, d, spread, chance, draws))
    ratio, worth = [], 1.0
    for place in range(len(chain.steps) - 1, -1, -1):
        step = chain.steps[place]
        complete = (step.converted + PRIOR * pooled[step.next_stage][1]) / (step.counts.k + PRIOR)
        is_last = place == len(chain.steps) - 1  # who advances to the goal has converted
        ratio.append(1.0 if is_last else complete / max(worth, 1e-9))
        complete = 1.0 if is_last else complete
        worth = float(advance[place][0] * complete + (1 - advance[place][0]) * skip[place][0])
    return _Rates(np.array(advance), np.array(skip), np.array(ratio[::-1]))


def _draws(
    hits: int, trials: int, prior: float, spread: float, chance: np.random.Generator, draws: int
) -> Floats:
    mean = (hits + PRIOR * prior) / (trials + PRIOR)
    weight = (trials + PRIOR) / spread
    drawn = chance.beta(max(mean * weight, 1e-3), max((1 - mean) * weight, 1e-3), size=draws)
    return np.concatenate(([mean], drawn))


def _order_values(value: OrderValue, chance: np.random.Generator, draws: int) -> Floats:
    drawn = np.maximum(chance.normal(value.mean, value.error, size=draws), 0)
    return np.concatenate(([value.mean], drawn))


def _gain(gains: Floats, money: Floats | None) -> Gain:
    gains = np.where(np.abs(gains) < 1e-9, 0.0, gains)  # what rounding left of nothing
    low, high = np.quantile(gains[1:], QUANTILES)
    if money is None:
        return Gain(float(gains[0]), float(low), float(high), None, None, None)
    worth = gains * money
    money_low, money_high = np.quantile(worth[1:], QUANTILES)
    return Gain(
        float(gains[0]), float(low), float(high), float(worth[0]), float(money_low), float(money_high)
    )
