"""A synthetic shop, as its vendors would export it, with pain points planted and their truth.

What `painpoints demo` runs on. It knows nothing of how pain points are found.
"""

import json
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from connectors.shop_clicks import draw_clicks
from connectors.shop_ga4 import write_ga4
from connectors.shop_hotjar import write_hotjar
from connectors.shop_mixpanel import write_mixpanel
from connectors.shop_plants import DEMO_IDEALS, Plant, draw_plants
from connectors.shop_signups import draw_signups
from connectors.shop_world import draw_attempts, draw_people, lay_out_visits

__all__ = ["DEMO_IDEALS", "Plant", "generate_shop"]


def generate_shop(
    directory: Path, *, seed: int = 7, days: int = 90, users: int = 45_000, last_day: date
) -> list[Plant]:
    """Writes `exports/` and `truth.json` into `directory`; returns the planted pain points.

    Days are those of Europe/Madrid; `last_day` is the last one exported. The same arguments give
    the same bytes.
    """
    plants = draw_plants(seed, days=days, users=users, last_day=last_day)
    first_day = last_day - timedelta(days - 1)
    # A day more than is exported: Mixpanel's last UTC day ends after the shop's own last day.
    lived = days + 1
    parts = [np.random.default_rng([seed, part]) for part in range(2, 9)]
    people = draw_people(parts[0], users)
    attempts = draw_attempts(parts[1], people, plants, first_day, lived)
    visits = lay_out_visits(parts[2], people, attempts, first_day, lived)
    clicks = draw_clicks(parts[3], people, attempts, visits)
    signups = draw_signups(parts[4], people, visits, plants, first_day, lived)
    exports = directory / "exports"
    write_ga4(exports / "ga4", people, visits, clicks, first_day=first_day, days=days, rng=parts[5])
    write_mixpanel(
        exports / "mixpanel", people, visits, clicks, signups, first_day=first_day, days=days, rng=parts[6]
    )
    write_hotjar(
        exports / "hotjar", people, visits, clicks, plants,
        first_day=first_day, last_day=last_day, rng=np.random.default_rng([seed, 9]),
    )  # fmt: skip
    truth = [asdict(plant) | {"started_on": _iso(plant.started_on)} for plant in plants]
    (directory / "truth.json").write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")
    return plants


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
