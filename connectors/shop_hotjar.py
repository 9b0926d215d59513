"""Writes the synthetic shop's Hotjar exports: the list of recordings and the answers to a survey."""

import csv
import hashlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from connectors.shop_calendar import SECOND, ZONE, Ints
from connectors.shop_clicks import CART, CHECKOUT, CODE, PAGES, PAYMENT, THANKS, Clicks
from connectors.shop_hotjar_words import COMPLAINTS, NEUTRAL, QUESTION, TAGS, TRICKY
from connectors.shop_plants import Plant
from connectors.shop_segments import COUNTRIES, PLATFORMS, STAGES
from connectors.shop_world import People, Visits

RECORDINGS_HEADER = (
    "Recording URL", "Publicly Shared", "Already Watched", "Comments", "Labels", "Created",
    "New / Returning", "Hotjar User ID", "Country", "Action Count", "Page Count",
    "Duration (seconds)", "Device", "Device Screen Size", "Browser", "Operating System",
    "Referrer URL", "Landing Page URL", "Exit Page URL", "Rage Clicks", "U-Turns",
    "Incoming Feedback", "Net Promoter Score®", "Events",
)  # fmt: skip
SURVEYS_HEADER = (
    "Number", "User", "Date Submitted", "Country", "Source URL", "Device", "Browser", "OS",
    "Hotjar User ID", QUESTION, f"Tags for: {QUESTION}",
)  # fmt: skip
RECORDED = 0.04  # share of the sessions with consent
SCREENS = {"mobile": "390x844", "desktop": "1920x1080", "tablet": "820x1180"}
SITE = "https://shop.example"


def write_hotjar(
    folder: Path,
    people: People,
    visits: Visits,
    clicks: Clicks,
    plants: list[Plant],
    *,
    first_day: date,
    last_day: date,
    rng: np.random.Generator,
) -> tuple[int, int]:
    """Writes `recordings.csv` and `surveys.csv`; returns their rows."""
    folder.mkdir(parents=True, exist_ok=True)
    seen = (visits.attempt >= 0) & ~people.denied[visits.person]
    recorded = np.flatnonzero(seen & (rng.random(len(seen)) < RECORDED))
    recorded = recorded[np.argsort(visits.start[recorded], kind="stable")]
    recordings = _recordings(recorded, people, visits, clicks, rng)
    wanted = max(40, len(people.platform) * 400 // 60_000)
    asked = np.flatnonzero(seen & (visits.high >= 1))
    # People who met a pain point answer the survey more readily.
    eager = np.where(visits.hit[asked] >= 0, 4.0, 1.0)
    chosen = rng.choice(asked, size=min(wanted, len(asked)), replace=False, p=eager / eager.sum())
    chosen = chosen[np.argsort(visits.start[chosen], kind="stable")]
    surveys = _surveys(chosen, people, visits, clicks, plants, rng)
    within = (f"{first_day}", f"{last_day + timedelta(1)}")
    recordings = [row for row in recordings if within[0] <= row[5] < within[1]]
    surveys = [row for row in surveys if within[0] <= row[1] < within[1]]
    numbered = [[str(n), *row] for n, row in enumerate(surveys, start=1)]
    _write(folder / "recordings.csv", RECORDINGS_HEADER, recordings)
    _write(folder / "surveys.csv", SURVEYS_HEADER, numbered)
    return len(recordings), len(numbered)


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def _local(microseconds: int) -> str:
    return f"{datetime.fromtimestamp(microseconds // SECOND, ZONE):%Y-%m-%d %H:%M:%S}"


def _hotjar_user(cookie: int) -> str:
    text = hashlib.md5(b"cookie %d" % cookie, usedforsecurity=False).hexdigest()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _pages(visits: Visits, clicks: Clicks) -> tuple[Ints, Ints, Ints, Ints]:
    """(visits,) first page, page of the last stage reached, pages seen, and end (microseconds)."""
    count = len(visits.start)
    browsing = clicks.event != CODE["refund"]
    visit, page = clicks.visit[browsing], clicks.page[browsing]
    begins = np.concatenate([[True], visit[1:] != visit[:-1]])
    first, product, listed, end = (np.zeros(count, dtype=np.int64) for _ in range(4))
    first[visit[begins]] = page[begins]
    end[visit] = clicks.at[browsing]  # rows are in order, so the last one stays
    shown = clicks.event[browsing]
    product[visit[shown == CODE["view_item"]]] = page[shown == CODE["view_item"]]
    lists = page * ((page >= 1) & (page <= 8))
    listed[visit[lists > 0]] = lists[lists > 0]
    deep = np.select([visits.high == k for k in (2, 3, 4, 5)], [CART, CHECKOUT, PAYMENT, THANKS])
    last = np.where(visits.high == 0, listed, np.where(visits.high == 1, product, deep))
    seen = np.bincount(visit[shown == CODE["page_view"]], minlength=count)
    return first, np.where(last > 0, last, first), seen, end


def _recordings(
    recorded: Ints, people: People, visits: Visits, clicks: Clicks, rng: np.random.Generator
) -> list[list[str]]:
    first, last, seen, end = _pages(visits, clicks)
    hit = visits.hit[recorded] >= 0
    rage = rng.poisson(np.where(hit, 1.3, 0.05)).tolist()
    turns = rng.poisson(np.where(hit, 0.9, 0.12)).tolist()
    clicked = rng.poisson(4 + 5 * seen[recorded]).tolist()
    rows = []
    for n, visit in enumerate(recorded.tolist()):
        device, system, browser, _ = PLATFORMS[visits.platform[visit]]
        country = COUNTRIES[people.country[visits.person[visit]]][0]
        rows.append([
            f"https://insights.hotjar.com/sites/31415/playbacks/{700_000 + n}",
            "FALSE", "FALSE", "0", "N/A", _local(int(visits.start[visit])),
            "New" if visits.session_number[visit] == 1 else "Returning",
            _hotjar_user(int(visits.cookie[visit])), country, str(clicked[n]), str(seen[visit]),
            str(max(1, int(end[visit] - visits.start[visit]) // SECOND)), device.title(), SCREENS[device],
            browser, system, "N/A", SITE + PAGES[first[visit]], SITE + PAGES[last[visit]],
            str(rage[n]), str(turns[n]), "N/A", "N/A", "N/A",
        ])  # fmt: skip
    return rows


def _surveys(
    chosen: Ints,
    people: People,
    visits: Visits,
    clicks: Clicks,
    plants: list[Plant],
    rng: np.random.Generator,
) -> list[list[str]]:
    _, last, _, end = _pages(visits, clicks)
    rows: list[list[str]] = []
    for n, visit in enumerate(chosen.tolist()):
        device, system, browser, _ = PLATFORMS[visits.platform[visit]]
        country = COUNTRIES[people.country[visits.person[visit]]][0]
        stage = STAGES["purchase"][visits.high[visit]]
        hit = int(visits.hit[visit])
        if hit >= 0:
            stage = plants[hit].stage
        complains = hit >= 0 or rng.random() < 0.25
        answers = COMPLAINTS[stage] if complains else NEUTRAL
        answer = TRICKY if n == len(chosen) // 2 else str(rng.choice(answers[_language(country)]))
        rows.append([
            _hotjar_user(int(visits.cookie[visit]))[:8], _local(int(end[visit])), country,
            SITE + PAGES[last[visit]], device.title(), browser, system,
            _hotjar_user(int(visits.cookie[visit])), answer,
            TAGS.get(stage, "") if complains and rng.random() < 0.5 else "",
        ])  # fmt: skip
    return rows


def _language(country: str) -> str:
    return {"Spain": "es", "France": "fr"}.get(country, "en")
