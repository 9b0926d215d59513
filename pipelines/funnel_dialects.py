"""The vendors' ways of counting a funnel, as options of ours. Each rule cites where the vendor says so.

What a vendor does not document is left as ours; docs of 2026, products may move.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from models.funnel_rules import Order, Reentry
from pipelines.errors import PainpointsError
from pipelines.funnel_query import Scope

Limit = str | timedelta | None


@dataclass(frozen=True)
class FunnelOptions:
    """How attempts are formed and counted; README, "Funnels", says what each value means."""

    order: Order = "loose"
    window: Limit = "7d"
    scope: Scope = "user"
    reentry: Reentry = "furthest"
    entry: str = "closed"
    range_applies_to: str = "first step"
    grace: Limit = None
    resolution: Limit = None
    exclusion_ends: str = "conversion"
    hold_counts: str = "actors"
    sessions_end: str = "inactivity"

    def with_given(self, given: dict[str, Any]) -> FunnelOptions:
        """The options with those that a person gave in their place."""
        return FunnelOptions(**{**vars(self), **given})

    def differences(self, other: FunnelOptions) -> dict[str, tuple[Any, Any]]:
        """The options in which the two differ."""
        pairs = {each.name: (getattr(self, each.name), getattr(other, each.name)) for each in fields(self)}
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


CHOICES = {
    "order": ("loose", "strict", "any"),
    "scope": ("user", "session"),
    "reentry": ("first", "latest", "furthest"),
    "entry": ("closed", "open"),
    "range_applies_to": ("first step", "all steps"),
    "exclusion_ends": ("conversion", "person"),
    "hold_counts": ("actors", "values"),
    "sessions_end": ("inactivity", "midnight"),
}
OURS = FunnelOptions()

DIALECTS: dict[str, FunnelOptions] = {
    "ours": OURS,
    # Only a time from the step before, inclusive to the microsecond, and none for the whole
    # (developers.google.com/analytics/devguides/reporting/data/v1/rest/v1alpha/properties/runFunnelReport:
    # withinDurationFromPriorStep, isDirectlyFollowedBy, isOpenFunnel); the date range is that of the
    # events read.
    "ga4": FunnelOptions(window=None, range_applies_to="all steps"),
    # docs.mixpanel.com/docs/reports/funnels/funnels-advanced: 7 days from step 1, the first entry in the
    # range counts, an exclusion breaks the conversion; Funnels FAQ: consecutive steps within two seconds
    # are interchangeable; docs.mixpanel.com/docs/features/sessions: a session ends at midnight.
    "mixpanel": FunnelOptions(reentry="first", grace="2s", sessions_end="midnight"),
    # posthog.com/docs/product-analytics/funnels: 14 days, the furthest step, whoever does an excluded event
    # is left out of the entire funnel; that the end of the window is within it and all steps lie in the
    # date range is what PostHog's own tests say.
    "posthog": FunnelOptions(window="14d", range_applies_to="all steps", exclusion_ends="person"),
    # amplitude.com/docs/analytics/charts/funnel-analysis: "how Amplitude computes conversions" (one day, the
    # longest path, then the earliest), "simultaneous events" (times count to the second), "hold properties
    # constant" (users and values are counted as pairs).
    "amplitude": FunnelOptions(window="1d", resolution="1s", hold_counts="values"),
}


def dialect(name: str) -> FunnelOptions:
    """The options of a vendor. Raises PainpointsError."""
    if name not in DIALECTS:
        raise PainpointsError(f"{name!r} is no semantics; there are {', '.join(DIALECTS)}")
    return DIALECTS[name]
