"""Score what a contender claimed of one world, night by night, against the world's truth."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from detection.claims import PAIN_KINDS, Claim, Contender
from detection.grid import FIRST_DAY, SCORED_NIGHTS
from detection.oracle import Ceiling, ceiling_of
from detection.plants import Plant
from detection.segments import Floats, containment, leaf_f1, leaves_of
from detection.world import World

OVERLAP = 0.5  # a claim that shares this part of the smaller segment with a plant is about that plant


@dataclass
class Score:
    """Counts and lists of one world.

    ``plants`` are those that hold on the last night, ``hits`` the claims open then that have the
    transition and exactly the leaves of one of them (each plant once, whatever the claim's kind),
    ``claims`` all claims open then but those about a plant that is over. ``kinds_right``: hits that say
    ``slow`` of a slow-down and anything else of a drop. ``localised``: for each plant whose transition has
    a claim on the last night, the best F1 of leaves among them. ``false_new``: ids that on some night
    are about no plant that has begun, each once (see ``is_false``). ``days``: from onset to the first
    night with a hit, for the ``found`` of all ``planted``. ``loss_errors``, ``covered``: of the hits on
    drops that name a loss, relative error against the expected loss, and whether the interval has it;
    ``full_loss_errors``: the same against the loss that counts attempts which may still come. The
    ``oracle_*`` are the same of the oracle, ``oracle_hits`` on the last night.
    """

    seed: int
    kind: str
    volume: int
    contender: str
    planted: int = 0
    plants: int = 0
    hits: int = 0
    claims: int = 0
    kinds_right: int = 0
    false_new: int = 0
    found: int = 0
    oracle_hits: int = 0
    oracle_found: int = 0
    seconds: float = 0.0
    localised: list[float] = field(default_factory=list)
    days: list[int] = field(default_factory=list)
    oracle_days: list[int] = field(default_factory=list)
    loss_errors: list[float] = field(default_factory=list)
    full_loss_errors: list[float] = field(default_factory=list)
    covered: list[bool] = field(default_factory=list)
    onset_errors: list[int] = field(default_factory=list)


def run(contenders: Mapping[str, Callable[[], Contender]], world: World) -> list[Score]:
    """Let a fresh one of every contender judge the scored nights of a world in order, and score them."""
    views = [world.view(night) for night in SCORED_NIGHTS]
    ceiling = ceiling_of(world, views)
    told = []
    for name, make in contenders.items():
        contender = make()
        began = time.perf_counter()
        nights = [contender.judge(view) for view in views]
        seconds = time.perf_counter() - began
        told.append(score(world, nights, ceiling, name))
        told[-1].seconds = seconds
    return told


def score(
    world: World, nights: Sequence[Sequence[Claim]], ceiling: Ceiling | None = None, name: str = ""
) -> Score:
    """Score the claims open on each of ``grid.SCORED_NIGHTS``; kinds other than pain are left out."""
    nights = [[each for each in claims if each.kind in PAIN_KINDS] for claims in nights]
    told = Score(world.seed, world.kind, world.volume, name, planted=len(world.truth))
    told.false_new = count_false(world, nights)
    _score_last_night(told, world, nights[-1])
    if ceiling is not None:
        holds = [plant.is_open(SCORED_NIGHTS[-1]) for plant in world.truth]
        told.oracle_hits = sum(sure for sure, held in zip(ceiling.last, holds, strict=True) if held)
        told.oracle_days = [
            night - plant.onset
            for night, plant in zip(ceiling.first, world.truth, strict=True)
            if night is not None
        ]
    for plant in world.truth:
        began = [
            night - plant.onset
            for night, claims in zip(SCORED_NIGHTS, nights, strict=True)
            if plant.onset <= night and any(is_hit(each, plant) for each in claims)
        ]
        told.days += began[:1]
    told.found, told.oracle_found = len(told.days), len(told.oracle_days)
    return told


def is_hit(claim: Claim, plant: Plant) -> bool:
    """The strict match: the same transition and the same leaves."""
    return claim.transition == plant.transition and bool((leaves_of(claim.conditions) == plant.mask).all())


def is_false(claim: Claim, plants: Sequence[Plant], night: int, weight: Floats) -> bool:
    """Whether a claim is about no plant that has begun by this night (it may be over by then).

    It is about a plant of the same transition when at least half of the smaller of the two segments, in
    attempts, lies in the other: a part of a plant's segment or a whole around it is imprecise, not false.
    """
    mask = leaves_of(claim.conditions)
    return not any(
        claim.transition == plant.transition
        and plant.onset <= night
        and containment(mask, plant.mask, weight) >= OVERLAP
        for plant in plants
    )


def count_false(world: World, nights: Sequence[Sequence[Claim]]) -> int:
    """New false findings over the scored nights: ids with a false claim on some night, each once.

    An id that moves to another transition is another finding.
    """
    weight = world.weight
    return len(
        {
            (each.id, each.transition)
            for night, claims in zip(SCORED_NIGHTS, nights, strict=True)
            for each in claims
            if is_false(each, world.truth, night, weight)
        }
    )


def _score_last_night(told: Score, world: World, claims: Sequence[Claim]) -> None:
    night = SCORED_NIGHTS[-1]
    holding = [plant for plant in world.truth if plant.is_open(night)]
    over = [plant for plant in world.truth if not plant.is_open(night)]
    told.plants = len(holding)
    # of a plant that is over a contender may still speak or no longer
    claims = [
        each
        for each in claims
        if any(is_hit(each, plant) for plant in holding) or is_false(each, over, night, world.weight)
    ]
    told.claims = len(claims)
    for plant in holding:
        near = [each for each in claims if each.transition == plant.transition]
        if near:
            told.localised.append(max(leaf_f1(leaves_of(each.conditions), plant.mask) for each in near))
        hit = next((each for each in near if is_hit(each, plant)), None)
        if hit is not None:
            told.hits += 1
            told.kinds_right += (hit.kind == "slow") == (plant.kind == "slow")
            _score_hit(told, world, plant, hit)


def _score_hit(told: Score, world: World, plant: Plant, hit: Claim) -> None:
    night = SCORED_NIGHTS[-1]
    if hit.started_on is not None:
        told.onset_errors.append((hit.started_on - FIRST_DAY).days - plant.onset)
    if plant.kind == "slow" or hit.lost is None:
        return
    truth = world.expected_loss(plant, night)
    full = world.expected_loss(plant, night, exposed=False)
    told.loss_errors.append(abs(hit.lost - truth) / truth)
    told.full_loss_errors.append(abs(hit.lost - full) / full)
    if hit.lost_low is not None and hit.lost_high is not None:
        told.covered.append(bool(np.isfinite(truth)) and hit.lost_low <= truth <= hit.lost_high)
