"""Ad hoc funnels over the published events: exact counts, who they are, and how long they took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
from numpy.typing import NDArray

from models.durations import microseconds, parse_duration
from models.funnel import NEVER, FunnelCount, FunnelEvents, count_funnel
from models.funnel_rules import Exclusion, FunnelRules
from models.journey_schema import segment_field
from pipelines.errors import PainpointsError
from pipelines.funnel_dialects import CHOICES, FunnelOptions, Limit, dialect
from pipelines.funnel_query import Actors, FunnelSelection, read_events, read_values
from pipelines.funnel_result import FunnelResult, group_of, result_of
from pipelines.funnel_steps import Step, StepLike, parse_matcher, parse_steps
from pipelines.workspace import Workspace, default_sources, open_workspace


@dataclass(frozen=True)
class Exclude:
    """No event that ``what`` matches between steps ``after`` and ``before`` (from 1; None: the last)."""

    what: StepLike
    after: int = 1
    before: int | None = None


@dataclass(frozen=True)
class Asked:
    """A funnel that is spelt out: what to read, how to count, what to break down."""

    steps: tuple[Step, ...]
    selection: FunnelSelection
    rules: FunnelRules
    by: str | None
    touch: str


def funnel(
    steps: str | Sequence[StepLike],
    workspace: str | Path | Workspace = ".",
    *,
    semantics: str = "ours",
    within: Sequence[Limit] | Mapping[int, Limit] = (),
    exclude: Sequence[Exclude | StepLike] = (),
    by: str | None = None,
    touch: str = "first",
    hold: str | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    sources: Sequence[str] = (),
    **options: Any,
) -> FunnelResult:
    """Count a funnel. README, "Funnels", says what is counted to the last attempt.

    ``steps`` are names of events or match rules; ``options`` those of FunnelOptions (order, window, scope,
    reentry, entry, ...), in the place of what ``semantics`` says; ``within`` one duration for each step after
    the first, or a mapping from step number; ``by`` a segment; the dates are days of the workspace's zone.
    Raises PainpointsError.
    """
    opened = workspace if isinstance(workspace, Workspace) else open_workspace(Path(workspace))
    chosen = chosen_options(semantics, options)
    asked = spell_out(opened, steps, chosen, within, exclude, by, touch, hold, first_day, last_day, sources)
    from pipelines.explore import connect  # explore offers this function too

    with connect(opened.root) as connection:
        return run_funnel(connection, asked, horizon_us(connection, opened.settings.timezone))


def chosen_options(semantics: str, given: Mapping[str, Any]) -> FunnelOptions:
    """What a semantics says, with what a person gave in its place. Raises PainpointsError."""
    known = [each.name for each in fields(FunnelOptions)]
    for name, value in given.items():
        if name not in known:
            raise PainpointsError(f"funnel: there is no option {name!r}; there are {', '.join(known)}")
        allowed = CHOICES.get(name)
        if allowed and value not in allowed:
            raise PainpointsError(f"funnel: {name} is {' or '.join(allowed)}, not {value!r}")
    return dialect(semantics).with_given(dict(given))


def spell_out(
    workspace: Workspace,
    steps: str | Sequence[StepLike],
    options: FunnelOptions,
    within: Sequence[Limit] | Mapping[int, Limit] = (),
    exclude: Sequence[Exclude | StepLike] = (),
    by: str | None = None,
    touch: str = "first",
    hold: str | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    sources: Sequence[str] = (),
) -> Asked:
    """Everything a funnel consists of, checked. Raises PainpointsError."""
    settings = workspace.settings
    parsed = parse_steps(steps)
    excludes = [each if isinstance(each, Exclude) else Exclude(each) for each in exclude]
    if touch not in ("first", "last"):
        raise PainpointsError(f"funnel: touch is first or last, not {touch!r}")
    for name in sources:
        if name not in settings.sources:
            raise PainpointsError(
                f"funnel: there is no source {name!r}; there are {', '.join(settings.sources)}"
            )
    selection = FunnelSelection(
        tuple(step.rules for step in parsed),
        tuple(sources) or default_sources(settings),
        settings.timezone,
        options.scope,
        first_day,
        last_day,
        options.range_applies_to == "all steps",
        _field(hold),
        tuple(parse_matcher(each.what) for each in excludes),
        options.order == "strict",
        _limit_us(options.resolution) or 1,
        options.hold_counts == "values",
        options.sessions_end == "midnight",
    )
    rules = _rules(parsed, options, within, excludes)
    return Asked(parsed, selection, rules, _field(by), touch)


def run_funnel(connection: duckdb.DuckDBPyConnection, asked: Asked, horizon_us: int) -> FunnelResult:
    """Count a funnel over a connection of ``explore.connect``; ``horizon_us`` is where the data ends."""
    selection, rules, by, touch = asked.selection, asked.rules, asked.by, asked.touch
    steps = asked.steps
    events, actors = read_events(connection, selection)
    names = [step.name for step in steps]
    if rules.is_open:
        return _open_funnel(events, actors, names, rules)
    count = count_funnel(events, rules, horizon_us)
    begun = count.number[:, 0]
    values, days = read_values(connection, begun, by, selection.timezone)
    if by is not None and touch == "last" and begun.size:
        touched = count.number[np.arange(begun.size), count.depth - 1]
        values, _ = read_values(connection, touched, by, selection.timezone)
    result = result_of(count, names, actors, days)
    if by is None:
        return result
    groups = np.array(["(none)" if value is None else value for value in values], dtype=object)
    return replace(
        result,
        groups={
            value: result_of(group_of(count, groups == value), names, actors, np.array(days)[groups == value])
            for value in sorted(set(groups.tolist()))
        },
    )


def _open_funnel(
    events: FunnelEvents, actors: Actors, names: Sequence[str], rules: FunnelRules
) -> FunnelResult:
    """Whoever does a step counts at it, whatever came before."""
    reached = [
        np.unique(events.actor[events.may_begin & (events.mask >> step & 1 > 0)])
        for step in range(rules.steps)
    ]
    return result_of(_of_sets(reached), names, actors, [], reached)


def _of_sets(reached: Sequence[NDArray[np.int64]]) -> FunnelCount:
    actor = np.unique(np.concatenate(list(reached)))
    shape = (actor.size, len(reached))
    return FunnelCount(
        actor,
        np.zeros(actor.size, np.int64),
        np.full(shape, NEVER, np.int64),
        np.full(shape, -1, np.int64),
        np.zeros(actor.size, np.bool_),
    )


def _rules(
    steps: Sequence[Step],
    options: FunnelOptions,
    within: Sequence[Limit] | Mapping[int, Limit],
    excludes: Sequence[Exclude],
) -> FunnelRules:
    limits: list[Limit] = [] if isinstance(within, Mapping) else list(within)
    if isinstance(within, Mapping) and within:
        if any(not 2 <= step <= len(steps) for step in within):
            raise PainpointsError(f"funnel: within limits steps 2 to {len(steps)}")
        limits = [within.get(step) for step in range(2, len(steps) + 1)]
    try:
        return FunnelRules(
            len(steps),
            options.order,
            _limit_us(options.window),
            tuple(_limit_us(limit) for limit in limits),
            tuple(Exclusion(each.after, each.before or len(steps)) for each in excludes),
            options.reentry,
            options.entry == "open",
            _limit_us(options.grace) or 0,
            options.exclusion_ends == "person",
        )
    except ValueError as error:
        raise PainpointsError(f"funnel: {error}") from error


def _limit_us(limit: Limit) -> int | None:
    if limit is None or limit in ("", "none"):
        return None
    try:
        return microseconds(limit if isinstance(limit, timedelta) else parse_duration(limit))
    except ValueError as error:
        raise PainpointsError(f"funnel: {error}") from error


def _field(name: str | None) -> str | None:
    try:
        return None if name is None else segment_field(name)
    except ValueError as error:
        raise PainpointsError(f"funnel: {error}") from error


def horizon_us(connection: duckdb.DuckDBPyConnection, timezone: str) -> int:
    """The end of the last day whose data is whole; of an empty file, the beginning of time."""
    row = connection.execute("select max(data_as_of) from marts.runs").fetchall()[0]
    if row[0] is None:
        return 0
    end = datetime.combine(row[0] + timedelta(days=1), time(), ZoneInfo(timezone))
    return int(end.timestamp()) * 1_000_000
