"""Score what the program published, night by night, against an event-level world's truth.

The definitions are those of ``scoring``: a strict match has the same transition and the same leaves; a
claim is about a plant that has begun when half of the smaller segment lies in the other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import numpy as np

from connectors.shop_plants import Plant
from connectors.shop_segments import leaves
from detection.event_world import EventWorld
from detection.scoring import OVERLAP, Score
from detection.segments import Bools, containment, leaf_f1

Conditions = tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class Told:
    """A finding as it stood open after one night."""

    night: date
    id: str
    kind: str
    journey: str
    stage: str
    next_stage: str
    conditions: Conditions
    started_on: date | None
    lost: float
    lost_low: float
    lost_high: float
    headline: str

    @property
    def transition(self) -> tuple[str, str, str]:
        return self.journey, self.stage, self.next_stage


def read_told(published: Path) -> tuple[list[date], list[Told]]:
    """The nights that were judged, and what was open after each, from a published file."""
    with duckdb.connect(str(published), read_only=True) as db:
        first, last = db.execute("select min(night), max(night) from marts.pain_point_history").fetchall()[0]
        rows = db.execute(
            "select night, pain_point_id, kind, journey, stage, next_stage, evidence, started_on, "
            "lost_conversions, lost_low, lost_high, headline from marts.pain_point_history "
            "where status <> 'resolved' order by night, pain_point_id"
        ).fetchall()
    told = [Told(*row[:6], tuple((k, v) for k, v in json.loads(row[6])["segment"]), *row[7:]) for row in rows]
    return ([] if first is None else [first, last]), told


def mask_of(journey: str, conditions: Conditions) -> Bools:
    """The shop's leaves (L,) a segment covers; a value the shop does not know covers none."""
    values = leaves(journey).values
    mask = np.ones(len(leaves(journey).share), dtype=bool)
    for column, value in conditions:
        mask &= values[column] == value if column in values else False
    return mask


def is_hit(told: Told, plant: Plant) -> bool:
    """The strict match: the same transition and the same leaves."""
    return told.transition == _transition(plant) and bool(
        (mask_of(told.journey, told.conditions) == leaves(plant.journey).inside(plant.segment)).all()
    )


def is_false(told: Told, plants: Sequence[Plant]) -> bool:
    """Whether a finding is about no plant that has begun by its night."""
    mask, share = mask_of(told.journey, told.conditions), leaves(told.journey).share
    return not any(
        told.transition == _transition(plant)
        and (plant.started_on is None or plant.started_on <= told.night)
        and containment(mask, leaves(plant.journey).inside(plant.segment), share) >= OVERLAP
        for plant in plants
    )


def score_events(world: EventWorld, told: Sequence[Told], last_night: date, volume: int) -> Score:
    """The score of one world. The oracle's figures count plants that a plain test would rather see."""
    score = Score(world.seed, world.kind, volume, "program", planted=len(world.plants))
    score.plants = len(world.plants)
    score.oracle_hits = sum(plant.power >= 0.5 for plant in world.plants)
    score.false_new = len(false_findings(world, told))
    last = [each for each in told if each.night == last_night]
    score.claims = len(last)
    for plant, lost in zip(world.plants, world.lost, strict=True):
        assert plant.started_on is not None
        near = [each for each in last if each.transition == _transition(plant)]
        inside = leaves(plant.journey).inside(plant.segment)
        if near:
            shared = [leaf_f1(mask_of(each.journey, each.conditions), inside) for each in near]
            score.localised.append(max(shared))
        began = [each.night for each in told if each.night >= plant.started_on and is_hit(each, plant)]
        if began:
            score.days.append((min(began) - plant.started_on).days)
        hit = next((each for each in near if is_hit(each, plant)), None)
        if hit is None:
            continue
        score.hits += 1
        score.kinds_right += hit.kind != "slow"
        if hit.started_on is not None:
            score.onset_errors.append((hit.started_on - plant.started_on).days)
        if np.isfinite(lost):
            score.loss_errors.append(abs(hit.lost - lost) / lost)
            score.covered.append(hit.lost_low <= lost <= hit.lost_high)
    score.found = len(score.days)
    return score


def false_findings(world: EventWorld, told: Sequence[Told]) -> list[Told]:
    """Findings about no plant, each id once, as it stood on the first night it was false."""
    first: dict[tuple[str, tuple[str, str, str]], Told] = {}
    for each in told:
        if is_false(each, world.plants):
            first.setdefault((each.id, each.transition), each)
    return list(first.values())


def _transition(plant: Plant) -> tuple[str, str, str]:
    return plant.journey, plant.stage, plant.next_stage
