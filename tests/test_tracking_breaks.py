"""Breaks of tracking, planted in a generated log: each is told by its rows and mutes its stages only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
import numpy as np
import pandas as pd
import pytest

from models.journey_file import parse_journey
from pipelines.config_tables import WorldConfig, write_days
from pipelines.engine_settings import EngineSettings
from pipelines.journey_tables import build_tables
from pipelines.staged_schema import empty_lake
from pipelines.vendor_reports import empty_reports
from pipelines.warehouse import open_warehouse

FIRST = date(2026, 1, 5)  # a Monday
DAYS = 49
STAGES = ("view", "item", "cart", "pay", "buy")
RATES = (1.0, 0.6, 0.5, 0.7, 0.8)
JOURNEY = """\
journey: shop
window: 1d
sources: [web]
stages:
  - {name: view, match: [{event: view}]}
  - {name: item, match: [{event: item}]}
  - {name: cart, match: [{event: cart}]}
  - {name: pay, match: [{event: pay}]}
  - {name: buy, match: [{event: buy}], value: value}
segments: [device]
"""

Row = tuple[str, str, date]  # source, check, day
Mute = tuple[str, str | None, str | None, str]  # stage, segment column and value, reason


@dataclass(frozen=True)
class Told:
    """What a build said: rows broken or worrying, their words, and the muted cells of each day."""

    rows: set[Row]
    details: dict[Row, list[str]]
    mutes: dict[date, set[Mute]]
    blind: set[tuple[str, date]]

    def checks(self, day: date) -> set[tuple[str, str]]:
        return {(source, check) for source, check, when in self.rows if when == day}


def shop(seed: int, visitors: float = 320, traffic: Callable[[int], float] = lambda day: 1.0) -> pd.DataFrame:
    """A log of two sources: clicks of `web`, and of every purchase the order in `crm`. Sundays are quiet."""
    rng = np.random.default_rng([1926, seed])
    parts = []
    for day in range(DAYS):
        quiet = 0.4 if day % 7 == 6 else 1.0
        count = rng.poisson(visitors * quiet * traffic(day) * rng.lognormal(0, 0.05))
        depth = (rng.random((count, len(RATES))) < RATES).cumprod(axis=1).sum(axis=1)
        who = np.array([f"{day}-{n}" for n in range(count)], dtype=object)
        mobile = rng.random(count) < 0.6
        systems = np.where(
            mobile,
            np.where(rng.random(count) < 0.5, "iOS", "Android"),
            np.where(rng.random(count) < 0.8, "Windows", "macOS"),
        )
        seconds = rng.integers(8 * 3600, 20 * 3600, count)
        base = pd.DataFrame(
            {
                "day": day, "who": who, "depth": depth, "second": seconds.astype(float), "os": systems,
                "device": np.where(mobile, "mobile", "desktop"),
                "country": rng.choice(["ES", "FR"], count),
            }
        )  # fmt: skip
        for place, stage in enumerate(STAGES):
            came = base[base["depth"] > place]
            for name in (stage, "page_view"):
                parts.append(came.assign(event_name=name, second=came["second"] + 60 * place, source="web"))
        sold = base[base["depth"] == len(STAGES)]
        parts.append(sold.assign(event_name="order", second=sold["second"] + 241, source="crm"))
    log = pd.concat(parts, ignore_index=True)
    log["day"] = pd.Timestamp(FIRST) + pd.to_timedelta(log["day"], unit="D")
    is_sale = log["event_name"].isin(["buy", "order"])
    return log.assign(value=np.where(is_sale, 50.0, np.nan), is_revenue=is_sale)


def told_of(log: pd.DataFrame, *, undelivered: tuple[date, ...] = ()) -> Told:
    sources = sorted(set(log["source"]))
    journey = parse_journey(JOURNEY, "shop.yaml")
    config = WorldConfig(
        "UTC", "EUR", timedelta(minutes=30), {}, [(name, "ga4", True) for name in sources], [journey],
        {"shop": ["web"]},
    )  # fmt: skip
    with open_warehouse(None, EngineSettings()) as connection:
        empty_lake(connection)
        empty_reports(connection)
        connection.register("log", log)
        connection.execute(_STAGE)
        epoch = date(1970, 1, 1)
        write_days(
            connection,
            [
                {
                    "source": source, "day": day, "rows": 1, "is_complete": True, "is_settled": True,
                    "is_to_come": False, "ends_us": ((day - epoch).days + 1) * 86_400_000_000,
                }
                for source in sources
                for day in (FIRST + timedelta(days=n) for n in range(DAYS))
                if day not in undelivered
            ],
        )  # fmt: skip
        build_tables(connection, config)
        return _read(connection)


def _read(connection: duckdb.DuckDBPyConnection) -> Told:
    details: dict[Row, list[str]] = {}
    for source, check, day, detail in connection.execute(
        "select source, check_name, day, detail from marts.tracking_health "
        "where status in ('broken', 'warning') order by all"
    ).fetchall():
        details.setdefault((source, check, day), []).append(detail)
    mutes: dict[date, set[Mute]] = {}
    for day, *mute in connection.execute(
        "select day, stage, segment_column, segment_value, reason from intermediate.tracking_breaks"
    ).fetchall():
        mutes.setdefault(day, set()).add((mute[0], mute[1], mute[2], mute[3]))
    blind = connection.execute(
        "select s.stage, b.day from intermediate.stage_days as b inner join config.stages as s "
        "on b.journey_number = s.journey_number and b.stage_number = s.stage_number where b.is_blind"
    ).fetchall()
    return Told(set(details), details, mutes, set(blind))


_STAGE = """
create or replace table lake.staged_events as
select * from lake.staged_events
union all by name
select
    source, event_name, device, os, country, value, is_revenue,
    'EUR' as currency, who as device_id, who as user_id,
    key_of(source || who) as device_number, key_of(source || 's' || who) as session_number,
    key_of(concat_ws('|', source, event_name, who, second, row_number() over ())) as event_number,
    epoch_us(day) + (second * 1000000)::bigint as event_us,
    0 as event_seq, 1 as copies, '{}' as properties, '(direct)' as source_name, '(none)' as medium
from log
"""

Planted = dict[int, tuple[set[tuple[str, str]], set[Mute]]]
"""Per day of the log: the rows (source, check) and the mutes that a break must have, and nothing else."""

EVENT = ("web", "event_vanished")
STAGE = ("shop", "stage_blind")
GOAL = ("web", "goal_vanished")


def date_of(day: int) -> date:
    return FIRST + timedelta(days=day)


def on(days: range, checks: set[tuple[str, str]], *mutes: Mute) -> Planted:
    return {day: (checks, set(mutes)) for day in days}


def only(told: Told, planted: Planted) -> None:
    """These rows and mutes on these days, and nothing on any other."""
    wanted = {date_of(day): each for day, each in planted.items()}
    assert {day: told.checks(day) for _, _, day in told.rows} == {d: c for d, (c, _) in wanted.items()}
    assert told.mutes == {day: mutes for day, (_, mutes) in wanted.items() if mutes}
    assert told.blind == {
        (stage, day) for day, (_, mutes) in wanted.items() for stage, column, *_ in mutes if column is None
    }


def during(log: pd.DataFrame, days: range, event: str, source: str = "web") -> pd.Series[bool]:
    """Which rows are of an event on some days."""
    first, last = pd.Timestamp(date_of(days[0])), pd.Timestamp(date_of(days[-1]))
    return (log["event_name"] == event) & (log["source"] == source) & log["day"].between(first, last)


def some(log: pd.DataFrame, seed: int) -> pd.Series[bool]:
    return pd.Series(np.random.default_rng(seed).random(len(log)) < 0.7, index=log.index)


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    return shop(1)


def test_a_calm_shop_and_its_quiet_sundays_are_not_remarked(log: pd.DataFrame) -> None:
    only(told_of(log), {})


def test_sales_holidays_and_slow_declines_are_no_breaks() -> None:
    def traffic(day: int) -> float:
        return {20: 2.5, 21: 2.5, 30: 0.12, 44: 0.12, 45: 0.12}.get(day, 1.0)

    log = shop(2, traffic=traffic)
    # ever fewer go on to pay, 8 % less every day for a month, and whoever does not buys nothing
    days = ((log["day"] - pd.Timestamp(date_of(18))) / pd.Timedelta(days=1)).clip(0, 30)
    patience = log["who"].map(
        dict(zip(log["who"].unique(), np.random.default_rng(3).random(len(log)), strict=False))
    )
    only(told_of(log[~((patience > 0.92**days) & log["event_name"].isin(["pay", "buy", "order"]))]), {})


@pytest.mark.parametrize("seed", [11, 12])
def test_a_small_new_shop_raises_no_noise(seed: int) -> None:
    only(told_of(shop(seed, visitors=18)), {})


def test_an_event_that_vanishes_blinds_its_stage_for_those_who_lost_it(log: pd.DataFrame) -> None:
    everywhere, phones, apples = range(23, 26), range(28, 31), range(33, 36)
    renamed, sundays_too = during(log, range(44, 49), "cart"), range(44, 49)
    gone = during(log, everywhere, "pay")
    gone |= during(log, phones, "cart") & (log["device"] == "mobile")
    gone |= during(log, apples, "item") & (log["os"] == "iOS")
    told = told_of(log.assign(event_name=log["event_name"].mask(renamed, "cart_v2"))[~gone])
    only(
        told,
        on(everywhere, {EVENT, STAGE}, ("pay", None, None, "event_vanished"))
        # the phones say it; that both their systems lost it need not be said again
        | on(phones, {EVENT, STAGE}, ("cart", "device", "mobile", "event_vanished"))
        | on(apples, {EVENT, STAGE}, ("item", "os", "iOS", "event_vanished"))
        | on(sundays_too, {("web", "event_renamed"), STAGE}, ("cart", None, None, "event_renamed")),
    )
    assert 'event "pay" came 0 times' in told.details["web", "event_vanished", date_of(23)][0]
    (phone,) = told.details["web", "event_vanished", date_of(28)]
    assert "of device mobile" in phone
    for day in sundays_too:
        assert 'while "cart_v2" began' in told.details["web", "event_renamed", date_of(day)][0]


def test_what_comes_wrong_is_told_and_mutes_only_what_it_hides(log: pd.DataFrame) -> None:
    seen, skipped, twice, free = range(23, 26), range(30, 33), range(37, 40), range(44, 47)
    again = log[during(log, twice, "cart") & some(log, 5)]
    broken = log.assign(value=log["value"].mask(during(log, free, "buy"), 0.0))
    broken = broken[~(during(log, seen, "buy") | (during(log, skipped, "cart") & some(log, 4)))]
    told = told_of(pd.concat([broken, again.assign(second=again["second"] + 0.4)]))
    only(
        told,
        on(seen, {EVENT, GOAL}, ("buy", None, None, "event_vanished"))
        | on(skipped, {STAGE}, ("cart", None, None, "stage_skipped"))
        | on(twice, {("web", "events_repeated")})
        | on(free, {("web", "revenue_missing")}),
    )
    assert "but crm still saw it" in told.details["web", "goal_vanished", date_of(23)][0]
    assert "people were in the stage behind it" in told.details["shop", "stage_blind", date_of(30)][0]


def test_a_goal_that_nobody_confirms_is_urgent_and_a_day_not_delivered_blinds_all(log: pd.DataFrame) -> None:
    urgent, unpriced, missing = range(30, 33), range(46, 49), range(44, 45)
    web = log[log["source"] == "web"]
    web = web[~(during(web, urgent, "buy") | (web["day"] == pd.Timestamp(date_of(44))))]
    web = web.assign(value=web["value"].mask(during(web, unpriced, "buy")))
    told = told_of(web, undelivered=(date_of(44),))
    every_stage: list[Mute] = [(stage, None, None, "day_missing") for stage in STAGES]
    only(
        told,
        on(urgent, {EVENT, GOAL}, ("buy", None, None, "event_vanished"))
        | on(missing, {("web", "day_missing"), STAGE}, *every_stage)
        | on(unpriced, {("web", "revenue_missing")}),
    )
    assert "URGENT" in told.details["web", "goal_vanished", date_of(30)][0]


def test_orders_that_stop_in_every_source_are_judged_and_an_empty_day_is_not(log: pd.DataFrame) -> None:
    stopped, empty = range(37, 40), range(44, 45)
    gone = during(log, stopped, "buy") | during(log, stopped, "order", "crm")
    told = told_of(log[~(gone | ((log["source"] == "web") & (log["day"] == pd.Timestamp(date_of(44)))))])
    every_stage: list[Mute] = [(stage, None, None, "source_silent") for stage in STAGES]
    only(
        told,
        on(stopped, {EVENT, GOAL, ("crm", "source_silent")})
        | on(empty, {("web", "source_silent"), STAGE}, *every_stage),
    )
    assert "crm lost it too" in told.details["web", "goal_vanished", date_of(37)][0]
