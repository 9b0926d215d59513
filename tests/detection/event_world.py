"""Event-level worlds: a shop's vendor files with the truth beside them, made by the shop generator.

Only the shopping attempts are drawn here, so that a confounder can change them; people, visits, clicks,
sign-ups and the vendors' files are the generator's own.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from datetime import timedelta
from pathlib import Path
from string import Template

import numpy as np

from connectors.shop_calendar import WEEKDAY_LOG_ODDS, attempt_days, midnights, shocks, traffic, weekdays
from connectors.shop_clicks import Clicks, draw_clicks
from connectors.shop_ga4 import write_ga4
from connectors.shop_hotjar import write_hotjar
from connectors.shop_mixpanel import write_mixpanel
from connectors.shop_plants import DEMO_IDEALS, Plant, attempts_per_user, planted_rates
from connectors.shop_segments import STAGES, expit, leaves, logit
from connectors.shop_signups import draw_signups
from connectors.shop_world import (
    Attempts,
    People,
    Visits,
    draw_people,
    draw_steps,
    lay_out_visits,
)
from detection.event_disturbance import Bots, Disturbance, disturb
from detection.event_plants import DAYS, LAST_DAY, NIGHTS, USERS, draw_event_plants

TEMPLATES = Path(__file__).resolve().parents[2] / "pipelines" / "templates"
LENIENT = 0.7  # of the demo's ideals where a channel is poor for good: below them it would be a true gap


@dataclass(frozen=True)
class EventWorld:
    """What was written, and what it costs: ``lost[i]`` goals that plant ``i`` is expected to have cost.

    They count all attempts since its onset that can be followed; nan for sign-ups, which are not counted.
    """

    kind: str
    seed: int
    plants: tuple[Plant, ...]
    lost: tuple[float, ...]
    disturbance: Disturbance


def write_world(folder: Path, kind: str, seed: int, *, days: int = DAYS, users: int = USERS) -> EventWorld:
    """Write ``exports/``, ``truth.json`` and a workspace's config and journeys into a new ``folder``.

    The same arguments give the same bytes. Raises ValueError for an unknown kind.
    """
    parts = [np.random.default_rng([seed, part]) for part in range(40, 50)]
    first_day, lived = LAST_DAY - timedelta(days - 1), days + 1
    plants = draw_event_plants(parts[0], kind, days=days, users=users)
    made = disturb(parts[1], kind, lived, users * attempts_per_user(days) / days)
    crowd = 0 if made.bots is None else made.bots.a_day * len(made.bots.days)
    people = _with_bots(draw_people(parts[2], users + crowd), made.bots, crowd)
    attempts = _draw_attempts(parts[3], people, users, plants, made, lived)
    visits = lay_out_visits(parts[4], people, attempts, first_day, lived)
    clicks = draw_clicks(parts[5], people, attempts, visits)
    signups = draw_signups(parts[6], people, visits, plants, first_day, lived)
    exports = folder / "exports"
    seen = _recorded(clicks, visits, made, lived)
    write_ga4(exports / "ga4", people, visits, seen, first_day=first_day, days=days, rng=parts[7])
    write_mixpanel(
        exports / "mixpanel", people, visits, clicks, signups, first_day=first_day, days=days, rng=parts[8]
    )
    write_hotjar(
        exports / "hotjar", people, visits, clicks, plants,
        first_day=first_day, last_day=LAST_DAY, rng=parts[9],
    )  # fmt: skip
    _write_workspace(folder, LENIENT if kind == "mix" else 1.0)
    truth = [asdict(plant) | {"started_on": str(plant.started_on)} for plant in plants]
    (folder / "truth.json").write_text(json.dumps(truth, indent=2) + "\n", "utf-8")
    lost = tuple(_expected_loss(number, plants, people, attempts, lived) for number in range(len(plants)))
    return EventWorld(kind, seed, tuple(plants), lost, made)


def _with_bots(people: People, bots: Bots | None, crowd: int) -> People:
    """The last ``crowd`` people are programs: one browser each, no account, never here before."""
    if bots is None:
        return people
    last = slice(len(people.platform) - crowd, None)
    told = {each.name: getattr(people, each.name) for each in fields(People)}
    values = {"platform": bots.platform, "country": bots.country, "account": False, "denied": False}
    for name, value in (values | {"earlier_sessions": 0, "second_cookie": -1}).items():
        told[name] = told[name].copy()
        told[name][last] = value
    return People(**told)


def _draw_attempts(
    rng: np.random.Generator, people: People, users: int, plants: list[Plant], made: Disturbance, days: int
) -> Attempts:
    """The attempts of ``users`` people, as the generator draws them but for the disturbance; then bots'."""
    first_day = LAST_DAY - timedelta(days - 2)
    share = traffic(first_day, days, rng) * made.traffic
    person, day = attempt_days(rng, users, share / share.sum(), days)
    borders = np.cumsum(made.channels, axis=1)[:, :-1]
    channel = (rng.random(len(person))[:, None] > borders[day]).sum(axis=1)
    on_second = (people.second_cookie[person] >= 0) & (rng.random(len(person)) < 0.4)
    platform = np.where(on_second, people.second_platform[person], people.platform[person])
    first = np.concatenate([[True], person[1:] != person[:-1]])
    new = first & (people.earlier_sessions[person] == 0)
    grid = leaves("purchase")
    leaf = np.ravel_multi_index((platform, people.country[person], channel, new.astype(int)), grid.shape)
    common = shocks(rng, "purchase", days) + WEEKDAY_LOG_ODDS[weekdays(first_day, days)][:, None]
    log_odds = logit(grid.rates)[leaf] + (common + made.log_odds)[day] + made.channel_log_odds[channel]
    depth, hit = draw_steps(rng, "purchase", expit(log_odds), plants, leaf, day, first_day)
    value = np.round(rng.lognormal(np.log(55), 0.55, len(person)), 2)
    attempts = Attempts(person, day, leaf, channel, on_second, depth, hit, value)
    return attempts if made.bots is None else _joined(attempts, _attempts_of(made.bots, users))


def _attempts_of(bots: Bots, users: int) -> Attempts:
    day = np.repeat(np.asarray(bots.days), bots.a_day)
    count = len(day)
    place = (bots.platform, bots.country, bots.channel, 1)
    leaf = int(np.ravel_multi_index(place, leaves("purchase").shape))

    def same(value: int) -> np.ndarray:
        return np.full(count, value, dtype=np.int64)

    return Attempts(
        users + np.arange(count), day, same(leaf), same(bots.channel), np.zeros(count, dtype=bool),
        same(bots.depth), same(-1), np.zeros(count),
    )  # fmt: skip


def _joined(one: Attempts, other: Attempts) -> Attempts:
    names = [each.name for each in fields(Attempts)]
    return Attempts(**{name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in names})


def _recorded(clicks: Clicks, visits: Visits, made: Disturbance, days: int) -> Clicks:
    """The clicks that reach GA4."""
    first_day = LAST_DAY - timedelta(days - 2)
    day = np.searchsorted(midnights(first_day, days), clicks.at, side="right") - 1
    kept = np.ones(len(clicks.at), dtype=bool)
    for outage in made.outages:
        kept &= ~outage.hides(clicks, visits, day)
    return replace(clicks, **{each.name: getattr(clicks, each.name)[kept] for each in fields(Clicks)})


def _expected_loss(number: int, plants: list[Plant], people: People, attempts: Attempts, days: int) -> float:
    plant = plants[number]
    if plant.journey != "purchase":
        return float("nan")
    first_day, step = LAST_DAY - timedelta(days - 2), STAGES["purchase"].index(plant.stage)
    stopped = (attempts.hit == number) & ~people.denied[attempts.person] & (attempts.day < days - 1)
    lost = 0.0
    for day in np.unique(attempts.day[stopped]).tolist():
        leaf = attempts.leaf[stopped & (attempts.day == day)]
        rates = planted_rates("purchase", plants, first_day + timedelta(day))
        lost += float(np.prod(rates[leaf, step + 1 :], axis=1).sum())
    return lost


def _write_workspace(folder: Path, lenient: float) -> None:
    config = (TEMPLATES / "demo_painpoints.toml").read_text("utf-8")
    # the night of the data's end is judged besides
    config += f"\n[detection]\nreplay_nights = {NIGHTS - 1}\n"
    (folder / "painpoints.toml").write_text(config, "utf-8")
    (folder / "journeys").mkdir()
    for journey, ideals in DEMO_IDEALS.items():
        asked = {stage: round(lenient * rate, 3) for stage, rate in ideals.items()}
        text = Template((TEMPLATES / f"demo_{journey}.yaml").read_text("utf-8")).substitute(asked)
        (folder / "journeys" / f"{journey}.yaml").write_text(text, "utf-8")
