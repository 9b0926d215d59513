"""A journey's stages as the steps of the vendor's own funnel report, as far as that can say them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from models.journey import Journey, Rule
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from connectors.ga4_funnel import FunnelAsked
    from connectors.ga4_funnel_steps import StepFilter

DAYS = 28
# runFunnelReport takes no more steps (developers.google.com/analytics/devguides/reporting/data/v1/funnels)
MOST_STEPS = 10


def asked_funnels(workspace: Workspace, source: str) -> tuple[FunnelAsked, ...]:
    """A funnel for each journey over ``source`` that the vendor can count: 28 days it is done with."""
    from connectors.ga4_funnel import FunnelAsked
    from connectors.ga4_funnel_steps import FunnelStep

    nights = workspace.nights_of(source)
    last = nights.today() - timedelta(days=1) - nights.look_back
    return tuple(
        FunnelAsked(
            journey.name,
            tuple(
                FunnelStep(stage.name, tuple(_filter(rule) for rule in stage.match))
                for stage in journey.stages
                if not stage.optional
            ),
            last - timedelta(days=DAYS - 1),
            last,
        )
        for journey in workspace.journeys
        if source in workspace.sources_of(journey) and why_not_asked(journey) is None
    )


def why_not_asked(journey: Journey) -> str | None:
    """Why the vendor cannot count a journey's funnel, None where it can."""
    required = [stage for stage in journey.stages if not stage.optional]
    if len(required) > MOST_STEPS:
        return f"it has {len(required)} required stages, and the report takes {MOST_STEPS} steps"
    if journey.scope == "session":
        return "it counts sessions, and the report counts users"
    asked = {
        (stage.name, each.field) for stage in required for rule in stage.match for each in rule.conditions
    }
    for stage_name, field in sorted(asked):
        if field not in ("event_name", "page") and not field.startswith("properties."):
            return f"stage {stage_name!r} asks for {field}, which the report cannot filter by"
    return None


def _filter(rule: Rule) -> StepFilter:
    from connectors.ga4_funnel_steps import StepFilter

    values = {condition.field: condition.values for condition in rule.conditions}
    return StepFilter(
        events=tuple(str(value) for value in values.get("event_name", ())),
        pages=tuple(str(value) for value in values.get("page", ())),
        parameters=tuple(
            (field.removeprefix("properties."), wanted)
            for field, wanted in values.items()
            if field.startswith("properties.")
        ),
    )
