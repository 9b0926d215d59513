"""Writes the synthetic shop's onboarding and some mirrored orders as Mixpanel export lines.

One gzipped JSON Lines file per UTC day, with the dirt of real exports: 1 % of the lines twice,
2 % without $insert_id, seconds for time, `$device:<id>` as the id of people not yet known.
"""

import gzip
import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from connectors.shop_calendar import SECOND, Ints, utc_midnight
from connectors.shop_clicks import CODE, PAGES, Clicks
from connectors.shop_ga4_arrays import transaction_id, user_id
from connectors.shop_segments import COUNTRIES, PLATFORMS, SIGNUP_CHANNELS, SIGNUP_PLATFORMS
from connectors.shop_signups import Signups
from connectors.shop_world import People, Visits

STAGE_EVENTS = ("Sign Up Started", "Email Verified", "Profile Completed", "First Order Placed")
MIRRORED = {
    "view_item": "Product Viewed",
    "begin_checkout": "Checkout Started",
    "purchase": "Order Completed",
}
BROWSERS = {"Safari": "Safari", "Edge": "Microsoft Edge"}
SYSTEMS = {"Macintosh": "Mac OS X"}

Line = tuple[int, str, str]  # epoch seconds UTC, the event's name, its properties as JSON text


def write_mixpanel(
    folder: Path,
    people: People,
    visits: Visits,
    clicks: Clicks,
    signups: Signups,
    *,
    first_day: date,
    days: int,
    rng: np.random.Generator,
) -> int:
    """Writes `YYYY-MM-DD.jsonl.gz` of each UTC day into `folder`; returns the lines written."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [*_signup_lines(signups, rng), *_mirrored_lines(people, visits, clicks, rng)]
    again = np.flatnonzero(rng.random(len(lines)) < 0.01).tolist()
    named = (rng.random(len(lines)) >= 0.02).tolist()
    insert = rng.integers(0, 2**62, len(lines)).tolist()
    delay = rng.integers(400, 90_000, 2 * len(lines)).tolist()
    start = utc_midnight(first_day) // SECOND
    by_day: list[list[tuple[int, str]]] = [[] for _ in range(days)]
    copies = [*range(len(lines)), *(k for k in again if named[k])]
    for number, k in enumerate(copies):
        at, event, properties = lines[k]
        day = (at - start) // 86_400
        if not 0 <= day < days:
            continue
        marker = f'"$insert_id": "{insert[k]:016x}", ' if named[k] else ""
        by_day[day].append(
            (
                at,
                f'{{"event": "{event}", "properties": {{"time": {at}, {marker}{properties}, '
                f'"mp_processing_time_ms": {at * 1000 + delay[number]}}}}}\n',
            )
        )
    for day, rows in enumerate(by_day):
        rows.sort()  # within one second the lines tell no order
        text = "".join(line for _, line in rows).encode()
        # mtime=0: the same seed gives the same bytes.
        path = folder / f"{first_day + timedelta(day)}.jsonl.gz"
        path.write_bytes(gzip.compress(text, compresslevel=1, mtime=0))
    return sum(len(rows) for rows in by_day)


def _fragment(**properties: str | float | None) -> str:
    """Properties as JSON text without braces; `None` is left out, `S_x` means `$x`."""
    named = {k.replace("S_", "$"): v for k, v in properties.items() if v is not None}
    return json.dumps(named, ensure_ascii=False)[1:-1]


def _identity(device: str, user: str | None) -> str:
    if user is None:
        return f'"distinct_id": "$device:{device}", "$device_id": "{device}"'
    return f'"distinct_id": "{user}", "$device_id": "{device}", "$user_id": "{user}"'


def _device_id(number: int) -> str:
    return f"18c{number * 2_654_435_761 % 2**40:010x}-0a1b2c3d"


def _signup_lines(signups: Signups, rng: np.random.Generator) -> Iterator[Line]:
    facts = {
        (p, c, s): _fragment(
            S_os=system, S_browser=browser, S_device=model or None, device=device, mp_country_code=country[1],
            S_city=country[2], utm_source=source or None, utm_medium=medium or None, mp_lib="web",
        )
        for p, (device, system, browser, model, _) in enumerate(SIGNUP_PLATFORMS)
        for c, country in enumerate(COUNTRIES)
        for s, (source, medium, _) in enumerate(SIGNUP_CHANNELS)
    }  # fmt: skip
    pages = (rng.integers(2, 8, len(signups.person))).tolist()
    columns = (signups.platform, signups.country, signups.channel, signups.person, signups.retries)
    rows = zip(*(column.tolist() for column in columns), signups.steps.tolist(), pages, strict=True)
    for number, (platform, country, channel, person, retries, steps, views) in enumerate(rows):
        fact = facts[platform, country, channel]
        device = _device_id(50_000_000 + number)
        user = user_id(person) if person >= 0 else f"N{200_000 + number}"
        unknown, known = f"{_identity(device, None)}, {fact}", f"{_identity(device, user)}, {fact}"
        start = steps[0] // SECOND
        for view in range(views):
            here = '"$current_url": "https://shop.example/account/sign-up"'
            yield start - 9 * (views - view), "Page Viewed", f"{unknown}, {here}"
        if retries:
            yield start - 4, STAGE_EVENTS[0], unknown
        for step, at in enumerate(steps):
            if at >= 0:
                yield at // SECOND, STAGE_EVENTS[step], known if step else unknown


def _mirrored_lines(
    people: People, visits: Visits, clicks: Clicks, rng: np.random.Generator
) -> Iterator[Line]:
    """What 60 % of the logged-in GA4 users do in the shop, as the server sends it to Mixpanel."""
    facts = {
        (p, c): _fragment(
            S_os=SYSTEMS.get(system, system), S_browser=BROWSERS.get(browser, browser),
            device="desktop" if device == "desktop" else "mobile", mp_country_code=country[1],
            S_city=country[2], mp_lib="web",
        )
        for p, (device, system, browser, _) in enumerate(PLATFORMS)
        for c, country in enumerate(COUNTRIES)
    }  # fmt: skip
    person = visits.person[clicks.visit]
    names = {CODE[ga4]: name for ga4, name in MIRRORED.items()}
    chosen = rng.random(len(people.platform)) < 0.6
    taken = clicks.logged_in & chosen[person] & ~people.denied[person]
    row = np.flatnonzero(taken & np.isin(clicks.event, list(names)))
    columns: tuple[Ints, ...] = (
        person[row], visits.cookie[clicks.visit[row]], visits.platform[clicks.visit[row]],
        people.country[person[row]], clicks.event[row], clicks.page[row], clicks.at[row] // SECOND,
        clicks.transaction[row],
    )  # fmt: skip
    rows = zip(*(column.tolist() for column in columns), clicks.value[row].tolist(), strict=True)
    for someone, cookie, platform, country, event, page, at, order, value in rows:
        text = f"{_identity(_device_id(cookie), user_id(someone))}, {facts[platform, country]}"
        text += f', "$current_url": "https://shop.example{PAGES[page]}"'
        if event == CODE["purchase"]:
            text += f', "order_id": "{transaction_id(order) if order >= 0 else "(not set)"}"'
            text += f', "revenue": {value}, "currency": "EUR"'
        yield at, names[event], text
