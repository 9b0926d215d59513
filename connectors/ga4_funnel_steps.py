"""The steps of a funnel as GA4's Data API wants them: filters of events, pages and event parameters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from google.analytics.data_v1alpha import types as vendor

from connectors.errors import RequestRefused

_Match = vendor.StringFilter.MatchType
Expression = TypeVar("Expression", vendor.FunnelFilterExpression, vendor.FunnelParameterFilterExpression)


@dataclass(frozen=True)
class StepFilter:
    """Events of one of ``events``, on one of ``pages`` (paths), with every one of ``parameters``.

    Text with an unescaped ``*`` is a glob in which only ``*`` is special; ``\\*`` is a star. A parameter
    is a name and the values it may have. Empty asks for nothing.
    """

    events: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    parameters: tuple[tuple[str, tuple[str | bool | int | float, ...]], ...] = ()


@dataclass(frozen=True)
class FunnelStep:
    """A step that any of ``filters`` fulfils; ``within`` is the longest time since the step before."""

    name: str
    filters: tuple[StepFilter, ...]
    within: timedelta | None = None


def vendor_step(step: FunnelStep, funnel: str) -> vendor.FunnelStep:
    """The step as the vendor wants it. Raises RequestRefused for what GA4's funnels cannot ask."""
    made = vendor.FunnelStep(
        name=step.name,
        filter_expression=_any_of([_filter(each, step, f"funnel {funnel}") for each in step.filters]),
    )
    if step.within is not None:
        made.within_duration_from_prior_step = step.within
    return made


def _filter(asked: StepFilter, step: FunnelStep, where: str) -> vendor.FunnelFilterExpression:
    globs = [event for event in asked.events if len(_literals(event)) > 1]
    # parameters can only be asked of an event that is named in full, see FunnelParameterFilter in
    # https://developers.google.com/analytics/devguides/reporting/data/v1/rest/v1alpha/properties/runFunnelReport
    if asked.parameters and (globs or not asked.events):
        raise RequestRefused(
            f"the step {step.name!r} asks for parameters of {globs or 'any event'}",
            where=where,
            remedy="GA4 filters parameters only of events named in full: name the events of this step",
        )
    if not asked.events and not asked.pages:
        raise RequestRefused(
            f"the step {step.name!r} asks for no event and no page",
            where=where,
            remedy="Give the step an event or a page; GA4's funnels know nothing else of a stage",
        )
    conditions = []
    if asked.events:
        conditions.append(_any_of([_event(event, asked) for event in asked.events]))
    if asked.pages:
        conditions.append(_any_of([_field("pagePath", page) for page in asked.pages]))
    return _all_of(conditions)


def _event(event: str, asked: StepFilter) -> vendor.FunnelFilterExpression:
    literals = _literals(event)
    if len(literals) > 1:
        return _field("eventName", event)
    parameters = [_any_of([_parameter(name, value) for value in values]) for name, values in asked.parameters]
    event_filter = vendor.FunnelEventFilter(event_name=literals[0])
    if parameters:
        event_filter.funnel_parameter_filter_expression = _all_of(parameters)
    return vendor.FunnelFilterExpression(funnel_event_filter=event_filter)


def _field(field: str, text: str) -> vendor.FunnelFilterExpression:
    return vendor.FunnelFilterExpression(
        funnel_field_filter=vendor.FunnelFieldFilter(field_name=field, string_filter=_text_filter(text))
    )


def _parameter(name: str, value: str | bool | int | float) -> vendor.FunnelParameterFilterExpression:
    condition: dict[str, Any]
    if isinstance(value, bool):  # GA4 has no booleans: tags send them as text
        condition = {"string_filter": _text_filter(str(value).lower())}
    elif isinstance(value, str):
        condition = {"string_filter": _text_filter(value)}
    else:
        number = {"int64_value": value} if isinstance(value, int) else {"double_value": value}
        condition = {"numeric_filter": vendor.NumericFilter(operation="EQUAL", value=number)}
    parameter = vendor.FunnelParameterFilter(event_parameter_name=name, **condition)
    return vendor.FunnelParameterFilterExpression(funnel_parameter_filter=parameter)


def _any_of(expressions: Sequence[Expression]) -> Expression:
    return _group("or_group", expressions)


def _all_of(expressions: Sequence[Expression]) -> Expression:
    return _group("and_group", expressions)


def _group(group: str, expressions: Sequence[Expression]) -> Expression:
    first, *others = expressions
    return type(first)(**{group: {"expressions": list(expressions)}}) if others else first


def _text_filter(text: str) -> vendor.StringFilter:
    """What a glob means to the vendor; a full regular expression (RE2) only where nothing simpler does."""
    literals = _literals(text)
    match literals:
        case [whole]:
            match_type, value = _Match.EXACT, whole
        case [start, ""] if start:
            match_type, value = _Match.BEGINS_WITH, start
        case ["", end] if end:
            match_type, value = _Match.ENDS_WITH, end
        case ["", middle, ""] if middle:
            match_type, value = _Match.CONTAINS, middle
        case _:
            match_type, value = _Match.FULL_REGEXP, ".*".join(map(_escaped, literals))
    return vendor.StringFilter(match_type=match_type, value=value, case_sensitive=True)


def _literals(text: str) -> list[str]:
    """What stands between the unescaped stars of a glob; one piece where there is none."""
    return [piece.replace(r"\*", "*") for piece in re.split(r"(?<!\\)\*", text)]


def _escaped(literal: str) -> str:
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", literal)
