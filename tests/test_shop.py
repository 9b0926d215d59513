"""The synthetic shop: its files look like the vendors', and its truth is really in them."""

import csv
import gzip
import itertools
import json
from collections import defaultdict
from dataclasses import fields
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import stats

from connectors.shop import DEMO_IDEALS, Plant, generate_shop
from connectors.shop_ga4_schema import SCHEMA
from connectors.shop_plants import detection_probability, draw_plants
from connectors.shop_segments import NEW_SHARE, STAGES, leaves
from connectors.shop_world import draw_attempts, draw_people

LAST_DAY = date(2026, 11, 20)  # the 60 days before hold the end of summer time
DAYS, USERS, SEED = 60, 15_000, 7
FIRST_DAY = LAST_DAY - timedelta(DAYS - 1)
WINDOW = 7 * 86_400 * 1_000_000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Plant]]:
    folder = tmp_path_factory.mktemp("shop")
    return folder, generate_shop(folder, seed=SEED, days=DAYS, users=USERS, last_day=LAST_DAY)


@pytest.fixture(scope="module")
def ga4(shop: tuple[Path, list[Plant]]) -> duckdb.DuckDBPyConnection:
    """Table `raw`: every row of the GA4 files, as received."""
    con = duckdb.connect()
    con.execute(
        "create table raw as select *, "
        "list_filter(event_params, lambda p: p.key = 'ga_session_id')[1].value.int_value as session, "
        "list_filter(event_params, lambda p: p.key = 'page_location')[1].value.string_value as url "
        "from read_parquet(?)",
        [str(shop[0] / "exports/ga4/events_*.parquet")],
    )
    return con


@pytest.fixture(scope="module")
def lines(shop: tuple[Path, list[Plant]]) -> list[dict[str, Any]]:
    rows = []
    for path in sorted((shop[0] / "exports/mixpanel").glob("*.jsonl.gz")):
        for line in gzip.decompress(path.read_bytes()).decode().splitlines():
            rows.append({"file": path.name[:10], **json.loads(line)})
    return rows


def one(con: duckdb.DuckDBPyConnection, query: str) -> Any:
    return con.execute(query).fetchall()[0][0]


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for copy, seed in (("a", 3), ("b", 3), ("c", 4)):
        generate_shop(tmp_path / copy, seed=seed, days=12, users=600, last_day=LAST_DAY)
    names = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert len(names) == 12 + 12 + 3
    for name in names:
        content = (tmp_path / "a" / name).read_bytes()
        assert content == (tmp_path / "b" / name).read_bytes(), name
        assert content != (tmp_path / "c" / name).read_bytes(), name


def test_every_day_has_its_files_and_truth_has_its_keys(shop: tuple[Path, list[Plant]]) -> None:
    folder, plants = shop
    days = [FIRST_DAY + timedelta(n) for n in range(DAYS)]
    ga4_files = sorted(p.name for p in (folder / "exports/ga4").iterdir())
    assert ga4_files == [f"events_{day:%Y%m%d}.parquet" for day in days]
    mixpanel_files = sorted(p.name for p in (folder / "exports/mixpanel").iterdir())
    assert mixpanel_files == [f"{day}.jsonl.gz" for day in days]
    truth = json.loads((folder / "truth.json").read_text())
    assert [list(row) for row in truth] == [[f.name for f in fields(Plant)]] * 4
    assert [row["started_on"] for row in truth] == [
        None if p.started_on is None else p.started_on.isoformat() for p in plants
    ]
    assert sorted(row["kind"] for row in truth) == ["below_ideal"] + ["regression"] * 3
    assert len({(row["journey"], row["stage"]) for row in truth}) == 4


def test_ga4_has_todays_export_schema(shop: tuple[Path, list[Plant]]) -> None:
    schema = pq.read_schema(sorted((shop[0] / "exports/ga4").iterdir())[0])
    assert schema.equals(SCHEMA)
    for name in ("batch_page_id", "batch_ordering_id", "batch_event_index", "is_active_user"):
        assert name in schema.names
    channel = schema.field("session_traffic_source_last_click").type.field("cross_channel_campaign")
    assert channel.type.field("default_channel_group").type == "string"


def test_ga4_days_are_those_of_the_property(ga4: duckdb.DuckDBPyConnection) -> None:
    ga4.execute("load icu")
    wrong = """
        select count(*) from raw where event_date <> strftime(timezone('Europe/Madrid',
            to_timestamp(event_timestamp / 1000000.0)), '%Y%m%d')
    """
    assert one(ga4, wrong) == 0
    across = """
        select count(*) from (select user_pseudo_id, session from raw where session is not null
        group by all having count(distinct event_date) > 1)
    """
    assert one(ga4, across) >= DAYS // 6  # sessions are not cut at midnight


def test_ga4_dirt_is_there_at_the_promised_rates(ga4: duckdb.DuckDBPyConnection) -> None:
    total = one(ga4, "select count(*) from raw")
    distinct = one(ga4, "select count(*) from (select distinct * from raw)")
    assert (total - distinct) / total == pytest.approx(0.003, abs=0.001)
    denied = one(ga4, "select count(*) from raw where user_pseudo_id is null")
    assert denied / total == pytest.approx(0.037, abs=0.01)
    assert one(ga4, "select count(*) from raw where user_pseudo_id is null and user_id is not null") == 0
    assert one(ga4, "select count(*) from raw where user_pseudo_id is null and session is not null") == 0
    purchases = one(ga4, "select count(*) from raw where event_name = 'purchase'")
    repeated = one(
        ga4,
        """select count(*) from (select ecommerce.transaction_id as t from raw
        where event_name = 'purchase' and t <> '(not set)'
        group by t having count(distinct event_timestamp) > 1 and count(distinct user_pseudo_id) <= 1)""",
    )
    unset = one(ga4, "select count(*) from raw where ecommerce.transaction_id = '(not set)'")
    refunds = one(ga4, "select count(*) from raw where event_name = 'refund'")
    assert 0.005 < repeated / purchases < 0.04
    assert 0 < unset / purchases < 0.03
    assert 0 < refunds / purchases < 0.04


def test_ties_are_told_apart_only_by_the_batch_columns(ga4: duckdb.DuckDBPyConnection) -> None:
    ga4.execute(
        """create or replace temp table tied as select *, count(*) over same as together,
        count(*) over (partition by user_pseudo_id, event_timestamp, batch_page_id, batch_ordering_id,
                       batch_event_index) as twins
        from (select distinct * from raw where user_pseudo_id is not null and event_name <> 'refund')
        window same as (partition by user_pseudo_id, event_timestamp)"""
    )
    assert one(ga4, "select avg((together > 1)::int) from tied") > 0.3
    assert one(ga4, "select max(twins) from tied") == 1
    order = """
        select event_name, string_agg(event_name, '>') over (partition by user_pseudo_id, event_timestamp
            order by batch_page_id, batch_ordering_id, batch_event_index
            rows between unbounded preceding and unbounded following) as story
        from tied where event_name in ('begin_checkout', 'add_payment_info')
    """
    stories = {story for _, story in ga4.execute(order).fetchall() if ">" in story}
    assert stories == {"begin_checkout>add_payment_info"}


def test_purchases_carry_money_and_items(ga4: duckdb.DuckDBPyConnection) -> None:
    query = """
        select ecommerce.purchase_revenue, items[1].item_revenue, length(items[1].item_params),
            list_filter(event_params, lambda p: p.key = 'value')[1].value.double_value,
            list_filter(event_params, lambda p: p.key = 'currency')[1].value.string_value,
            list_filter(event_params, lambda p: p.key = 'transaction_id')[1].value.string_value
                = ecommerce.transaction_id
        from raw where event_name = 'purchase'
    """
    rows = ga4.execute(query).fetchall()
    for revenue, item, params, value, currency, same in rows:
        assert revenue == item == value
        assert (params, currency, same) == (1, "EUR", True)
    assert np.median([row[0] for row in rows]) == pytest.approx(55, rel=0.1)


def stage_events(con: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[int, int, dict[str, str]]]]:
    """Per stitched user: (microseconds, stage number, segment values), by time."""
    query = """
        with known as (select user_pseudo_id, max(user_id) as user_id from raw
                       where user_id is not null group by all),
        staged as (
            select distinct coalesce(known.user_id, raw.user_pseudo_id) as who, event_timestamp,
                case when event_name = 'view_item_list' then 0
                     when event_name = 'page_view' and url like '%/collections/%' then 0
                     when event_name = 'view_item' then 1 when event_name = 'add_to_cart' then 2
                     when event_name = 'begin_checkout' then 3
                     when event_name = 'add_payment_info' then 4
                     when event_name = 'purchase' then 5 end as stage,
                device.category, device.web_info.browser, geo.country,
                session_traffic_source_last_click.cross_channel_campaign.default_channel_group
            from raw left join known using (user_pseudo_id) where user_pseudo_id is not null)
        select * from staged where stage is not null order by who, event_timestamp, stage
    """
    users: dict[str, list[tuple[int, int, dict[str, str]]]] = defaultdict(list)
    for who, at, stage, *values in con.execute(query).fetchall():
        segment = dict(zip(("device", "browser", "country", "channel"), values, strict=True))
        users[who].append((at, stage, segment))
    return users


@pytest.fixture(scope="module")
def attempts(ga4: duckdb.DuckDBPyConnection) -> list[tuple[date, dict[str, str], frozenset[int]]]:
    """Entry day (UTC is near enough), segment values and stages reached of every attempt."""
    found: list[tuple[date, dict[str, str], frozenset[int]]] = []
    for events in stage_events(ga4).values():
        opened, segment, reached, bought = None, {}, set[int](), False
        for at, stage, values in [*events, (1 << 62, 0, {})]:
            if opened is not None and at > opened + WINDOW:
                day = date(1970, 1, 1) + timedelta(opened // 86_400_000_000)
                found.append((day, segment, frozenset(reached)))
                opened = None
            if opened is None and stage == 0:
                opened, segment, reached, bought = at, values, set(), False
            if opened is not None and not bought:
                reached.add(stage)
                bought = stage == 5
    return found


def counts(
    attempts: list[tuple[date, dict[str, str], frozenset[int]]],
    stage: int,
    segment: str,
    days: tuple[date, date],
    *,
    outside: bool = False,
) -> tuple[int, int]:
    wanted = [] if segment == "all" else [pair.split("=") for pair in segment.split(" & ")]
    reached = [
        stages
        for day, values, stages in attempts
        if days[0] <= day < days[1] and stage in stages
        if all(values[key] == value for key, value in wanted) != outside
    ]
    return len(reached), sum(stage + 1 in stages for stages in reached)


def ratio_and_error(before: tuple[int, int], after: tuple[int, int]) -> tuple[float, float]:
    """Ratio of the two rates, and the standard error of its logarithm."""
    (n0, k0), (n1, k1) = before, after
    return (k1 / n1) / (k0 / n0), float(np.sqrt(1 / k0 - 1 / n0 + 1 / k1 - 1 / n1))


MATURE = LAST_DAY - timedelta(8)
SHOCK = 0.03  # what the days' own shocks add to the error of a ratio


def test_planted_regressions_are_in_the_ga4_files(
    shop: tuple[Path, list[Plant]], attempts: list[tuple[date, dict[str, str], frozenset[int]]]
) -> None:
    for plant in [p for p in shop[1] if p.journey == "purchase" and p.started_on is not None]:
        onset, step = plant.started_on, STAGES["purchase"].index(plant.stage)
        assert onset is not None
        periods = (FIRST_DAY, onset), (onset, MATURE)
        ratio, error = ratio_and_error(*(counts(attempts, step, plant.segment, days) for days in periods))
        assert np.log(ratio) == pytest.approx(np.log1p(plant.relative_change), abs=3.5 * error + SHOCK)
        assert np.log(ratio) < -2.5 * error
        elsewhere = [counts(attempts, step, plant.segment, days, outside=True) for days in periods]
        ratio, error = ratio_and_error(*elsewhere)
        assert abs(np.log(ratio)) < 3.5 * error + SHOCK


def test_the_standing_gap_is_there_and_no_other(
    shop: tuple[Path, list[Plant]], attempts: list[tuple[date, dict[str, str], frozenset[int]]]
) -> None:
    onset = min(p.started_on for p in shop[1] if p.started_on is not None)
    gap = next(p for p in shop[1] if p.kind == "below_ideal")
    for step, (stage, following) in enumerate(itertools.pairwise(STAGES["purchase"])):
        ideal = DEMO_IDEALS["purchase"][following]
        reached, advanced = counts(attempts, step, "all", (FIRST_DAY, onset))
        error = 3.5 * np.sqrt(1 / advanced - 1 / reached) + SHOCK
        against_ideal = advanced / reached / ideal - 1
        if stage == gap.stage:
            assert against_ideal == pytest.approx(gap.relative_change, abs=error)
        else:
            assert against_ideal > 0.05


def test_nothing_drops_where_nothing_is_planted(
    shop: tuple[Path, list[Plant]], attempts: list[tuple[date, dict[str, str], frozenset[int]]]
) -> None:
    planted = {p.stage for p in shop[1] if p.kind == "regression"}
    onset = min(p.started_on for p in shop[1] if p.started_on is not None)
    quiet = [step for step in range(5) if STAGES["purchase"][step] not in planted]
    assert quiet
    for step in quiet:
        for segment in ("all", "device=mobile", "country=Spain", "channel=Organic Search"):
            before = counts(attempts, step, segment, (FIRST_DAY, onset))
            after = counts(attempts, step, segment, (onset, MATURE))
            ratio, error = ratio_and_error(before, after)
            assert abs(np.log(ratio)) < 3.5 * error + SHOCK, (step, segment)


def test_some_converters_come_back_and_some_use_two_devices(ga4: duckdb.DuckDBPyConnection) -> None:
    later = one(
        ga4,
        """with buys as (select user_pseudo_id, session from raw where event_name = 'purchase'
                         and session is not null group by all),
        carts as (select user_pseudo_id, session from raw where event_name = 'add_to_cart'
                  group by all)
        select avg((carts.session is null)::int) from buys left join carts using (user_pseudo_id, session)""",
    )
    assert 0.04 < later < 0.2  # of 13 % who buy on a later visit, two thirds had filled the cart before
    two = one(
        ga4,
        """select count(*) from (select user_id from raw where user_id is not null
        group by all having count(distinct user_pseudo_id) = 2)""",
    )
    accounts = one(ga4, "select count(distinct user_id) from raw")
    assert 0.05 < two / accounts < 0.25
    most = "select max(n) from (select count(distinct user_id) n from raw group by user_pseudo_id)"
    assert one(ga4, most) == 1


def test_mixpanel_lines_parse_and_are_as_dirty_as_promised(lines: list[dict[str, Any]]) -> None:
    day = 86_400
    ids = [line["properties"].get("$insert_id") for line in lines]
    named = [i for i in ids if i is not None]
    assert (len(named) - len(set(named))) / len(named) == pytest.approx(0.01, abs=0.004)
    assert ids.count(None) / len(ids) == pytest.approx(0.02, abs=0.006)
    for line in lines:
        properties = line["properties"]
        assert date(1970, 1, 1) + timedelta(properties["time"] // day) == date.fromisoformat(line["file"])
        known = properties.get("$user_id")
        assert properties["distinct_id"] == (known or f"$device:{properties['$device_id']}")
        assert (known is None) == (line["event"] in ("Page Viewed", "Sign Up Started"))


def test_planted_onboarding_drop_is_in_the_mixpanel_files(
    shop: tuple[Path, list[Plant]], lines: list[dict[str, Any]]
) -> None:
    plant = next(p for p in shop[1] if p.journey == "onboarding")
    assert plant.started_on is not None
    events = ("Sign Up Started", "Email Verified", "Profile Completed", "First Order Placed")
    step = STAGES["onboarding"].index(plant.stage)
    started: dict[str, tuple[date, dict[str, Any]]] = {}
    reached: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        properties = line["properties"]
        reached[properties["$device_id"]].add(line["event"])
        if line["event"] == events[0]:
            started[properties["$device_id"]] = (date.fromisoformat(line["file"]), properties)
    totals = {period: [0, 0] for period in itertools.product((0, 1), (0, 1))}
    column = {"device": "device", "country": "mp_country_code"}
    for device, (day, properties) in started.items():
        if day >= MATURE or events[step] not in reached[device]:
            continue
        key, _, value = plant.segment.partition("=")
        inside = plant.segment == "all" or properties[column[key]] == value
        total = totals[int(inside), int(day >= plant.started_on)]
        total[0] += 1
        total[1] += events[step + 1] in reached[device]
    ratio, error = ratio_and_error((totals[1, 0][0], totals[1, 0][1]), (totals[1, 1][0], totals[1, 1][1]))
    assert np.log(ratio) == pytest.approx(np.log1p(plant.relative_change), abs=3.5 * error + SHOCK)
    if plant.segment != "all":
        ratio, error = ratio_and_error((totals[0, 0][0], totals[0, 0][1]), (totals[0, 1][0], totals[0, 1][1]))
        assert abs(np.log(ratio)) < 3.5 * error + SHOCK


def test_mixpanel_and_ga4_know_the_same_people(
    ga4: duckdb.DuckDBPyConnection, lines: list[dict[str, Any]]
) -> None:
    accounts = {row[0] for row in ga4.execute("select distinct user_id from raw").fetchall()} - {None}
    orders = {row[0] for row in ga4.execute("select distinct ecommerce.transaction_id from raw").fetchall()}
    mirrored = [line["properties"] for line in lines if line["event"] == "Order Completed"]
    assert mirrored
    # The last UTC day ends after the last local day: what happens then is in Mixpanel only.
    shared = [p for p in mirrored if p["$user_id"] in accounts and p["order_id"] in orders]
    assert len(shared) >= 0.97 * len(mirrored)
    signed_up = {line["properties"]["$user_id"] for line in lines if line["event"] == "Email Verified"}
    assert len(signed_up & accounts) > 100


def read_csv(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_hotjar_headers_are_the_vendors(shop: tuple[Path, list[Plant]]) -> None:
    header, *rows = read_csv(shop[0] / "exports/hotjar/recordings.csv")
    assert ", ".join(header) == (
        "Recording URL, Publicly Shared, Already Watched, Comments, Labels, Created, New / Returning, "
        "Hotjar User ID, Country, Action Count, Page Count, Duration (seconds), Device, "
        "Device Screen Size, Browser, Operating System, Referrer URL, Landing Page URL, Exit Page URL, "
        "Rage Clicks, U-Turns, Incoming Feedback, Net Promoter Score®, Events"
    )
    assert {len(row) for row in rows} == {len(header)}
    header, *answers = read_csv(shop[0] / "exports/hotjar/surveys.csv")
    question = "What nearly stopped you from buying?"
    assert header == [
        *("Number", "User", "Date Submitted", "Country", "Source URL", "Device", "Browser", "OS"),
        *("Hotjar User ID", question, f"Tags for: {question}"),
    ]
    tricky = [row[9] for row in answers if {",", '"', "<", "😡"} <= set(row[9])]
    assert tricky
    assert "<b>" in tricky[0]


def test_rage_clicks_gather_where_people_are_stopped(shop: tuple[Path, list[Plant]]) -> None:
    gap = next(p for p in shop[1] if p.kind == "below_ideal")
    page = {"discover": "/collections/", "consider": "/products/", "cart": "/cart",
            "checkout": "/checkout", "pay": "/checkout/payment"}[gap.stage]  # fmt: skip
    rows = read_csv(shop[0] / "exports/hotjar/recordings.csv")[1:]
    here = [int(row[19]) for row in rows if page in row[18]]
    bought = [int(row[19]) for row in rows if "thank-you" in row[18]]
    assert np.mean(here) > 0.2 > np.mean(bought)


@pytest.mark.parametrize("seed", range(20))
def test_every_plant_of_the_default_shop_can_be_seen(seed: int) -> None:
    plants = draw_plants(seed, days=90, users=45_000, last_day=LAST_DAY)
    assert min(plant.power for plant in plants) >= 0.95
    for plant in plants:
        assert -0.45 <= plant.relative_change <= -0.25
        if plant.started_on is not None:
            assert 24 <= (LAST_DAY - plant.started_on).days <= 34
        pairs = plant.segment.split(" & ")
        assert pairs == sorted(pairs)
        assert leaves(plant.journey).inside(plant.segment).any()


def test_a_tiny_shop_says_that_its_plants_cannot_be_seen() -> None:
    plants = draw_plants(1, days=30, users=600, last_day=LAST_DAY)
    assert min(plant.power for plant in plants) < 0.5


def test_detection_probability_agrees_with_an_exact_sum() -> None:
    n, reference, rate = 200, 0.4, 0.25
    k = np.arange(n + 1)
    deviance = 2 * (stats.entropy([k / n, 1 - k / n], [[reference] * (n + 1), [1 - reference] * (n + 1)]) * n)
    seen = (np.sqrt(deviance) >= 4.5) & (k < n * reference)
    exact = stats.binom.pmf(k[seen], n, rate).sum()
    assert 0.2 < exact < 0.8
    assert detection_probability(n, reference, rate) == pytest.approx(exact, abs=1e-9)


def test_ideals_lie_a_little_below_every_larger_segment() -> None:
    for journey, stages in STAGES.items():
        grid = leaves(journey)
        names = [
            [f"{column}={value}" for value in sorted(set(grid.values[column]))]
            for column in sorted(grid.values)
        ]
        singles = [pair for column in names for pair in column]
        pairs = [f"{a} & {b}" for x, y in itertools.combinations(names, 2) for a in x for b in y]
        for step, following in enumerate(stages[1:]):
            rates = []
            for segment in ["all", *singles, *pairs]:
                inside = grid.inside(segment)
                if grid.share[inside].sum() >= 0.05:
                    rates.append(np.average(grid.rates[inside, step], weights=grid.share[inside]))
            assert 0.85 < DEMO_IDEALS[journey][following] / min(rates) < 0.90


def test_the_share_of_new_visitors_is_what_power_assumes() -> None:
    rng = np.random.default_rng(5)
    people = draw_people(rng, 20_000)
    attempts = draw_attempts(rng, people, [], date(2026, 8, 23), 90)
    new = leaves("purchase").values["is_new_user"][attempts.leaf] == "true"
    assert new.mean() == pytest.approx(NEW_SHARE, abs=0.02)
