"""The life of findings over nights: who carries on, who is new, who recovered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from models.carrying import SAME_PEOPLE
from models.detector import Explained, Transition
from models.finding import Finding, OpenFinding
from models.pain_point import PainPoint
from models.recent import recent_counts, sure_gap
from models.reference import TESTED_DAYS
from models.slices import containment
from models.transition_scan import RECENT_DAYS

KEEP_RESOLVED = timedelta(days=TESTED_DAYS + 7)  # as long as their days can be tested anew, and a week
SETTLED_AFTER = timedelta(days=14)
WORSE, BETTER = 1.3, 0.5
MOST_RECENT_DAYS = 28


@dataclass(frozen=True)
class Continued:
    """A finding of tonight with its id, its status and when it was first seen."""

    finding: Finding
    pain_point_id: str
    status: str
    first_seen: date


def open_findings(previous: Sequence[PainPoint], night: date) -> list[OpenFinding]:
    """What tonight's scan must know of last night's pain points."""
    return [
        OpenFinding(
            each.pain_point_id,
            each.kind,
            each.journey,
            each.persona,
            each.stage,
            each.next_stage,
            each.conditions,
            each.started_on,
            each.first_seen,
            night - each.first_seen > SETTLED_AFTER,
            not each.is_open,
            each.measure,
        )
        for each in previous
    ]


def continue_findings(
    findings: Sequence[Finding], previous: Sequence[PainPoint], night: date
) -> list[Continued]:
    """Tonight's findings under the ids they carry on; each older id goes to one of them at most.

    What was resolved is reopened by new days only: one that still stands on days from before its recovery,
    and is no worse of late, stays resolved and is left out here.
    """
    known = {each.pain_point_id: each for each in previous}
    taken: set[str] = set()
    continued = []
    for finding in findings:
        older = known.get(finding.carries or "")
        if older is None or older.pain_point_id in taken:
            fresh = finding.minted_id()
            while fresh in taken or fresh in known:
                fresh += "x"  # the same text was minted before, for a finding that went another way
            taken.add(fresh)
            continued.append(Continued(finding, fresh, "new", night))
            continue
        taken.add(older.pain_point_id)
        is_old_news = finding.started_on is None or finding.started_on <= older.last_seen
        if not older.is_open and is_old_news and finding.trend < 1:
            continue
        status = _status(finding) if older.is_open else "reopened"
        continued.append(Continued(finding, older.pain_point_id, status, older.first_seen))
    return continued


def _status(finding: Finding) -> str:
    if finding.trend >= WORSE:
        return "worsening"
    return "recovering" if finding.trend <= BETTER else "ongoing"


def silent(
    previous: Sequence[PainPoint],
    continued: Sequence[Continued],
    explained: Mapping[tuple[Transition, str], Explained],
    night: date,
) -> list[PainPoint]:
    """Last night's pain points that tonight's scan did not bring back, with their status.

    Silence is no recovery: a finding is resolved by positive evidence only, that the recent rate has
    made good more than half of the gap, given what tonight's other findings explain; or because another
    finding of tonight says the same of a wider or narrower segment. Resolved ones are remembered
    for as long as their days can be tested anew; the marts show them for 14.
    """
    carried = {each.pain_point_id for each in continued}
    kept = []
    for each in previous:
        if each.pain_point_id in carried:
            continue
        if not each.is_open:
            if night - each.last_seen <= KEEP_RESOLVED:
                kept.append(each)
            continue
        family = "regression" if each.kind == "below_ideal" else each.measure or each.kind
        known = explained.get((each.transition, family))
        # the longer it is silent, the more days can testify to a recovery: small gaps need many
        days = min(max((night - each.last_seen).days, RECENT_DAYS), MOST_RECENT_DAYS)
        status = "ongoing"
        if known is not None:
            is_told = any(_says_the_same(each, other.finding, known) for other in continued)
            status = "resolved" if is_told else _status_of_silent(each, known, days)
        # last_seen of a resolved one says when it was resolved
        kept.append(replace(each, status=status, last_seen=night if status == "resolved" else each.last_seen))
    return kept


def _says_the_same(each: PainPoint, told: Finding, known: Explained) -> bool:
    """Whether a finding of tonight is about the same people: half of the smaller segment, or more."""
    if told.transition != each.transition or "below_ideal" in (told.kind, each.kind):
        return False
    if told.measure != each.measure:
        return False
    counts = known.counts
    one, other = counts.slice_of(each.conditions), counts.slice_of(told.conditions)
    return containment(counts.trials.sum(axis=1), one, other) >= SAME_PEOPLE


def _status_of_silent(each: PainPoint, explained: Explained, days: int) -> str:
    counts = explained.counts
    if each.kind == "below_ideal":
        rates = np.full(counts.trials.shape, each.expected)
        counts = replace(counts, share=np.where(explained.cells, 0, counts.share))
    else:
        if explained.rates is None:
            return "ongoing"
        rates = explained.rates
    # an ideal does not move with everyone else
    baseline = None if each.kind == "below_ideal" else explained.baseline
    recent = recent_counts(counts, rates, counts.slice_of(each.conditions), days, baseline=baseline)
    # half of the gap it surely had: the first nights of a finding overstate it
    gap = sure_gap(each.gap, each.lost_low or 0.0, each.lost_conversions or 0.0)
    if recent.has_made_good(gap):
        return "resolved"
    return "recovering" if recent.hits > recent.halfway(gap) else "ongoing"
