"""What the counts of a finding count, in the words of its kind: who succeeded, and what was expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.headline import percent

_DETOURS = {
    "looped": "left the stage and came back to it",
    "skipped": "went on without the next stage",
    "backtracked": "went back to an earlier stage",
}
_FRICTION = {
    "recordings_with_rage": (" recordings that ended at the stage", "show rage clicks"),
    "recordings_with_u_turns": (" recordings that ended at the stage", "show u-turns"),
    "bad_answers": (" survey scores given at the stage", "are bad: NPS 0 to 6, ratings 1 or 2 of 5"),
}


@dataclass(frozen=True)
class Counted:
    """``successes`` of ``attempts`` (``among`` whom) ``did`` it; the shares are in [0, 1]."""

    did: str
    observed: float
    expected: float
    among: str = ""

    def sentence(self, attempts: int, successes: int) -> str:
        """For example "1,634 of 5,111 advanced (32 %); expected 46 %"."""
        return (
            f"{successes:,} of {attempts:,}{self.among} {self.did} ({percent(self.observed)}); "
            f"expected {percent(self.expected)}"
        )


def counted(row: Mapping[str, Any], evidence: Mapping[str, Any]) -> Counted:
    """What ``attempts`` and ``successes`` of a row of marts.pain_points mean.

    ``observed`` and ``expected`` of a slow-down are seconds where they are known; its shares are in the
    evidence.
    """
    if row["kind"] == "slow" and "usual_share" in evidence:
        days = int(evidence["came_within_days"])
        soon = "came on the same day" if not days else f"came within {days} day{'s' if days > 1 else ''}"
        observed, expected = evidence["share_that_came_so_soon"], evidence["usual_share"]
        return Counted(soon, float(observed), float(expected), " who came at all")
    if row["kind"] == "detour":
        did = _DETOURS.get(evidence.get("measure", ""), "took a detour")
    elif row["kind"] == "friction":
        of, did = _FRICTION.get(evidence.get("measure", ""), (" recordings", "show friction"))
        return Counted(did, float(row["observed"]), float(row["expected"]), of)
    else:
        did = "advanced"
    return Counted(did, float(row["observed"]), float(row["expected"]))


def assumption_of(row: Mapping[str, Any]) -> str:
    """What has to be assumed to put a cost on a finding of its kind."""
    if row["kind"] == "slow":
        return "whoever comes late is not lost: a slow-down alone is given no cost"
    if row["kind"] == "friction":
        return "a recording knows no attempt, so nobody can say who was lost for it"
    if not row["lost_conversions"]:
        return "no conversion is counted as lost by it"
    reference = {
        "below_ideal": "the ideal could be met",
        "regression": "without the change the rate of the past, adjusted for weekday and mix, had gone on",
    }.get(row["kind"], "the expected share had held")
    text = (
        f"assumes that {reference}, and that who then advances completes the journey as others of the "
        "segment do who advanced"
    )
    if row["lost_value"] is not None:
        text += "; money is conversions times the mean order value"
    return text
