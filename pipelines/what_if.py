"""`what-if`: the gain of a journey if stages met a rate, their ideal, or their own baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np

from models.fix_effect import DayCounts
from models.journey import Journey
from models.shapley import MOST_PLAYERS
from models.what_if import Chain, Gain, OrderValue, Step, WhatIf, what_if
from pipelines.auto_ideals import proposed_ideals, written_ideals
from pipelines.errors import PainpointsError
from pipelines.own_counts import last_matured_day

LOOKED_AT = timedelta(days=28)
BASELINE = timedelta(days=42)


class WrongStage(PainpointsError):
    """A what-if about a stage that cannot be asked about."""


@dataclass(frozen=True)
class StageGain:
    """A stage of the question: ``observed`` and ``target`` are rates from the stage before, over all
    personas; ``reference`` says where the target is from. ``share`` of the joint gain, ``alone`` its own."""

    stage: str
    previous: str
    observed: float
    target: float
    reference: str
    share: Gain
    alone: Gain


@dataclass(frozen=True)
class JourneyGain:
    """The gain per week, by the entry days ``first`` to ``last`` that are over for everyone."""

    journey: str
    first: date
    last: date
    attempts: int
    conversions: int
    currency: str
    total: Gain
    stages: tuple[StageGain, ...]
    assumption: str

    def as_json(self) -> dict[str, Any]:
        """Plain values in a fixed order; keys are only ever added."""
        return asdict(self)


ASSUMPTION = (
    "added people complete the journey as those do who advance today; the number of attempts, the order "
    "value and the other stages stay as they are. An ideal is an assumption, not a forecast"
)


def journey_gains(
    connection: duckdb.DuckDBPyConnection,
    journeys: Sequence[Journey],
    currency: str,
    asked: Mapping[str, float | None] | None = None,
) -> tuple[JourneyGain, ...]:
    """What each journey would gain a week if stages met a target, over its last 28 mature entry days.

    ``asked`` maps stages to a rate in [0, 1] from the required stage before, or None for the stage's
    ideal (written or proposed); where there is none, or it is met, for its own baseline, the rate of the
    42 days before. By default every stage with an ideal is asked about. Raises WrongStage, also
    where nothing can be asked.
    """
    asked = asked or {}
    known = {stage.name for each in journeys for stage in each.stages if not stage.optional}
    for name, rate in asked.items():
        if name not in known:
            raise WrongStage(f"there is no required stage {name!r}; there are {', '.join(sorted(known))}")
        if rate is not None and not 0 <= rate <= 1:
            raise WrongStage(f"--stage {name}={rate}: a rate is between 0 and 1, such as 0.45")
    made = []
    for journey in journeys:
        names = {stage.name for stage in journey.stages if not stage.optional} - {journey.entry_stage.name}
        if asked and not names & set(asked):
            continue
        gain = _journey_gain(connection, journey, currency, asked)
        if gain is not None:
            made.append(gain)
    if not made:
        raise WrongStage(
            "nothing can be asked: no journey has a stage with an ideal and attempts that are over. "
            "Name a stage behind the entry, --stage NAME=RATE"
        )
    return tuple(made)


def _journey_gain(
    connection: duckdb.DuckDBPyConnection,
    journey: Journey,
    currency: str,
    asked: Mapping[str, float | None],
) -> JourneyGain | None:
    last = last_matured_day(connection, journey.name)
    if last is None:
        return None
    first = last - LOOKED_AT + timedelta(days=1)
    chains = chains_of(connection, journey, first, last)
    targets, references = targets_of(connection, journey, asked, first, last)
    here = {(chain.persona, step.next_stage) for chain in chains for step in chain.steps}
    targets = {key: target for key, target in targets.items() if key in here}
    if not targets or not any(chain.steps[0].counts.n for chain in chains):
        return None
    if len({stage for _, stage in targets}) > MOST_PLAYERS:
        raise WrongStage(f"more than {MOST_PLAYERS} stages have an ideal; name some with --stage")
    value, conversions, days = money_of_goal(connection, journey, first, last)
    found = what_if(chains, targets, value)
    weeks = max(days, 1) / 7
    order = [stage.name for stage in journey.stages if stage.name in found.shares]
    return JourneyGain(
        journey.name,
        first,
        last,
        sum(chain.steps[0].counts.n for chain in chains),
        conversions,
        currency,
        _weekly(found.total, weeks),
        tuple(_stage_gain(name, chains, targets, references, found, weeks) for name in order),
        ASSUMPTION,
    )


def chains_of(
    connection: duckdb.DuckDBPyConnection, journey: Journey, first: date, last: date
) -> list[Chain]:
    bounds = {"journey": journey.name, "first": first, "last": last}
    daily: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for persona, stage, n, k, converted in connection.execute(
        "select persona, stage, sum(matured)::bigint, sum(matured_advanced)::bigint, "
        "sum(matured_converted)::bigint from marts.stage_funnel where journey = $journey "
        "and next_stage is not null and entry_date between $first and $last "
        "group by persona, stage, entry_date order by persona, stage, entry_date",
        bounds,
    ).fetchall():
        daily.setdefault((persona, stage), []).append((n, k, converted))
    reached = {
        (persona, stage): count
        for persona, stage, count in connection.execute(
            "select a.persona, v.stage, count(distinct a.attempt_id) from marts.attempts as a "
            "inner join marts.stage_visits as v on a.journey = v.journey and a.attempt_id = v.attempt_id "
            "where a.journey = $journey and a.outcome = 'converted' "
            "and a.entry_date between $first and $last group by a.persona, v.stage",
            bounds,
        ).fetchall()
    }
    chains = []
    for persona in journey.persona_names():
        stages = journey.required_stages_of(persona)
        steps = []
        for stage, following in pairwise(stages):
            table = np.array(daily.get((persona, stage.name), []), np.int64).reshape(-1, 3)
            converted = int(table[:, 2].sum())
            skipped = max(reached.get((persona, stage.name), 0) - converted, 0)
            steps.append(
                Step(stage.name, following.name, DayCounts(table[:, 0], table[:, 1]), converted, skipped)
            )
        chains.append(Chain(persona, tuple(steps)))
    return chains


def targets_of(
    connection: duckdb.DuckDBPyConnection,
    journey: Journey,
    asked: Mapping[str, float | None],
    first: date,
    last: date,
) -> tuple[dict[tuple[str, str], float], dict[str, str]]:
    """The target per (persona, stage), and in words what each stage's are."""
    written = {key[1:]: ideal for key, ideal in written_ideals([journey]).items()}
    proposed = {key[1:]: ideal.conversion for key, ideal in proposed_ideals(connection, [journey]).items()}
    baseline = _rates(connection, journey, first - BASELINE, first) if None in asked.values() else {}
    now = _rates(connection, journey, first, last + timedelta(days=1))
    targets: dict[tuple[str, str], float] = {}
    references: dict[str, str] = {}
    for persona in journey.persona_names():
        for stage in journey.required_stages_of(persona)[1:]:
            key = (persona, stage.name)
            if asked and stage.name not in asked:
                continue
            given = asked.get(stage.name)
            offered = [
                (reference, rate)
                for reference, rate in (
                    ("as asked", given),
                    ("its ideal", written.get(key)),
                    ("its proposed ideal", proposed.get(key)),
                    ("its baseline", baseline.get(key)),
                )
                if rate is not None
            ]
            if not offered:
                continue
            missed = [each for each in offered if each[1] > now.get(key, 0.0)]
            references[stage.name], targets[key] = offered[0] if given is not None else (missed or offered)[0]
    return targets, references


def _rates(
    connection: duckdb.DuckDBPyConnection, journey: Journey, first: date, end: date
) -> dict[tuple[str, str], float]:
    """Conversion per (persona, stage) of the entry days from ``first`` to before ``end``."""
    return {
        (persona, stage): k / n
        for persona, stage, n, k in connection.execute(
            "select persona, next_stage, sum(matured)::bigint, sum(matured_advanced)::bigint "
            "from marts.stage_funnel where journey = ? and next_stage is not null "
            "and entry_date >= ? and entry_date < ? group by persona, next_stage",
            [journey.name, first, end],
        ).fetchall()
        if n
    }


def money_of_goal(
    connection: duckdb.DuckDBPyConnection, journey: Journey, first: date, last: date
) -> tuple[OrderValue | None, int, int]:
    """The order value, the conversions, and the days that have attempts."""
    conversions, mean, deviation, days = connection.execute(
        "select count(*) filter (where outcome = 'converted'), avg(value), "
        "coalesce(stddev_samp(value), 0), count(distinct entry_date) from marts.attempts "
        "where journey = ? and entry_date between ? and ?",
        [journey.name, first, last],
    ).fetchall()[0]
    if not mean or mean <= 0:
        return None, int(conversions), int(days)
    return OrderValue(float(mean), float(deviation) / conversions**0.5), int(conversions), int(days)


def _stage_gain(
    name: str,
    chains: Sequence[Chain],
    targets: Mapping[tuple[str, str], float],
    references: Mapping[str, str],
    found: WhatIf,
    weeks: float,
) -> StageGain:
    here = [
        (step, targets[(chain.persona, name)])
        for chain in chains
        for step in chain.steps
        if step.next_stage == name and (chain.persona, name) in targets
    ]
    attempts = sum(step.counts.n for step, _ in here)
    return StageGain(
        name,
        here[0][0].stage,
        sum(step.counts.k for step, _ in here) / attempts if attempts else 0.0,
        sum(step.counts.n * target for step, target in here) / attempts if attempts else here[0][1],
        references[name],
        _weekly(found.shares[name], weeks),
        _weekly(found.alone[name], weeks),
    )


def _weekly(gain: Gain, weeks: float) -> Gain:
    def each(value: float | None) -> float | None:
        return None if value is None else value / weeks

    return Gain(
        gain.conversions / weeks,
        gain.low / weeks,
        gain.high / weeks,
        each(gain.money),
        each(gain.money_low),
        each(gain.money_high),
    )
