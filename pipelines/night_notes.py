"""What is no pain point but explains a night's figures: bursts of traffic, shifts of the mix."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from models.campaign_calendar import NamedDays, left_out_text
from models.detector import Judgement, Transition
from models.headline import percent, spoken_segment
from models.reference import BASELINE_DAYS, TESTED_DAYS
from models.slices import Conditions, Slice

TOLD_FOR = timedelta(days=21)
LOOKS_AT = timedelta(days=TESTED_DAYS + BASELINE_DAYS - 1)


def notes_of(judgement: Judgement, night: date) -> list[dict[str, object]]:
    """Rows of the table ``notes``: bursts of the last three weeks, mix shifts of the last two."""
    notes = []
    for transition, bursts in judgement.bursts.items():
        for burst in bursts:
            if night - burst.day > TOLD_FOR:
                continue
            notes.append(
                _note(
                    "traffic",
                    transition,
                    burst.conditions,
                    f"{burst.attempts:,.0f} attempts{spoken_segment(burst.conditions)} reached "
                    f"{transition[2]} on {burst.day:%-d %B %Y} where {burst.usual:,.0f} usually do, and did "
                    "not go on as people do: traffic, not counted as a fall",
                )
            )
    for transition, mix in judgement.mixes.items():
        direction = "below" if mix.moved < 0 else "above"
        notes.append(
            _note(
                "mix_shift",
                transition,
                (mix.condition,),
                f"{transition[2]} to {transition[3]} converts {percent(abs(mix.moved))} {direction} "
                f"its usual {percent(mix.rate)} because others come, not because anybody does worse: "
                f"the share{spoken_segment((mix.condition,))} went from {percent(mix.share_before)} to "
                f"{percent(mix.share_now)}",
            )
        )
    return notes


def calendar_notes(
    calendar: Sequence[NamedDays], journeys: Sequence[str], night: date
) -> list[dict[str, object]]:
    """For each journey the named periods that lie in the days a night looks at, up to ``night``."""
    notes: list[dict[str, object]] = []
    for each in calendar:
        first, last = max(each.first, night - LOOKS_AT), min(each.last, night)
        if first > last:
            continue
        days = (last - first).days + 1
        when = f"{first:%-d %B %Y}" if days == 1 else f"{first:%-d %B} to {last:%-d %B %Y}"
        text = (
            f"{left_out_text({each.name: days})}{spoken_segment(each.conditions)} ({when}): "
            "neither judged nor part of the past that a night is held against"
        )
        if each.note:
            text += f"; {each.note}"
        notes += [
            {
                "kind": "calendar",
                "journey": journey,
                "persona": None,
                "stage": None,
                "next_stage": None,
                "segment": Slice.name_of(each.conditions),
                "note": text,
            }
            for journey in journeys
        ]
    return notes


def _note(kind: str, transition: Transition, conditions: Conditions, text: str) -> dict[str, object]:
    journey, persona, stage, next_stage = transition
    return {
        "kind": kind,
        "journey": journey,
        "persona": persona,
        "stage": stage,
        "next_stage": next_stage,
        "segment": Slice.name_of(conditions),
        "note": text,
    }
