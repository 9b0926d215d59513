"""Ad hoc funnels over the published events: exact counts, who they are, and how long they took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
from numpy.typing import NDArray

from models.durations import microseconds, parse_duration
from models.funnel import NEVER, FunnelCount, FunnelEvents, count_funnel
from models.funnel_rules import Exclusion, FunnelRules, Order, Reentry
from models.journey_schema import segment_field
from pipelines.errors import PainpointsError
from pipelines.funnel_query import Actors, FunnelSelection, Scope, read_events, read_values
from pipelines.funnel_result import FunnelResult, group_of, result_of
from pipelines.funnel_steps import Step, StepLike, parse_matcher, parse_steps
from pipelines.workspace import Workspace, default_sources, open_workspace

Limit = str | timedelta | None


@dataclass(frozen=True)
class Exclude:
    """No event that ``what`` matches between steps ``after`` and ``before`` (from 1; None: the last)."""

    what: StepLike
    after: int = 1
    before: int | None = None


def funnel(
    steps: str | Sequence[StepLike],
    workspace: str | Path | Workspace = ".",
    *,
    order: Order = "loose",
    window: Limit = "7d",
    within: Sequence[Limit] | Mapping[int, Limit] = (),
    exclude: Sequence[Exclude | StepLike] = (),
    scope: Scope = "user",
    reentry: Reentry = "furthest",
    entry: str = "closed",
    by: str | None = None,
    touch: str = "first",
    hold: str | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    range_applies_to: str = "first step",
    sources: Sequence[str] = (),
) -> FunnelResult:
    """Count a funnel. README, "Funnels", says what is counted to the last attempt.

    ``steps`` are names of events or match rules; ``window`` and ``within`` durations such as "7d" (None:
    no limit), ``within`` one for each step after the first or a mapping from step number; ``by`` a segment;
    the dates are days of the workspace's zone. Raises PainpointsError.
    """
    opened = workspace if isinstance(workspace, Workspace) else open_workspace(Path(workspace))
    parsed = parse_steps(steps)
    excludes = [each if isinstance(each, Exclude) else Exclude(each) for each in exclude]
    rules = _rules(parsed, order, window, within, excludes, reentry, entry == "open")
    if touch not in ("first", "last") or entry not in ("closed", "open"):
        raise PainpointsError("touch is first or last, entry is closed or open")
    for field in (by, hold):
        _check_field(field)
    selection = FunnelSelection(
        tuple(step.rules for step in parsed),
        tuple(sources) or default_sources(opened.settings),
        opened.settings.timezone,
        scope,
        first_day,
        last_day,
        range_applies_to == "all steps",
        hold,
        tuple(parse_matcher(each.what) for each in excludes),
        order == "strict",
    )
    from pipelines.explore import connect  # explore offers this function too

    with connect(opened.root) as connection:
        return run_funnel(
            connection, parsed, selection, rules, by, touch, _horizon_us(connection, selection.timezone)
        )


def run_funnel(
    connection: duckdb.DuckDBPyConnection,
    steps: Sequence[Step],
    selection: FunnelSelection,
    rules: FunnelRules,
    by: str | None,
    touch: str,
    horizon_us: int,
) -> FunnelResult:
    """Count a funnel that is fully spelt out, over a connection of ``explore.connect``."""
    events, actors = read_events(connection, selection)
    names = [step.name for step in steps]
    if rules.is_open:
        return _open_funnel(events, actors, names, rules)
    count = count_funnel(events, rules, horizon_us)
    begun = count.number[:, 0]
    touched = begun
    if touch == "last" and begun.size:
        touched = count.number[np.arange(begun.size), count.depth - 1]
    values, _ = read_values(connection, touched, by, selection.timezone)
    _, days = read_values(connection, begun, None, selection.timezone)
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
    order: Order,
    window: Limit,
    within: Sequence[Limit] | Mapping[int, Limit],
    excludes: Sequence[Exclude],
    reentry: Reentry,
    is_open: bool,
) -> FunnelRules:
    limits: list[Limit] = list(within.values()) if isinstance(within, Mapping) else list(within)
    if isinstance(within, Mapping):
        if any(not 2 <= step <= len(steps) for step in within):
            raise PainpointsError(f"within: there are steps 2 to {len(steps)} to limit")
        limits = [within.get(step) for step in range(2, len(steps) + 1)]
    try:
        return FunnelRules(
            len(steps),
            order,
            _limit_us(window),
            tuple(_limit_us(limit) for limit in limits),
            tuple(Exclusion(each.after, each.before or len(steps)) for each in excludes),
            reentry,
            is_open,
        )
    except ValueError as error:
        raise PainpointsError(f"funnel: {error}") from error


def _limit_us(limit: Limit) -> int | None:
    if limit is None or limit in ("", "none"):
        return None
    return microseconds(limit if isinstance(limit, timedelta) else parse_duration(limit))


def _check_field(field: str | None) -> None:
    try:
        if field is not None:
            segment_field(field)
    except ValueError as error:
        raise PainpointsError(f"funnel: {error}") from error


def _horizon_us(connection: duckdb.DuckDBPyConnection, timezone: str) -> int:
    """The end of the last day whose data is whole; of an empty file, the beginning of time."""
    row = connection.execute("select max(data_as_of) from marts.runs").fetchall()[0]
    if row[0] is None:
        return 0
    end = datetime.combine(row[0] + timedelta(days=1), time(), ZoneInfo(timezone))
    return int(end.timestamp()) * 1_000_000
