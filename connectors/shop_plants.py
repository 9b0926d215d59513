"""Chooses the pain points planted in the synthetic shop, and says how visible each one is.

The drop of a plant multiplies the probability of one step for the attempts of one segment that
open on or after `started_on`. Every plant is visible to a plain binomial test (see `power`).
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache

import numpy as np

from connectors.shop_calendar import attempt_days, traffic
from connectors.shop_segments import BASE_RATES, STAGES, Floats, leaves

# Conversion from the previous stage that the demo's journeys ask for: about 12 % (relative) below
# what the worst larger segment (5 % of attempts, one or two values) does with nothing planted.
DEMO_IDEALS: dict[str, dict[str, float]] = {
    "purchase": {"consider": 0.52, "cart": 0.243, "checkout": 0.458, "pay": 0.628, "buy": 0.733},
    "onboarding": {"verify": 0.60, "profile": 0.553, "first_order": 0.333},
}
# No candidate has nearly the same people as another segment of one or two values, apart from the
# columns that say the same thing twice (channel and medium).
PURCHASE_SEGMENTS = (
    "device=mobile",
    "device=desktop",
    "channel=Paid Search",
    "channel=Organic Search",
    "country=France",
    "country=Germany",
    "browser=Safari & device=mobile",
    "browser=Chrome & device=desktop",
    "channel=Paid Search & device=mobile",
    "country=France & device=mobile",
    "channel=Organic Search & device=desktop",
    "channel=Direct & country=Spain",
)
ONBOARDING_SEGMENTS = (
    "all", "device=mobile", "device=desktop", "country=ES", "country=FR", "country=DE",
    "country=IT",
)  # fmt: skip
SIGNUPS_PER_USER_DAY = 300 / 45_000
ATTRITION = 0.96  # share of visitors who consent, so that their attempts can be followed
SIGMA = 4.5
SETTLE_DAYS = 8


@dataclass(frozen=True)
class Plant:
    """One planted pain point; `relative_change` is of the step's rate, or against the ideal."""

    journey: str
    stage: str
    next_stage: str
    segment: str
    kind: str
    started_on: date | None
    relative_change: float
    power: float


def draw_plants(seed: int, *, days: int, users: int, last_day: date) -> list[Plant]:
    """Four plants; redrawn until each has power .95 (or, in a small shop, the best of the draws)."""
    rng = np.random.default_rng([seed, 1])
    best: list[Plant] = []
    for _ in range(60):
        drawn = _candidates(rng, days, last_day)
        drawn = [replace(p, power=power(p, drawn, days, users, last_day)) for p in drawn]
        if not best or min(p.power for p in drawn) > min(p.power for p in best):
            best = drawn
        if min(p.power for p in best) >= 0.95:
            break
    return best


def _candidates(rng: np.random.Generator, days: int, last_day: date) -> list[Plant]:
    first, second, standing = (int(k) for k in rng.permutation(len(BASE_RATES["purchase"]))[:3])
    segments = rng.choice(len(PURCHASE_SEGMENTS), size=2, replace=False)
    places = [("purchase", first, PURCHASE_SEGMENTS[segments[0]]),
              ("purchase", second, PURCHASE_SEGMENTS[segments[1]]),
              ("onboarding", int(rng.integers(3)), str(rng.choice(ONBOARDING_SEGMENTS)))]  # fmt: skip
    plants = []
    for journey, step, segment in places:
        # 24 to 34 days back in a shop of 90 days; a shorter history keeps the proportion.
        ago = int(rng.integers(24, 35) * min(1.0, days / 90))
        change = -round(float(rng.uniform(0.25, 0.45)), 3)
        stage, following = STAGES[journey][step : step + 2]
        onset = last_day - timedelta(ago)
        plants.append(Plant(journey, stage, following, segment, "regression", onset, change, 0.0))
    stage, following = STAGES["purchase"][standing : standing + 2]
    change = -round(float(rng.uniform(0.30, 0.35)), 3)
    gap = Plant("purchase", stage, following, "all", "below_ideal", None, change, 0.0)
    return [*plants, gap]


def step_factor(plant: Plant) -> float:
    """What the plant multiplies the probability of its step by."""
    if plant.kind == "regression":
        return 1 + plant.relative_change
    step = STAGES[plant.journey].index(plant.stage)
    ideal = DEMO_IDEALS[plant.journey][plant.next_stage]
    return ideal * (1 + plant.relative_change) / BASE_RATES[plant.journey][step]


def planted_rates(journey: str, plants: list[Plant], day: date | None) -> Floats:
    """(leaves, steps) expected rates of attempts opened on `day` (None: before any onset)."""
    rates = leaves(journey).rates.copy()
    for plant in plants:
        begun = plant.started_on is None or (day is not None and day >= plant.started_on)
        if plant.journey == journey and begun:
            inside = leaves(journey).inside(plant.segment)
            rates[inside, STAGES[journey].index(plant.stage)] *= step_factor(plant)
    return rates


def power(plant: Plant, plants: list[Plant], days: int, users: int, last_day: date) -> float:
    """Probability that a one-sided binomial test beyond 4.5 sigma sees the plant.

    Counted are the attempts expected to reach the stage on mature days: from the onset (a standing
    gap: in 28 days) to 8 days before `last_day`.
    """
    first_day, step = last_day - timedelta(days - 1), STAGES[plant.journey].index(plant.stage)
    start = plant.started_on or max(first_day, last_day - timedelta(SETTLE_DAYS + 27))
    window = [start + timedelta(n) for n in range((last_day - start).days + 1 - SETTLE_DAYS)]
    if plant.journey == "purchase":
        total = ATTRITION * users * attempts_per_user(days)
    else:
        total = SIGNUPS_PER_USER_DAY * users * days
    share = traffic(first_day, days)
    inside = leaves(plant.journey).inside(plant.segment)
    reached = before = after = 0.0
    others = [p for p in plants if p is not plant]
    for day in window:
        rates = planted_rates(plant.journey, others, day)
        weight = leaves(plant.journey).share * np.prod(rates[:, :step], axis=1)
        weight = weight[inside] * total * share[(day - first_day).days]
        reached += weight.sum()
        before += (weight * rates[inside, step]).sum()
        after += (weight * rates[inside, step]).sum() * step_factor(plant)
    if reached < 1:
        return 0.0
    reference = before / reached
    if plant.kind == "below_ideal":
        reference = DEMO_IDEALS[plant.journey][plant.next_stage]
    return round(detection_probability(int(reached), reference, after / reached), 4)


def detection_probability(attempts: int, reference: float, rate: float) -> float:
    """P(signed root of the binomial deviance < -4.5 against `reference`) when `rate` is true."""
    k = np.arange(attempts + 1, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        hits = np.where(k > 0, k * np.log(k / (attempts * reference)), 0.0)
        rest = attempts - k
        misses = np.where(rest > 0, rest * np.log(rest / (attempts * (1 - reference))), 0.0)
    seen = (k < attempts * reference) & (2 * (hits + misses) >= SIGMA**2)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, attempts + 1)))])
    choose = log_factorial[-1] - log_factorial - log_factorial[::-1]
    chance = np.exp(choose + k * np.log(rate) + (attempts - k) * np.log1p(-rate))
    return min(1.0, float(chance[seen].sum()))


@cache
def attempts_per_user(days: int) -> float:
    """Expected attempts of one user in `days` days."""
    share = np.full(days, 1 / days)
    return len(attempt_days(np.random.default_rng(0), 20_000, share, days)[0]) / 20_000
