"""What a journey would gain if stages met their ideal, for every choice of those that would bring most."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

from models.journey import Journey
from models.what_if import Gain, what_if
from pipelines.report_marts import Marts
from pipelines.report_views import Lever, WhatIfView
from pipelines.what_if import LOOKED_AT, chains_of, money_of_goal, targets_of

MOST_MOVABLE = 6  # a gain is kept for each of their 2**6 subsets
NOTHING = Gain(0.0, 0.0, 0.0, None, None, None)


def read_what_if(marts: Marts, journey: Journey, last: date | None) -> WhatIfView | None:
    """Gains a week, as `painpoints what-if` counts them; None where no stage misses its ideal.

    Between a stage's rate today and its target a gain is multilinear in the shares of the gaps that are
    closed, as the chance to convert is linear in each stage's rate; the page interpolates so.
    """
    if last is None:
        return None
    first = last - LOOKED_AT + timedelta(days=1)
    chains = chains_of(marts.connection, journey, first, last)
    targets, references = targets_of(marts.connection, journey, {}, first, last)
    value, _, days = money_of_goal(marts.connection, journey, first, last)
    weeks = max(days, 1) / 7
    stages = {stage for _, stage in targets}

    def gain(chosen: frozenset[str]) -> Gain:
        asked = {key: rate for key, rate in targets.items() if key[1] in chosen}
        return _weekly(what_if(chains, asked, value).total, weeks) if asked else NOTHING

    levers = []
    for stage in journey.stages:
        if stage.name not in stages:
            continue
        here = [
            (step, targets[(chain.persona, stage.name)])
            for chain in chains
            for step in chain.steps
            if step.next_stage == stage.name and (chain.persona, stage.name) in targets
        ]
        n = sum(step.counts.n for step, _ in here)
        alone = gain(frozenset((stage.name,)))
        if not n or alone.conversions <= 0.005:
            continue
        observed = sum(step.counts.k for step, _ in here) / n
        # a persona that is above its own target stays as it is
        target = sum(max(step.counts.k, step.counts.n * rate) for step, rate in here) / n
        levers.append(Lever(stage.name, here[0][0].stage, observed, target, references[stage.name], alone))
    if not levers:
        return None
    ranked = sorted(levers, key=lambda each: -each.alone.conversions)
    best = {each.stage for each in ranked[:MOST_MOVABLE]}
    movable = tuple(each for each in levers if each.stage in best)
    subsets = tuple(
        gain(frozenset(each.stage for place, each in enumerate(movable) if mask >> place & 1))
        for mask in range(1 << len(movable))
    )
    return WhatIfView(tuple(ranked), movable, subsets)


def _weekly(gain: Gain, weeks: float) -> Gain:
    def each(value: float | None) -> float | None:
        return None if value is None else value / weeks

    return replace(
        gain,
        conversions=gain.conversions / weeks,
        low=gain.low / weeks,
        high=gain.high / weeks,
        money=each(gain.money),
        money_low=each(gain.money_low),
        money_high=each(gain.money_high),
    )
