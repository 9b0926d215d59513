"""What is no pain point but explains a night's figures: bursts of traffic, shifts of the mix."""

from __future__ import annotations

from datetime import date, timedelta

from models.detector import Judgement, Transition
from models.headline import percent, spoken_segment
from models.slices import Conditions, Slice

TOLD_FOR = timedelta(days=21)


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
