"""The main job on real GA4 data, held against direct counts over the raw files.

The files are the public obfuscated sample of a merchandise store in the BigQuery export's schema of
2021. They are not part of the repository; without them these tests skip.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import Painpoints
from journey_oracle import Journey, read_user, stage_funnel

PROJECT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("PAINPOINTS_GA4_SAMPLE", PROJECT.parent / "shared" / "data" / "ga4_export"))
HORIZON = datetime(2021, 1, 20)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not list(DATA.glob("events_*.parquet")),
        reason="the GA4 sample files are not here; PAINPOINTS_GA4_SAMPLE names their folder",
    ),
]

STAGES = ("session_start", "view_item", "add_to_cart", "begin_checkout", "add_payment_info", "purchase")
IDEALS = {
    "view_item": 0.25,
    "add_to_cart": 0.2,
    "begin_checkout": 0.4,
    "add_payment_info": 0.6,
    "purchase": 0.7,
}
JOURNEY = "journey: shop\nwindow: 7d\nsegments: [device, channel, country, is_new_user]\nstages:\n" + "".join(
    f"  - {{name: {name}, match: [{{event: {name}}}]"
    + (f", ideal: {{conversion: {IDEALS[name]}}}" if name in IDEALS else "")
    + "}\n"
    for name in STAGES
)
RAW = f"read_parquet('{DATA.as_posix()}/events_*.parquet')"
SESSION = "list_filter(event_params, lambda p: p.key = 'ga_session_id')[1].value.int_value"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory, painpoints: Painpoints) -> Path:
    folder = tmp_path_factory.mktemp("real") / "shop"
    (folder / "journeys").mkdir(parents=True)
    config = f'timezone = "UTC"\ncurrency = "USD"\n[sources.ga4]\nfiles = "{DATA.as_posix()}/*.parquet"\n'
    (folder / "painpoints.toml").write_text(config, "utf-8")
    (folder / "journeys" / "shop.yaml").write_text(JOURNEY, "utf-8")
    done = painpoints("run", "--workspace", folder)
    assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="module")
def published(workspace: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(workspace / "painpoints.duckdb"), read_only=True) as connection:
        yield connection


def one(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    row: tuple[Any, ...] = connection.execute(query).fetchall()[0]
    return row


@pytest.fixture(scope="module")
def counted(published: duckdb.DuckDBPyConnection) -> str:
    """The name of a table beside the published ones: the raw rows that count, read from the files once.

    A purchase counts once per user and transaction; "(not set)" is no transaction.
    """
    published.execute(
        f"""
        create temp table counted as
        with numbered as (
            select *, {SESSION} as ga_session_id, row_number() over (
                partition by user_pseudo_id, event_name, ecommerce.transaction_id
                order by event_timestamp, event_bundle_sequence_id
            ) as copy
            from (select distinct * from {RAW})
        )
        select user_pseudo_id, event_date, event_timestamp, event_name, ga_session_id, ecommerce
        from numbered
        where not (event_name = 'purchase' and copy > 1 and ecommerce.transaction_id is not null
            and ecommerce.transaction_id not in ('', '(not set)'))
        """
    )
    return "temp.counted"


def test_events_users_sessions_and_revenue_equal_the_raw_files(
    published: duckdb.DuckDBPyConnection, counted: str
) -> None:
    raw = one(
        published,
        f"""select count(*), count(distinct user_pseudo_id),
            count(distinct user_pseudo_id || '.' || ga_session_id),
            sum(ecommerce.purchase_revenue) filter (where event_name = 'purchase') from {counted}""",
    )
    ours = one(
        published,
        """select count(*), count(distinct user_key), count(distinct session_id),
            sum(value) filter (where event_name = 'purchase') from marts.events""",
    )
    assert ours == raw
    sessions = one(published, "select count(*), sum(event_count), sum(value) from marts.sessions")
    assert sessions == (raw[2], raw[0], raw[3])


def test_events_per_name_and_day_equal_the_raw_files(
    published: duckdb.DuckDBPyConnection, counted: str
) -> None:
    query = "select event_name, {day} as day, count(*) from {events} group by all order by all"
    raw = query.format(day="strptime(event_date, '%Y%m%d')::date", events=counted)
    ours = query.format(day="event_at::date", events="marts.events")
    assert published.execute(ours).fetchall() == published.execute(raw).fetchall()


def test_sessions_that_cross_midnight_stay_whole(published: duckdb.DuckDBPyConnection, counted: str) -> None:
    raw = published.execute(
        f"""select user_pseudo_id, count(*), min(event_timestamp), max(event_timestamp)
            from {counted} group by user_pseudo_id, ga_session_id
            having count(distinct event_date) > 1 order by all"""
    ).fetchall()
    ours = published.execute(
        """select e.device_id, s.event_count, epoch_us(s.started_at), epoch_us(s.ended_at)
            from marts.sessions as s inner join (select distinct session_id, device_id from marts.events) as e
                on s.session_id = e.session_id
            where s.started_at::date <> s.ended_at::date order by all"""
    ).fetchall()
    assert raw
    assert ours == raw


def test_the_funnel_equals_a_reading_of_the_raw_files_user_by_user(
    published: duckdb.DuckDBPyConnection, counted: str
) -> None:
    """Attempts are rebuilt from raw rows by the plain-Python oracle; totals per stage must agree."""
    rows = published.execute(
        f"""
        with marked as (
            select *, row_number() over (s order by event_timestamp) as place,
                row_number() over (s order by event_timestamp desc) as place_from_end
            from {counted} window s as (partition by user_pseudo_id, ga_session_id)
        )
        select user_pseudo_id, make_timestamp(event_timestamp), event_name, ga_session_id::varchar,
            ecommerce.transaction_id, ecommerce.purchase_revenue
        from marked
        -- the oracle needs the stages, and where each session starts and ends
        where event_name in {STAGES} or place = 1 or place_from_end = 1
        order by user_pseudo_id, event_timestamp
        """
    ).fetchall()
    journey = Journey.parse(JOURNEY)
    attempts = []
    for user, own in groupby(rows, key=lambda row: row[0]):
        events = [
            {
                "source": "ga4",
                "device_id": user,
                "user_id": None,
                "event_at": at,
                "event_seq": 0,
                "event_id": str(number),
                "event_name": name,
                "vendor_session_id": session,
                "transaction_id": None if transaction in (None, "", "(not set)") else transaction,
                "value": revenue,
                "currency": "USD",
            }
            | dict.fromkeys(("page", "device", "os", "browser", "country", "channel", "is_new_user"))
            for number, (_, at, name, session, transaction, revenue) in enumerate(own)
        ]
        attempts += read_user(events, [journey], "UTC", 1800, HORIZON, "USD").attempts["shop"]
    totals: dict[str, list[int]] = {name: [0] * 6 for name in STAGES}
    for key, row in stage_funnel(attempts).items():
        counts = (row.reached, row.advanced, row.still_open, row.lost, row.matured, row.matured_advanced)
        totals[key[-1]] = [total + count for total, count in zip(totals[key[-1]], counts, strict=True)]
    ours = published.execute(
        """select stage, sum(reached), sum(advanced), sum(still_open), sum(lost), sum(matured),
            sum(matured_advanced) from marts.stage_funnel group by stage"""
    ).fetchall()
    assert {row[0]: [int(count) for count in row[1:]] for row in ours} == totals
    value = sum(attempt.value or 0 for attempt in attempts)
    assert one(published, "select sum(value) from marts.attempts")[0] == pytest.approx(value)
    outcomes = dict(published.execute("select outcome, count(*) from marts.attempts group by 1").fetchall())
    assert sum(outcomes.values()) == len(attempts)
    assert outcomes["open"] == sum(attempt.outcome == "open" for attempt in attempts)


def test_every_finding_is_reproduced_by_its_own_sql(published: duckdb.DuckDBPyConnection) -> None:
    findings = published.execute("select sql, attempts, observed from marts.pain_points").fetchall()
    assert findings, "the ideals of this journey are above what the store reaches"
    for query, attempts, observed in findings:
        counted, successes = one(published, query)
        assert counted == attempts
        assert successes == pytest.approx(observed * attempts)


def test_a_second_run_changes_nothing(
    workspace: Path, painpoints: Painpoints, published: duckdb.DuckDBPyConnection
) -> None:
    tables = ("events", "sessions", "stage_visits", "attempts", "stage_funnel", "pain_points")
    before = {name: digest(published, name) for name in tables}
    done = painpoints("run", "--workspace", workspace)
    assert done.code == 0, done.err
    assert "15 files unchanged" in done.out
    # opened anew under another path, as this process still holds the file of the first run
    link = workspace / "second.duckdb"
    link.hardlink_to(workspace / "painpoints.duckdb")
    with duckdb.connect(str(link), read_only=True) as again:
        assert {name: digest(again, name) for name in tables} == before


def digest(connection: duckdb.DuckDBPyConnection, table: str) -> tuple[Any, ...]:
    return one(connection, f"select count(*), bit_xor(hash(t)) from marts.{table} as t")
