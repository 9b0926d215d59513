"""What is planted in a shop of the event-level worlds, which kinds there are, and how big a shop is.

A shop has far fewer attempts a day than the worlds of ``grid``: drops of 5 and 10 % cannot be seen in it by
anybody, so of the grid's drops the larger two are planted, as often as there against each other. Every
plant says how likely a plain test at 4.5 sigma that knows place and day is to see it (``power``).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np

from connectors.shop_plants import ONBOARDING_SEGMENTS, PURCHASE_SEGMENTS, Plant, power
from connectors.shop_segments import STAGES

EVENT_KINDS = ("null", "pain", "outage", "bots", "sale", "holiday", "mix")
LAST_DAY = date(2026, 5, 31)
DAYS, USERS, NIGHTS = 70, 36_000, 30
DROPS, DROP_SHARES = (0.20, 0.40), (0.6, 0.4)
ONSETS_AGO = range(17, 27)  # days before the last, as far back as the grid's onsets
MOST_PLANTS = 3


def draw_event_plants(
    rng: np.random.Generator, kind: str, *, days: int = DAYS, users: int = USERS
) -> list[Plant]:
    """One to three falls of a rate, each at a transition of its own; none for a kind without pain."""
    if kind != "pain":
        return []
    places = [(journey, step) for journey, stages in STAGES.items() for step in range(len(stages) - 1)]
    plants = []
    for chosen in rng.choice(len(places), int(rng.integers(1, MOST_PLANTS + 1)), replace=False).tolist():
        journey, step = places[chosen]
        segments = ("all", *PURCHASE_SEGMENTS) if journey == "purchase" else ONBOARDING_SEGMENTS
        onset = LAST_DAY - timedelta(int(rng.choice(ONSETS_AGO)))
        drop = -float(rng.choice(DROPS, p=DROP_SHARES))
        stages = STAGES[journey][step : step + 2]
        plants.append(Plant(journey, *stages, str(rng.choice(segments)), "regression", onset, drop, 0.0))
    return [replace(each, power=power(each, plants, days, users, LAST_DAY)) for each in plants]
