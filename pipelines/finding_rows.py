"""A finding of tonight as a row of marts.pain_points: named, owned, told, with the SQL that checks it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date

from models.consequences import falls_beside
from models.finding import Finding
from models.headline import headline
from models.journey import Journey
from models.lifecycle import Continued
from models.pain_point import PainPoint
from pipelines.finding_sql import counts_query, segment_filter


def pain_point_of(
    continued: Continued,
    journeys: Mapping[str, Journey],
    night: date,
    currency: str,
    tonight: Sequence[Continued],
) -> PainPoint:
    finding = continued.finding
    journey = journeys[finding.journey]
    owner = _owner(journey, finding)
    money = finding.order_value
    # a recording knows no attempt, so nobody can say who was lost
    is_costed = finding.kind != "friction"
    beside = falls_beside(finding, [each.finding for each in tonight])
    together = [each.pain_point_id for each in tonight if each.finding in beside]
    evidence = finding.evidence() | ({"goes_with": together} if together else {})
    # what is told of a slow-down are the times, where they are known
    seconds = None
    if finding.seconds is not None and finding.usual_seconds is not None:
        seconds = finding.seconds, finding.usual_seconds
    return PainPoint(
        pain_point_id=continued.pain_point_id,
        kind=finding.kind,
        journey=finding.journey,
        persona=finding.persona,
        stage=finding.stage,
        next_stage=finding.next_stage,
        segment=finding.segment,
        segment_filter=segment_filter(finding.conditions),
        status=continued.status,
        first_seen=continued.first_seen,
        started_on=finding.started_on,
        last_seen=night,
        attempts=finding.attempts,
        observed=finding.observed if seconds is None else seconds[0],
        expected=finding.expected if seconds is None else seconds[1],
        ideal=finding.ideal,
        lost_conversions=finding.lost_conversions if is_costed else None,
        lost_low=finding.lost_low if is_costed else None,
        lost_high=finding.lost_high if is_costed else None,
        lost_per_week=finding.lost_per_week if is_costed else None,
        lost_value=finding.lost_value,
        currency=currency,
        q_value=finding.q_value,
        owner=owner,
        headline=headline(finding, owner, currency),
        evidence=json.dumps(evidence, ensure_ascii=False),
        sql=counts_query(finding),
        lost_value_low=None if money is None else finding.lost_low * money,
        lost_value_high=None if money is None else finding.lost_high * money,
        provisional=finding.provisional,
    )


def _owner(journey: Journey, finding: Finding) -> str | None:
    owners = {stage.name: stage.owner for stage in journey.stages}
    # people are lost at the stage they cannot leave; where nobody owns it, at the one they miss
    return owners[finding.stage] or owners[finding.next_stage]
