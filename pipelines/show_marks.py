"""Marks and losses in words, for the list and the explanation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from models.headline import percent


def loss_text(row: dict[str, Any]) -> str:
    """What a pain point costs, with its 90 % interval."""
    if row["lost_conversions"] is None:
        return "no loss is put on it"
    text = (
        f"lost {row['lost_conversions']:,.0f} conversions "
        f"(90 %: {row['lost_low']:,.0f} to {row['lost_high']:,.0f})"
    )
    if row["lost_value"] is not None:
        text += (
            f", {row['lost_value']:,.0f} {row['currency']} "
            f"({row['lost_value_low']:,.0f} to {row['lost_value_high']:,.0f})"
        )
    return text


def mark_lines(row: dict[str, Any]) -> list[str]:
    """What somebody said of a pain point, and how its fix does; nothing without a mark."""
    if not row.get("mark"):
        return []
    text = f"{row['mark']}"
    if row["mark"] == "fixed":
        text += f" on {row['fixed_on']}"
    if row.get("mark_until"):
        text += f" until {row['mark_until']}"
    text += f", said {row['marked_at']:%Y-%m-%d}"
    if row.get("mark_note"):
        text += f": {row['mark_note']}"
    lines = [text]
    if row.get("fix_verdict"):
        lines.append(fix_sentence(row["fix_verdict"], json.loads(row["fix_evidence"])))
    return lines


def fix_sentence(verdict: str, numbers: dict[str, Any]) -> str:
    """For example "fix works: 31 % before, 43 % after (90 %: 40 % to 46 %), …"."""
    if "reason" in numbers:
        return f"{verdict}: {numbers['reason']}"
    before, after = numbers.get("before"), numbers.get("after")
    if before is None:
        return f"{verdict}: no days before the fix can be counted"
    start = f"{verdict}: {percent(before)} of {numbers['attempts_before']:,} before"
    if after is None:
        return f"{start}; nobody's time after it is over yet, data as of {numbers['last_day']}"
    text = f"{start}, {percent(after)} of {numbers['attempts_after']:,} after"
    if numbers.get("low") is not None:
        text += f" (90 %: {percent(numbers['low'])} to {percent(numbers['high'])})"
    if numbers.get("closed") is not None:
        text += (
            f"; {_share(numbers['closed'])} of the gap made good "
            f"({_share(numbers['closed_low'])} to {_share(numbers['closed_high'])})"
        )
        if numbers.get("against_others"):
            text += " beyond what moved everybody"
    needed = numbers.get("attempts_needed")
    if verdict == "too early" and needed and needed > numbers["attempts_after"]:
        text += f"; about {needed:,} attempts would tell"
    return text


def _share(value: float) -> str:
    return f"{value * 100:.0f} %"


def snoozed_line(rows: Sequence[dict[str, Any]]) -> str | None:
    """How many pain points are left out and until when; None where none is."""
    if not rows:
        return None
    soonest: date = min(row["mark_until"] for row in rows)
    are = "1 pain point is" if len(rows) == 1 else f"{len(rows)} pain points are"
    comes = "it comes back" if len(rows) == 1 else "the first comes back"
    return f"{are} snoozed and left out; {comes} on {soonest}. `painpoints list --all` shows all"
