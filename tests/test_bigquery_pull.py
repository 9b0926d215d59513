"""GA4's BigQuery export: what lands, what it costs, and what a user sees of each failure."""

from __future__ import annotations

import json
import logging
import random
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bigquery_server import (
    SCANNED_BYTES_A_ROW,
    SCHEMA_OF_2021,
    Abort,
    BigQueryServer,
    EndEarly,
    Garbage,
    RawBody,
    Refusal,
    Rewrite,
    Rows,
    Trouble,
)
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.api_core.exceptions import Forbidden

from connectors.bigquery_access import ExportAccess
from connectors.bigquery_export import BigQueryExport, check_bigquery, pull_bigquery
from connectors.day_pull import Nights
from connectors.day_range import EVERY_DAY, DayRange
from connectors.errors import (
    AccessDenied,
    AnswerBroken,
    CredentialMissing,
    FileForeign,
    PullTooCostly,
    QuotaExhausted,
    RequestRefused,
    SourceError,
    VendorUnavailable,
)
from connectors.ga4_export import SCHEMA
from connectors.landing import SourceLake
from connectors.manifest import PARTIAL, Manifest
from connectors.patience import Patience
from connectors.pull_report import PullReport
from connectors.secret import Secret
from pipelines.engine_settings import EngineSettings
from pipelines.source_settings import Ga4Source
from pipelines.staging_day import STAGINGS, DayToStage, stage_share

MADRID = ZoneInfo("Europe/Madrid")
TODAY = date(2026, 3, 5)
NOON = datetime(2026, 3, 5, 12, tzinfo=UTC)
D1, D2, D3, D4 = (TODAY - timedelta(days=number) for number in (4, 3, 2, 1))
DATASET = "events"


def table_of(day: date, kind: str = "") -> str:
    return f"events_{kind}{day:%Y%m%d}"


def rows_of(day: date, count: int, visitor: str = "v") -> list[dict[str, Any]]:
    """Events as BigQuery holds them: nested, with nulls, and with more in them than is read."""
    noon = int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()) * 1_000_000
    return [
        {
            "event_date": f"{day:%Y%m%d}",
            "event_timestamp": noon + number,
            "event_name": "purchase" if number % 3 == 2 else "page_view",
            "event_params": [
                {
                    "key": "page_location",
                    "value": {"string_value": f"https://shop.test/p/{number}?größe=ü"},
                },
                {"key": "ga_session_id", "value": {"int_value": 77_000 + number}},
                {"key": "value", "value": {"double_value": number / 4}},
            ],
            "user_pseudo_id": f"{visitor}{number}" if number % 4 else None,
            "user_id": None,
            "device": {"category": "mobile", "operating_system": "iOS", "web_info": {"browser": "Safari"}},
            "geo": {"country": "Spain"},
            "ecommerce": {"purchase_revenue": 12.5, "transaction_id": f"t{number}"}
            if number % 3 == 2
            else None,
            "items": [{"item_id": "i1", "item_name": "Schuh", "price": 9.99, "quantity": 2}],
            "collected_traffic_source": {"manual_source": "news", "gclid": None},
            "batch_page_id": number,
            "user_properties": [{"key": "never read"}],
            "privacy_info": {"analytics_storage": "Yes"},
        }
        for number in range(count)
    ]


def as_read(rows: Rows, schema: pa.Schema = SCHEMA) -> list[dict[str, Any]]:
    """The rows with the columns that are read, absent ones as nulls."""
    shown: list[dict[str, Any]] = pa.Table.from_pylist(list(rows), schema).to_pylist()
    return shown


@dataclass
class Night:
    """Pulls as a night would, from a server into a lake, and remembers what was said and slept."""

    server: BigQueryServer
    root: Path
    export: BigQueryExport
    now: datetime = NOON
    history: timedelta | None = None
    said: list[str] = field(default_factory=list)
    sleeps: list[float] = field(default_factory=list)

    @property
    def lake(self) -> SourceLake:
        return SourceLake(self.root, "ga4")

    def pull(self, asked: DayRange = EVERY_DAY, *, attempts: int = 5) -> PullReport:
        return pull_bigquery(
            self.lake,
            self.export,
            Nights(MADRID, timedelta(days=3), lambda: self.now),
            history=self.history,
            asked=asked,
            patience=Patience(attempts=attempts, sleep=self.sleeps.append),
            progress=self.said.append,
        )

    def landed(self) -> dict[date, list[dict[str, Any]]]:
        """What is in the lake, a day's parts one behind the other."""
        return {
            day: [row for path in self.lake.part_paths(manifest, DATASET) for row in _read(path)]
            for day, manifest in self.lake.days().items()
        }

    def manifest(self, day: date) -> Manifest:
        found = self.lake.day(day)
        assert found is not None
        return found

    def flags(self, day: date) -> dict[str, str]:
        (part,) = self.manifest(day).parts_of(DATASET)
        return dict(part.flags)


def _read(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return rows


@pytest.fixture
def server() -> Iterator[BigQueryServer]:
    with BigQueryServer() as server:
        yield server


@pytest.fixture
def night(server: BigQueryServer, tmp_path: Path) -> Night:
    export = BigQueryExport(
        project=server.project,
        dataset=server.dataset,
        billing_project="payer",
        max_bytes=10**9,
        api_url=server.url,
        storage_api_url=server.storage_url,
    )
    return Night(server, tmp_path / "lake", export)


def serve_days(server: BigQueryServer, *days: date, rows: int = 5) -> None:
    for day in days:
        server.write(table_of(day), rows_of(day, rows))


def test_rows_land_as_they_are_served_nested_values_included(night: Night) -> None:
    serve_days(night.server, D1, D2, D3)
    report = night.pull()
    assert night.landed() == {day: as_read(rows_of(day, 5)) for day in (D1, D2, D3)}
    assert (report.rows, report.changed_days, report.days_read) == (15, (D1, D2, D3), 3)
    assert report.bytes_read == 15 * SCANNED_BYTES_A_ROW
    assert night.flags(D1) == {
        "table": "events_20260301",
        "modified": "2026-03-03T01:07:40+00:00",
        "bytes": "5000",
    }


def test_only_what_is_used_is_read_and_only_the_payer_pays(night: Night) -> None:
    serve_days(night.server, D1)
    night.pull()
    (request,) = night.server.sessions
    selected = list(request.read_session.read_options.selected_fields)
    assert "device.category" in selected
    assert "event_params.value.int_value" in selected
    assert not [path for path in selected if path.startswith(("user_properties", "privacy_info"))]
    assert request.parent == "projects/payer"
    assert request.read_session.table == "projects/shop/datasets/analytics_123/tables/events_20260301"
    (path,) = night.lake.part_paths(night.manifest(D1), DATASET)
    assert pq.read_schema(path).names == SCHEMA.names
    assert night.server.authorization == []


def test_a_table_of_2021_lands_without_the_columns_it_has_not(night: Night) -> None:
    day = date(2021, 1, 31)
    night.server.write(table_of(day), rows_of(day, 4), SCHEMA_OF_2021)
    night.pull()
    (rows,) = night.landed().values()
    assert len(rows) == 4
    assert "batch_page_id" not in rows[0]
    assert "collected_traffic_source" not in rows[0]
    full = as_read(rows_of(day, 4))
    assert rows == [{name: row[name] for name in rows[0]} for row in full]


@pytest.mark.parametrize("schema", [None, SCHEMA_OF_2021], ids=["of today", "of 2021"])
def test_a_landed_day_is_staged(night: Night, tmp_path: Path, schema: pa.Schema | None) -> None:
    extra = {"schema": schema} if schema else {}
    night.server.write(table_of(D1), rows_of(D1, 7), **extra)
    night.pull()
    paths = tuple(night.lake.part_paths(night.manifest(D1), DATASET))
    target = tmp_path / "staged" / "day.parquet"
    source = Ga4Source(project="shop", dataset="analytics_123")
    staging = next(each for each in STAGINGS if each.model == "ga4")
    stage_share([DayToStage(staging, "ga4", source, "UTC", paths, target)], EngineSettings(threads=1))
    found = duckdb.sql(
        f"select event_name, device_id, value from read_parquet('{target}') order by event_us"
    ).fetchall()
    served = rows_of(D1, 7)
    assert [row[:2] for row in found] == [(each["event_name"], each["user_pseudo_id"]) for each in served]
    assert [float(row[2]) for row in found if row[0] == "purchase"] == [12.5, 12.5]


def test_many_batches_become_few_row_groups(night: Night) -> None:
    night.server.write(table_of(D1), rows_of(D1, 99))
    night.pull()
    (path,) = night.lake.part_paths(night.manifest(D1), DATASET)
    assert pq.read_metadata(path).num_row_groups == 1
    assert night.landed()[D1] == as_read(rows_of(D1, 99))


def test_a_second_pull_of_unchanged_days_reads_nothing(night: Night) -> None:
    serve_days(night.server, D1, D2, D3)
    night.pull()
    before = night.landed()
    night.server.requests.clear()
    night.now += timedelta(hours=1)
    report = night.pull()
    assert (report.rows, report.changed_days, report.bytes_read) == (0, (), 0)
    # the first of March is out of the look-back since the fifth began in Madrid
    assert report.days_unchanged == 2
    assert night.server.asked("tables.get") == [table_of(D2), table_of(D3)]
    assert night.server.asked("CreateReadSession") == night.server.asked("ReadRows") == []
    assert night.landed() == before


def test_days_that_are_settled_cost_no_call_of_their_own(night: Night) -> None:
    serve_days(night.server, D1, D2)
    night.now += timedelta(days=4)
    night.pull()
    night.server.requests.clear()
    night.pull()
    assert set(night.server.requests) == {"tables.list"}


def test_a_rewritten_day_replaces_the_landed_one(night: Night) -> None:
    serve_days(night.server, D2, D3)
    night.pull()
    night.server.write(table_of(D3), rows_of(D3, 9, "late"))
    night.now += timedelta(hours=5)
    report = night.pull()
    assert (report.changed_days, report.days_unchanged, report.rows) == ((D3,), 1, 9)
    assert report.bytes_read == 9 * SCANNED_BYTES_A_ROW
    assert night.landed() == {D2: as_read(rows_of(D2, 5)), D3: as_read(rows_of(D3, 9, "late"))}


def test_of_a_days_tables_only_the_most_final_one_is_read(night: Night) -> None:
    for kind, count in (("intraday_", 2), ("fresh_", 3), ("", 4)):
        night.server.write(table_of(D2, kind), rows_of(D2, count))
    for kind, count in (("intraday_", 2), ("fresh_", 3)):
        night.server.write(table_of(D4, kind), rows_of(D4, count))
    night.server.write(table_of(TODAY, "intraday_"), rows_of(TODAY, 2))
    night.server.write("users_20260302", [])
    night.server.write("events_20269999", [])
    night.pull()
    assert {day: len(rows) for day, rows in night.landed().items()} == {D2: 4, D4: 3, TODAY: 2}
    assert night.server.asked("ReadRows") == [
        table_of(D2),
        table_of(D4, "fresh_"),
        table_of(TODAY, "intraday_"),
    ]
    assert [PARTIAL in night.flags(day) for day in (D2, D4, TODAY)] == [False, True, True]


def test_the_daily_table_takes_the_place_of_the_intraday_one(night: Night) -> None:
    night.server.write(table_of(D4, "intraday_"), rows_of(D4, 3, "so far"))
    night.pull()
    assert night.flags(D4)["table"] == table_of(D4, "intraday_")
    assert PARTIAL in night.flags(D4)
    night.server.drop(table_of(D4, "intraday_"))
    night.server.write(table_of(D4), rows_of(D4, 6))
    night.now += timedelta(days=1)
    assert night.pull().changed_days == (D4,)
    assert night.landed() == {D4: as_read(rows_of(D4, 6))}
    assert night.flags(D4)["table"] == table_of(D4)
    assert PARTIAL not in night.flags(D4)


def test_without_a_daily_export_a_day_is_whole_a_day_after_its_end(night: Night) -> None:
    night.server.write(table_of(D4, "intraday_"), rows_of(D4, 3))
    night.now = datetime(2026, 3, 5, 22, 59, tzinfo=UTC)  # the fourth ended at 23:00 UTC in Madrid
    night.pull()
    assert PARTIAL in night.flags(D4)
    night.now += timedelta(minutes=1)
    night.said.clear()
    night.pull()
    assert "1 of 1 days have changed" in night.said[0]  # it may have grown without a new date of change
    assert PARTIAL not in night.flags(D4)
    night.server.requests.clear()
    assert night.pull().days_unchanged == 1
    assert night.server.asked("ReadRows") == []


def test_nothing_is_read_of_a_pull_that_would_cost_more_than_allowed(night: Night) -> None:
    serve_days(night.server, D1, D2, D3)
    night.export = replace(night.export, max_bytes=10 * SCANNED_BYTES_A_ROW)
    with pytest.raises(PullTooCostly) as refused:
        night.pull()
    told = str(refused.value)
    assert "reading 3 days would scan 9e-06 GB, more than the 6e-06 GB that max_gigabytes allows" in told
    assert "--from and --to" in told
    assert night.server.asked("ReadRows") == []
    assert night.landed() == {}
    assert night.pull(DayRange(D1, D2)).rows == 10
    # what has landed costs no more, so now the third fits
    assert night.pull().changed_days == (D3,)
    assert list(night.landed()) == [D1, D2, D3]


def test_the_cost_is_told_before_anything_is_read(night: Night) -> None:
    serve_days(night.server, D1, D2)
    night.pull()
    costs = [number for number, line in enumerate(night.said) if "to scan" in line]
    reads = [number for number, line in enumerate(night.said) if "rows" in line]
    assert night.said[costs[0]] == "ga4: 2 of 2 days have changed, 6e-06 GB to scan (at most 1 GB)"
    assert costs[0] < min(reads)


def test_history_limits_the_first_pull_and_not_a_range_that_is_asked_for(night: Night) -> None:
    old = date(2026, 1, 10)
    serve_days(night.server, old, D2, D3)
    night.history = timedelta(days=10)
    night.pull()
    assert list(night.landed()) == [D2, D3]
    night.pull(DayRange(old, old))
    assert list(night.landed()) == [old, D2, D3]


def test_missing_days_and_an_export_that_has_stopped_are_remarked(night: Night) -> None:
    serve_days(night.server, D1, D3)
    assert night.pull().remarks == (
        "BigQuery shop.analytics_123: no table for 2026-03-02; the export of these days is missing",
    )
    night.now += timedelta(days=2)
    (_, stopped) = night.pull().remarks
    assert "newest daily table is of 2026-03-03" in stopped
    assert "1 million events a day" in stopped


def test_an_empty_table_lands_as_a_day_without_events(night: Night) -> None:
    serve_days(night.server, D2, rows=0)
    report = night.pull()
    assert (report.rows, report.changed_days) == (0, (D2,))
    assert night.landed() == {D2: []}
    assert night.pull().days_unchanged == 1


def test_a_session_grown_old_while_other_days_were_read_is_made_again(night: Night) -> None:
    serve_days(night.server, D2, D3)
    night.said = _Hurry(night, timedelta(hours=5))
    night.pull()
    assert night.server.asked("CreateReadSession") == [table_of(each) for each in (D2, D3, D2, D3)]
    assert night.landed() == {day: as_read(rows_of(day, 5)) for day in (D2, D3)}


class _Hurry(list[str]):
    """Lets hours pass when the cost is told, once."""

    def __init__(self, night: Night, by: timedelta) -> None:
        super().__init__()
        self._night, self._by = night, by

    def append(self, line: str) -> None:
        if "to scan" in line:
            self._night.now += self._by
        super().append(line)


CODE = grpc.StatusCode
PASSING: list[tuple[str, Trouble, type[SourceError]]] = [
    ("tables.list", Refusal(503), VendorUnavailable),
    ("tables.list", Refusal(500, reason="internalError"), VendorUnavailable),
    ("tables.list", RawBody(b'{"kind": "bigquery#tab', missing_bytes=500), AnswerBroken),
    ("tables.list", RawBody(b"<html>a proxy's page</html>"), AnswerBroken),
    ("tables.get", Refusal(429, reason="rateLimitExceeded"), QuotaExhausted),
    ("tables.get", Refusal(403, "Exceeded rate limits", "rateLimitExceeded"), QuotaExhausted),
    ("tables.get", Refusal(502, reason="badGateway"), VendorUnavailable),
    ("CreateReadSession", Abort(CODE.UNAVAILABLE), VendorUnavailable),
    ("CreateReadSession", Abort(CODE.DEADLINE_EXCEEDED), VendorUnavailable),
    ("CreateReadSession", Abort(CODE.RESOURCE_EXHAUSTED), QuotaExhausted),
    ("ReadRows", Abort(CODE.UNAVAILABLE), VendorUnavailable),
    ("ReadRows", Abort(CODE.UNAVAILABLE, after_batches=2), VendorUnavailable),
    ("ReadRows", Abort(CODE.INTERNAL, "Received RST_STREAM", after_batches=1), VendorUnavailable),
    ("ReadRows", Abort(CODE.DEADLINE_EXCEEDED, after_batches=1), VendorUnavailable),
    ("ReadRows", Abort(CODE.RESOURCE_EXHAUSTED, after_batches=2), QuotaExhausted),
    ("ReadRows", Abort(CODE.ABORTED, after_batches=1), VendorUnavailable),
    ("ReadRows", Abort(CODE.NOT_FOUND, "session not found"), AnswerBroken),
    ("ReadRows", EndEarly(2), AnswerBroken),
    ("ReadRows", EndEarly(0), AnswerBroken),
    ("ReadRows", Garbage(), AnswerBroken),
]


def _script(server: BigQueryServer, method: str, trouble: Trouble, *, times: int) -> None:
    """Trouble at the second request of a method: the second day, or the second page of a list."""
    if method == "tables.list":
        server.page = 1
        server.troubles = {method: [None, trouble] * times}  # the list begins anew each time
    else:
        server.troubles = {method: [None, *[trouble] * times]}


NAMES = [f"{method} {trouble}" for method, trouble, _ in PASSING]


@pytest.mark.parametrize(("method", "trouble", "_"), PASSING, ids=NAMES)
def test_what_passes_is_waited_out_and_the_lake_is_right(
    night: Night, method: str, trouble: Trouble, _: type[SourceError]
) -> None:
    serve_days(night.server, D1, D2)
    _script(night.server, method, trouble, times=2)
    report = night.pull()
    assert len(night.sleeps) == 2
    assert report.rows == 10
    assert night.landed() == {day: as_read(rows_of(day, 5)) for day in (D1, D2)}


@pytest.mark.parametrize(("method", "trouble", "error"), PASSING, ids=NAMES)
def test_what_lasts_is_told_and_the_next_pull_makes_up_for_it(
    night: Night, method: str, trouble: Trouble, error: type[SourceError]
) -> None:
    serve_days(night.server, D1, D2)
    _script(night.server, method, trouble, times=3)
    with pytest.raises(error) as raised:
        night.pull(attempts=3)
    assert type(raised.value) is error
    assert str(raised.value).startswith("BigQuery shop.analytics_123")
    assert len(night.sleeps) == 2
    assert list(night.landed()) == ([D1] if method == "ReadRows" else [])
    night.pull()
    assert night.landed() == {day: as_read(rows_of(day, 5)) for day in (D1, D2)}


def test_a_vendor_that_says_how_long_to_wait_is_waited_for_that_long(night: Night) -> None:
    serve_days(night.server, D1)
    night.server.troubles = {
        "tables.list": [Refusal(429, reason="rateLimitExceeded", headers={"Retry-After": "17"})],
        "CreateReadSession": [Abort(CODE.RESOURCE_EXHAUSTED, wait_seconds=41)],
    }
    night.pull()
    assert night.sleeps == [17, 41]


def test_nobody_at_the_address_is_told_as_such(night: Night) -> None:
    night.server.stop()
    with pytest.raises(VendorUnavailable, match="Google does not answer"):
        night.pull(attempts=2)
    night.server.start()


def test_a_table_rewritten_between_look_and_session_is_read_as_it_is_now(night: Night) -> None:
    serve_days(night.server, D2)
    night.server.troubles = {"CreateReadSession": [Rewrite(table_of(D2), rows_of(D2, 8))]}
    night.pull()
    assert any("8 rows came of a table of 5" in line for line in night.said)
    assert night.landed() == {D2: as_read(rows_of(D2, 8))}


def test_a_table_rewritten_after_it_was_read_is_read_again_the_next_night(night: Night) -> None:
    serve_days(night.server, D2)
    night.server.troubles = {"ReadRows": [Rewrite(table_of(D2), rows_of(D2, 5, "corrected"))]}
    night.pull()
    assert night.landed() == {D2: as_read(rows_of(D2, 5))}  # the session was made before
    night.now += timedelta(hours=1)
    assert night.pull().changed_days == (D2,)
    assert night.landed() == {D2: as_read(rows_of(D2, 5, "corrected"))}


SWAP = Rewrite(table_of(D4, "intraday_"), None, (table_of(D4), rows_of(D4, 6)))


@pytest.mark.parametrize(
    "troubles",
    [
        {"tables.get": [SWAP]},
        {"CreateReadSession": [SWAP]},
        {"ReadRows": [Abort(CODE.UNAVAILABLE)], "tables.get": [None, SWAP]},
        {"ReadRows": [Abort(CODE.NOT_FOUND)], "CreateReadSession": [None, SWAP]},
    ],
    ids=["when looked at", "before its session", "after a cut", "after its session ended"],
)
def test_an_intraday_table_that_goes_while_it_is_pulled_gives_way_to_the_daily_one(
    night: Night, troubles: dict[str, list[Trouble]]
) -> None:
    night.server.write(table_of(D4, "intraday_"), rows_of(D4, 3))
    night.server.troubles = {method: list(script) for method, script in troubles.items()}
    night.pull()
    assert night.landed() == {D4: as_read(rows_of(D4, 6))}
    assert night.flags(D4)["table"] == table_of(D4)
    assert PARTIAL not in night.flags(D4)


DENIED: list[tuple[str, Trouble, type[SourceError], str]] = [
    ("tables.list", Refusal(401, "Login Required", "authError"), AccessDenied, "https://"),
    (
        "tables.list",
        Refusal(403, "Access Denied: Permission bigquery.tables.list denied on dataset", "accessDenied"),
        AccessDenied,
        '"BigQuery Data Viewer" to the account that is used on the dataset shop:analytics_123',
    ),
    (
        "tables.get",
        Refusal(403, "Access Denied: Table x: Permission bigquery.tables.get denied", "accessDenied"),
        AccessDenied,
        "BigQuery Data Viewer",
    ),
    (
        "tables.list",
        Refusal(403, "BigQuery API has not been used in project 1 before", "accessNotConfigured"),
        AccessDenied,
        "Enable the BigQuery API and the BigQuery Storage API in the project payer",
    ),
    (
        "CreateReadSession",
        Abort(CODE.PERMISSION_DENIED, "the user does not have 'bigquery.readsessions.create' permission"),
        AccessDenied,
        '"BigQuery Read Session User" to the account that is used on the project payer',
    ),
    (
        "CreateReadSession",
        Abort(CODE.PERMISSION_DENIED, "Permission bigquery.tables.getData denied on table"),
        AccessDenied,
        "BigQuery Data Viewer",
    ),
    ("CreateReadSession", Abort(CODE.UNAUTHENTICATED), AccessDenied, "make a new key"),
    ("CreateReadSession", Abort(CODE.INVALID_ARGUMENT), RequestRefused, "Check the names"),
    ("CreateReadSession", Abort(CODE.UNIMPLEMENTED), RequestRefused, "api_url"),
]


@pytest.mark.parametrize(
    ("method", "trouble", "error", "remedy"), DENIED, ids=[f"{each[0]} {each[1]}" for each in DENIED]
)
def test_a_denial_is_not_asked_again_and_says_what_to_do(
    night: Night, method: str, trouble: Trouble, error: type[SourceError], remedy: str
) -> None:
    serve_days(night.server, D1)
    for attempt in (night.pull, lambda: check_bigquery(night.export)):
        night.server.troubles = {method: [trouble]}
        with pytest.raises(error) as raised:
            attempt()
        assert remedy in raised.value.remedy
    assert night.sleeps == []
    night.pull()
    assert night.landed() == {D1: as_read(rows_of(D1, 5))}


@pytest.mark.parametrize(
    ("dataset", "remedy"),
    [
        ("123", 'set dataset = "analytics_123"'),
        ("shop_data", "named analytics_<property id>, and this is 'shop_data'"),
        ("analytics_999", "Check project, dataset and its location"),
    ],
)
def test_a_dataset_that_is_not_there_names_the_usual_mistake(night: Night, dataset: str, remedy: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        check_bigquery(replace(night.export, dataset=dataset))
    assert remedy in refused.value.remedy


def test_a_dataset_without_day_tables_is_an_error(night: Night) -> None:
    night.server.write("pseudonymous_users_20260301", [])
    with pytest.raises(RequestRefused, match="no events_YYYYMMDD table; it holds 1 other tables"):
        night.pull()


def test_a_table_that_is_no_export_is_an_error(night: Night) -> None:
    night.server.write(table_of(D1), [], pa.schema([("event_date", pa.string())]))
    with pytest.raises(FileForeign, match="no column event_timestamp"):
        night.pull()


def test_the_doctor_makes_a_session_of_the_newest_table_and_reads_nothing(night: Night) -> None:
    serve_days(night.server, D1, D2, D4)
    assert check_bigquery(night.export) == "3 day tables, 2026-03-01 to 2026-03-04"
    assert night.server.asked("CreateReadSession") == [table_of(D4)]
    assert night.server.asked("ReadRows") == []


def test_the_public_sample_is_read_at_ones_own_cost(tmp_path: Path) -> None:
    with BigQueryServer("bigquery-public-data", "ga4_obfuscated_sample_ecommerce") as server:
        day = date(2021, 1, 31)
        server.write(table_of(day), rows_of(day, 3), SCHEMA_OF_2021)
        export = BigQueryExport(
            project="bigquery-public-data",
            dataset="ga4_obfuscated_sample_ecommerce",
            billing_project="mine",
            max_bytes=10**9,
            api_url=server.url,
            storage_api_url=server.storage_url,
        )
        assert Night(server, tmp_path, export).pull().rows == 3
        assert server.sessions[0].parent == "projects/mine"


PULL_AND_MEASURE = """
import json, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo
from connectors.bigquery_export import BigQueryExport, pull_bigquery
from connectors.day_pull import Nights
from connectors.day_range import EVERY_DAY
from connectors.landing import SourceLake
from connectors.patience import Patience
url, storage_url, root = sys.argv[1:]
report = pull_bigquery(
    SourceLake(Path(root), "ga4"),
    BigQueryExport("shop", "analytics_123", "shop", 10**10, None, url, storage_url),
    Nights(ZoneInfo("UTC"), timedelta(), lambda: datetime(2026, 3, 5, 12, tzinfo=UTC)),
    history=None, asked=EVERY_DAY, patience=Patience(attempts=1),
    progress=lambda line: print(line, file=sys.stderr),
)
# of this process alone, imports included; ru_maxrss begins with its parent's
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
print(json.dumps({"rows": report.rows, "peak": peak}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measures memory as Linux tells it")
def test_a_day_of_a_million_events_takes_less_than_400_mb(tmp_path: Path) -> None:
    chance = random.Random(7)
    rows = rows_of(D4, 5_000)
    for row in rows:  # as wide as a shop's events are, and hard to compress
        row["event_params"] += [
            {"key": f"parameter_{n}", "value": {"string_value": chance.randbytes(12).hex()}}
            for n in range(20)
        ]
    with BigQueryServer(rows_a_batch=1_000) as server:
        server.write(table_of(D4), rows, copies=200)
        run = subprocess.run(
            [
                sys.executable,
                "-c",
                PULL_AND_MEASURE,
                server.url,
                server.storage_url,
                str(tmp_path / "lake"),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    measured = json.loads(run.stdout)
    assert measured["rows"] == 1_000_000
    assert measured["peak"] < 400_000_000
    print(measured, run.stderr)  # shown with pytest -s


# keys


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    no_password = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, no_password)
    return pem.decode()


def key_text(private_key: str, token_uri: str = "https://oauth2.googleapis.com/token") -> str:
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "other-project",
            "private_key_id": "1",
            "private_key": private_key,
            "client_email": "robot@other-project.iam.gserviceaccount.com",
            "token_uri": token_uri,
        }
    )


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("/keys/planted-secret.json", "is no JSON, and looks like a path"),
        ('{"type": "service_account", "private_key": "planted-secret', "is no JSON"),
        ('{"type": "authorized_user", "refresh_token": "planted-secret"}', "of a person who logged in"),
        ('{"type": "service_account", "private_key": "planted-secret"}', "is cut short or damaged"),
        ('["planted-secret"]', "is not of a service account"),
    ],
)
def test_a_key_that_is_none_says_so_and_is_not_shown(night: Night, text: str, what: str) -> None:
    export = replace(night.export, key=Secret(text), api_url=None, storage_api_url=None)
    with pytest.raises(CredentialMissing) as missing:
        check_bigquery(export)
    assert what in missing.value.what
    shown = "".join(traceback.TracebackException.from_exception(missing.value, capture_locals=True).format())
    assert "planted-secret" not in _without_parameters(shown)


def _without_parameters(shown: str) -> str:
    """A traceback's locals without those of the test itself, which hold the planted text."""
    own = ("text = ", "export = ")
    return "\n".join(line for line in shown.splitlines() if not line.strip().startswith(own))


def test_without_a_key_and_without_a_login_both_ways_in_are_named(
    night: Night, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(CredentialMissing) as missing:
        check_bigquery(replace(night.export, api_url=None, storage_api_url=None))
    assert "GOOGLE_APPLICATION_CREDENTIALS" in missing.value.remedy
    assert "gcloud auth application-default login" in missing.value.remedy


def test_no_token_goes_over_plain_http(night: Night, private_key: str) -> None:
    serve_days(night.server, D1)
    night.export = replace(night.export, key=Secret(key_text(private_key)))
    night.pull()
    assert night.landed() == {D1: as_read(rows_of(D1, 5))}
    assert night.server.authorization == []


@contextmanager
def sign_in(status: int, answer: dict[str, Any]) -> Iterator[str]:
    """Google's sign-in, with one answer for whoever asks; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as http:
        Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}/token"
        http.shutdown()


def test_a_deleted_key_is_refused_and_says_so(night: Night, private_key: str) -> None:
    refusal = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
    with sign_in(400, refusal) as address:
        key = Secret(key_text(private_key, address))
        with pytest.raises(AccessDenied) as denied:
            check_bigquery(replace(night.export, key=key, api_url="https://127.0.0.1:1"))
    assert "Invalid JWT Signature" in denied.value.what
    assert "make a new key" in denied.value.remedy


@pytest.mark.parametrize("status", [200, 400])
def test_neither_key_nor_token_shows_in_logs_and_errors(
    night: Night, private_key: str, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = {"access_token": "planted-token", "expires_in": 3600, "error": "invalid_grant"}
    with sign_in(status, answer) as address:
        key = Secret(key_text(private_key, address))
        night.export = replace(night.export, key=key, api_url="https://127.0.0.1:1")
        with pytest.raises(SourceError) as raised:
            night.pull(attempts=2)
    assert type(raised.value) is (VendorUnavailable if status == 200 else AccessDenied)
    shown = "\n".join([caplog.text, str(raised.value), repr(raised.value), repr(night.export), *night.said])
    assert "planted-token" not in shown
    for line in private_key.splitlines()[1:-1]:
        assert line not in shown


def test_a_key_of_another_project_is_mentioned(night: Night, private_key: str) -> None:
    export = replace(night.export, key=Secret(key_text(private_key)), api_url=None, storage_api_url=None)
    said = "the user does not have 'bigquery.readsessions.create' permission for 'projects/payer'"
    with pytest.raises(AccessDenied) as denied, ExportAccess(export).explained():
        raise Forbidden(said)
    assert "robot@other-project.iam.gserviceaccount.com on the project payer" in denied.value.remedy
    assert "key is of another project, other-project: set billing_project" in denied.value.remedy


@pytest.mark.parametrize("content", ["[]", "1", "a folder", "not JSON", '{"type": "service_account"}'])
def test_a_file_of_credentials_that_is_none_is_a_missing_credential(
    night: Night, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "key.json"
    if content == "a folder":
        path.mkdir()
    else:
        path.write_text(content)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    with pytest.raises(CredentialMissing) as missing:
        check_bigquery(replace(night.export, api_url=None, storage_api_url=None))
    assert "gcloud auth application-default login" in missing.value.remedy


def test_what_attempts_that_failed_have_scanned_is_reported(night: Night) -> None:
    night.server.rows_a_batch = 10
    serve_days(night.server, D1, rows=40)
    night.server.troubles = {
        "ReadRows": [Abort(CODE.INTERNAL, after_batches=2), Abort(CODE.INTERNAL), EndEarly(1)]
    }
    report = night.pull()
    assert night.landed() == {D1: as_read(rows_of(D1, 40))}
    # half of the table, nothing, a quarter, and then all of it
    assert report.bytes_read == 40 * SCANNED_BYTES_A_ROW * 7 // 4


def test_attempts_that_fail_use_up_what_the_pull_may_cost(night: Night) -> None:
    night.server.rows_a_batch = 10
    serve_days(night.server, D1, rows=40)
    night.export = replace(night.export, max_bytes=100 * SCANNED_BYTES_A_ROW)
    # 3 times 30 rows, and 40 for a fourth attempt, are more than 100
    night.server.troubles = {"ReadRows": [Abort(CODE.INTERNAL, after_batches=3)] * 4}
    with pytest.raises(PullTooCostly, match="of it in attempts that failed"):
        night.pull()
    assert len(night.server.asked("ReadRows")) == 3
    assert night.landed() == {}


def test_a_streaming_export_that_has_stopped_is_remarked(night: Night) -> None:
    for day in (D1, D2):
        night.server.write(table_of(day, "intraday_"), rows_of(day, 5))
    assert night.pull().remarks == ()
    night.now += timedelta(days=2)
    (stopped,) = night.pull().remarks
    assert (
        "the newest table is of 2026-03-02, and it is of the streaming export, which has stopped" in stopped
    )
