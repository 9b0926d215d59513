"""Bots and internal traffic: rules for events that are nobody's journey. What they take out is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from models.journey import Condition, Rule
from models.journey_schema import parse_rule
from pipelines.match_sql import rule_expression


@dataclass(frozen=True)
class ExcludeRule:
    """Events that one of ``rules`` matches are left out, in the name of ``name``.

    So are those whose browser, in lower case, holds what the regular expression ``browsers`` describes.
    """

    name: str
    rules: tuple[Rule, ...] = ()
    browsers: str = ""

    def expression(self, table: str) -> exp.Expr:
        """TRUE for an event of ``table`` that is left out."""
        tests = [rule_expression(self.rules, table)] if self.rules else []
        if self.browsers:
            # asked once a name, not once an event
            named = exp.RegexpLike(
                this=exp.Lower(this=exp.column("browser")), expression=exp.Literal.string(self.browsers)
            )
            machines = exp.select("browser").from_(exp.table_("profiles", "intermediate")).where(named)
            tests.append(exp.column("browser", table).isin(query=machines))
        return exp.or_(*tests)


@dataclass(frozen=True)
class Excludes:
    """What is left out: the first rule that matches is the one that is counted.

    A device with more than ``events_per_day_limit`` events in a day (UTC) is a machine on that day.
    """

    rules: tuple[ExcludeRule, ...]
    events_per_day_limit: int


# How crawlers, monitors and page testers name their browser, where the vendor has not dropped them itself.
_MACHINE_BROWSERS = (
    # a word that ends in "bot" (Googlebot/2.1, Googlebot-Image, YandexBot;), but for Cubot, a maker of phones
    "(^|[^u]|^u|[^c]u)bot([^a-z]|$)|crawler|spider|headless|lighthouse|^phantomjs|pingdom|gtmetrix|"
    "uptimerobot|facebookexternalhit"
)
BUILT_IN = (
    ExcludeRule("bots", browsers=_MACHINE_BROWSERS),
    # the value GA4 proposes for its internal traffic filter (support.google.com/analytics/answer/10104470)
    ExcludeRule("internal traffic", (Rule((Condition("traffic_type", ("internal",)),)),)),
)
NO_EXCLUDES = Excludes((), 2**31)

# What is known of an event before people and sessions are made of events.
_FIELDS = (
    "source", "event_name", "device_id", "user_id", "page", "vendor_session_id", "device", "os", "browser",
    "country", "medium", "source_name", "campaign", "is_new_user", "value", "currency", "transaction_id",
)  # fmt: skip


def parse_excluded(value: object) -> Rule:
    """A rule of journeys over an event's own fields. Raises ValueError."""
    if isinstance(value, dict) and isinstance(value.get("properties"), dict):
        # in TOML `properties.x = 1` is a table within the table
        named = {f"properties.{key}": wanted for key, wanted in value["properties"].items()}
        value = {key: wanted for key, wanted in value.items() if key != "properties"} | named
    rule = parse_rule(value)
    for condition in rule.conditions:
        if condition.field not in _FIELDS and not condition.field.startswith("properties."):
            raise ValueError(f"{condition.field!r} is not known here; use event, {', '.join(_FIELDS[2:])}")
    return rule


def excluded_query(rules: Sequence[ExcludeRule]) -> exp.Select:
    """One row per staged event that a rule matches."""
    name: exp.Expr = exp.cast(exp.null(), "varchar")
    matches: exp.Expr = exp.false()
    if rules:
        case = exp.Case()
        for each in rules:
            case = case.when(each.expression("p"), exp.Literal.string(each.name))
        name = case
        matches = exp.or_(*(each.expression("p") for each in rules))
    return (
        exp.select(exp.column("event_number", "p"), exp.column("event_us", "p"), exp.alias_(name, "rule"))
        .from_(exp.alias_(exp.table_("events", "staging"), "p", table=True))
        .where(matches)
    )
