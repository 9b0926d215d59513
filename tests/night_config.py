"""The config of the small shop of `night_world`: two sources, and a journey of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from models.journey_file import parse_journey
from pipelines.config_tables import WorldConfig
from pipelines.exclusion import BUILT_IN, Excludes

WEB, APP = "web", "app"  # GA4, with sessions of the vendor; and Mixpanel, without
SOURCES = (WEB, APP)

_STEPS = """
stages:
  - {name: look, match: [{event: view_item}]}
  - {name: wish, optional: true, match: [{event: add_to_wishlist}]}
  - name: cart
    match: [{event: add_to_cart}, {event: page_view, page: "/cart*"}]
    ideal: {conversion: 0.5, within: 5m}
  - {name: buy, match: [{event: purchase}], value: value}
"""
JOURNEYS = (
    f"""
journey: buying
window: 2d
{_STEPS}
personas:
  phones: {{where: {{device: mobile, is_new_user: true}}, without: [wish]}}
  payers: {{where: {{properties.plan: pro}}}}
segments: [device, channel, properties.plan]
""",
    f"journey: visit\nscope: session\nwindow: 2h\n{_STEPS}\nsegments: [country, browser]\n",
    f"journey: anywhere\nentry: any\nwindow: 3d\n{_STEPS}\nsegments: [medium]\n",
    """
journey: campaign
window: 1d
stages:
  - {name: click, match: [{event: view_item, channel: [Paid*, Organic*]}, {event: page_view, medium: email}]}
  - {name: cart, match: [{event: add_to_cart}]}
  - {name: large, match: [{event: purchase, value: [20, 50]}], value: value}
segments: [channel]
""",
    """
journey: some
window: 2d
stages:
  - {name: look, match: [{event: view_item, user_key: ["0*", "1*", "2*", "3*", "4*", "5*"]}]}
  - {name: buy, match: [{event: purchase}]}
""",
)


def make_config(
    *,
    timezone: str = "Europe/Madrid",
    journeys: Sequence[str] = JOURNEYS,
    events_per_day: int = 2**31,
    inactivity: timedelta = timedelta(minutes=30),
) -> WorldConfig:
    parsed = [parse_journey(text) for text in journeys]
    sources_of = {journey.name: (WEB,) if journey.name == "visit" else SOURCES for journey in parsed}
    return WorldConfig(
        timezone,
        "EUR",
        inactivity,
        {"USD": 0.9},
        [(WEB, "ga4", True), (APP, "mixpanel", True)],
        parsed,
        sources_of,
        dict.fromkeys(SOURCES, "UTC"),
        Excludes(BUILT_IN, events_per_day),
    )
