"""The GA4 Data API's counts and funnels: what lands equals what is served, whatever goes wrong between."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from data_api_server import (
    DataApiServer,
    RawBody,
    Refusal,
    Twist,
    repeats_its_first_row,
    row_count_grows,
)
from google.analytics.data_v1alpha.types import FunnelFilterExpression, StringFilter
from hypothesis import given
from hypothesis import strategies as st

from connectors.day_pull import Nights
from connectors.day_range import EVERY_DAY, DayRange
from connectors.errors import (
    AccessDenied,
    AnswerBroken,
    QuotaExhausted,
    RequestRefused,
    SourceError,
    VendorUnavailable,
)
from connectors.ga4_data_client import DataApi
from connectors.ga4_funnel import FunnelAsked, FunnelStep, StepFilter, pull_funnels
from connectors.ga4_funnel_steps import vendor_step
from connectors.ga4_reports import check_data_api, pull_daily_counts
from connectors.landing import SourceLake
from connectors.patience import Patience
from connectors.pull_report import PullReport
from connectors.secret import Secret
from models.journey_schema import glob_pattern, unescaped

DAYS = [date(2026, 3, day) for day in (1, 2, 3)]
COUNTS = {
    DAYS[0]: {"page_view": 1_000, "view_item": 300, "añadir ✓": 40, "purchase": 12, "(other)": 3},
    DAYS[1]: {"page_view": 900, "view_item": 310, "purchase": 9},
    DAYS[2]: {"page_view": 1_100, "view_item": 290, "add_to_cart": 70, "purchase": 14},
}
PER_DAY = "Exhausted property tokens per day. These quota tokens will return in under 24 hours."
PER_HOUR = (
    "Exhausted property tokens for a project per hour. These quota tokens will return in under an hour."
)


@dataclass
class Night:
    """A lake and a server, and pulls from one into the other at a time of one's choice."""

    lake: SourceLake
    server: DataApiServer
    url: str
    now: datetime = datetime(2026, 3, 4, 5, tzinfo=UTC)
    key: Secret | None = None
    waits: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    @property
    def api(self) -> DataApi:
        return DataApi("123", self.key, self.url)

    @property
    def nights(self) -> Nights:
        return Nights(ZoneInfo("Europe/Madrid"), timedelta(days=3), lambda: self.now)

    @property
    def patience(self) -> Patience:
        return Patience(attempts=4, sleep=self.waits.append)

    def pull(self, asked: DayRange = EVERY_DAY) -> PullReport:
        return pull_daily_counts(
            self.lake,
            self.api,
            self.nights,
            history=timedelta(days=3),
            asked=asked,
            patience=self.patience,
            progress=self.told.append,
        )

    def funnels(self, *funnels: FunnelAsked) -> PullReport:
        return pull_funnels(
            self.lake,
            self.api,
            funnels,
            nights=self.nights,
            patience=self.patience,
            progress=self.told.append,
        )

    def landed(self) -> dict[date, dict[str, int]]:
        days = {}
        for day, manifest in self.lake.days().items():
            rows = [row for path in self.lake.part_paths(manifest, "vendor_counts") for row in lines_of(path)]
            assert len(rows) == sum(part.rows for part in manifest.parts_of("vendor_counts"))
            days[day] = {row["event_name"]: row["event_count"] for row in rows}
            assert len(days[day]) == len(rows)
        return days

    def flags(self, day: date, dataset: str = "vendor_counts") -> dict[str, str]:
        manifest = self.lake.day(day)
        assert manifest is not None
        (part,) = manifest.parts_of(dataset)
        return dict(part.flags)

    def funnel_lines(self, day: date) -> list[dict[str, Any]]:
        manifest = self.lake.day(day)
        assert manifest is not None
        return [row for path in self.lake.part_paths(manifest, "vendor_funnel") for row in lines_of(path)]


def lines_of(path: Path) -> list[dict[str, Any]]:
    body = path.read_bytes()
    return [json.loads(line) for line in (gzip.decompress(body) if body else b"").splitlines()]


@pytest.fixture
def server() -> Iterator[DataApiServer]:
    with DataApiServer(days={day: dict(counts) for day, counts in COUNTS.items()}) as running:
        yield running


@pytest.fixture(params=["grpc", "rest"])
def night(request: pytest.FixtureRequest, server: DataApiServer, tmp_path: Path) -> Night:
    url = server.grpc_url if request.param == "grpc" else server.http_url
    return Night(SourceLake(tmp_path, "ga4"), server, url)


@pytest.fixture
def rest_night(server: DataApiServer, tmp_path: Path) -> Night:
    return Night(SourceLake(tmp_path, "ga4"), server, server.http_url)


def test_the_counts_that_land_equal_those_served_over_several_pages(night: Night) -> None:
    night.server.rows_a_page = 2
    report = night.pull()
    assert night.landed() == COUNTS
    assert report.changed_days == tuple(DAYS)
    assert (report.rows, report.days_read) == (12, 3)
    assert night.server.days_asked() == ["2026-03-01"] * 3 + ["2026-03-02"] * 2 + ["2026-03-03"] * 2


def test_a_day_is_asked_for_until_the_vendor_is_done_with_it_and_not_once_more(night: Night) -> None:
    night.pull()
    night.server.days[DAYS[2]]["purchase"] = 15  # a late event
    night.server.days[date(2026, 3, 4)] = {"page_view": 5}
    night.now = datetime(2026, 3, 5, 5, tzinfo=UTC)  # 1 March ended four days ago
    assert night.pull().changed_days == (DAYS[2], date(2026, 3, 4))
    assert night.landed() == night.server.days
    night.server.requests.clear()
    night.now = datetime(2026, 3, 9, 5, tzinfo=UTC)
    night.pull()
    assert night.server.days_asked() == [f"2026-03-0{day}" for day in (2, 3, 4, 5, 6, 7, 8)]
    night.server.requests.clear()
    night.now += timedelta(hours=1)
    night.pull()
    assert night.server.days_asked() == ["2026-03-06", "2026-03-07", "2026-03-08"]


def test_a_range_that_is_asked_for_is_pulled_however_old_and_goes_on_where_it_failed(night: Night) -> None:
    old = date(2025, 12, 31)
    night.server.days[old] = {"page_view": 8}
    asked = DayRange(date(2025, 12, 30), date(2026, 1, 1))
    night.server.troubles = [None, Refusal("PERMISSION_DENIED")]
    with pytest.raises(AccessDenied):
        night.pull(asked)
    night.pull(asked)
    assert night.server.days_asked() == ["2025-12-30", "2025-12-31", "2025-12-31", "2026-01-01"]
    assert night.landed() == {asked.first: {}, old: {"page_view": 8}, asked.last: {}}


def test_pulling_a_night_twice_changes_no_byte_whatever_the_quota_says(night: Night) -> None:
    night.pull()
    before = {day: (manifest.version, night.flags(day)) for day, manifest in night.lake.days().items()}
    night.server.tokens_left = 300
    assert night.pull().changed_days == ()
    assert {day: (m.version, night.flags(day)) for day, m in night.lake.days().items()} == before


@pytest.mark.parametrize("code", ["UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"])
def test_a_passing_failure_is_waited_out_and_leaves_no_trace(night: Night, code: str) -> None:
    night.server.rows_a_page = 2
    night.server.troubles = [None, Refusal(code, "Exhausted concurrent requests quota."), None, Refusal(code)]
    night.pull()
    assert night.landed() == COUNTS
    assert len(night.waits) == 2
    assert sum("trying again" in line for line in night.told) == 2


@pytest.mark.parametrize("as_header", [False, True])
def test_a_vendor_that_says_how_long_to_wait_is_waited_for_as_told(night: Night, as_header: bool) -> None:
    if as_header and night.url.startswith("grpc"):
        pytest.skip("gRPC has no headers of this kind")
    told = Refusal("RESOURCE_EXHAUSTED", "slow down", wait_seconds=30, as_header=as_header)
    night.server.troubles = [None, told]
    night.pull()
    assert night.waits == [30.0]
    assert night.landed() == COUNTS


@pytest.mark.parametrize(("message", "seconds"), [(PER_DAY, 86_400), (PER_HOUR, 3_600)])
def test_a_quota_that_is_used_up_for_long_is_not_hammered(night: Night, message: str, seconds: int) -> None:
    night.server.troubles = [None, Refusal("RESOURCE_EXHAUSTED", message)]
    with pytest.raises(QuotaExhausted, match="quota is used up") as caught:
        night.pull()
    assert caught.value.retry_after_seconds == seconds
    assert len(night.server.requests) == 2
    assert night.waits == []
    assert night.landed() == {DAYS[0]: COUNTS[DAYS[0]]}
    night.pull()
    assert night.landed() == COUNTS


def test_the_last_answer_tells_that_the_day_has_no_tokens_where_the_refusal_does_not(night: Night) -> None:
    night.server.tokens_left = night.server.tokens_a_request
    night.server.troubles = [None, Refusal("RESOURCE_EXHAUSTED", "Resource has been exhausted.")]
    with pytest.raises(QuotaExhausted, match="within 24 hours"):
        night.pull()
    assert night.waits == []


def test_a_storm_ends_the_pull_with_the_days_before_it_landed_and_the_next_one_goes_on(night: Night) -> None:
    night.server.troubles = [None, *[Refusal("UNAVAILABLE")] * 4]
    with pytest.raises(VendorUnavailable, match="Pull again later"):
        night.pull()
    assert night.landed() == {DAYS[0]: COUNTS[DAYS[0]]}
    night.pull()
    assert night.landed() == COUNTS


@pytest.mark.parametrize(
    ("refusal", "error", "remedy"),
    [
        (Refusal("UNAUTHENTICATED", "invalid credentials"), AccessDenied, "https:// address|make a new key"),
        (Refusal("PERMISSION_DENIED", "no permission"), AccessDenied, "as a Viewer under Admin"),
        (
            Refusal(
                "PERMISSION_DENIED",
                "Google Analytics Data API has not been used in project 7 before or it is disabled.",
                reason="SERVICE_DISABLED",
            ),
            AccessDenied,
            "Enable the Google Analytics Data API",
        ),
        (
            Refusal("PERMISSION_DENIED", "Request had insufficient authentication scopes."),
            AccessDenied,
            "application-default login",
        ),
        (
            Refusal("INVALID_ARGUMENT", "Invalid property ID: 123."),
            RequestRefused,
            "as property_id, not a G-",
        ),
        (Refusal("NOT_FOUND", "No property id 123"), RequestRefused, "as property_id, not a G-"),
    ],
)
def test_a_refusal_is_explained_at_once_and_asked_about_no_more(
    night: Night, refusal: Refusal, error: type[SourceError], remedy: str
) -> None:
    night.server.troubles = [refusal]
    with pytest.raises(error) as caught:
        night.pull()
    assert re.search(remedy, str(caught.value))
    assert (len(night.server.requests), night.waits, night.landed()) == (1, [], {})
    night.pull()
    assert night.landed() == COUNTS


def first_page_again(answer: Any) -> None:
    answer.rows = [
        {"dimension_values": [{"value": "20260301"}, {"value": name}], "metric_values": [{"value": "3"}]}
        for name in ("(other)", "page_view")
    ]


def drops_all_rows(answer: Any) -> None:
    answer.rows = []


def brings_another_day(answer: Any) -> None:
    answer.rows[0].dimension_values[0].value = "20260228"


TWISTS = [row_count_grows, first_page_again, repeats_its_first_row, drops_all_rows, brings_another_day]


@pytest.mark.parametrize("twist", TWISTS)
def test_pages_that_do_not_make_one_report_are_asked_for_again_from_the_first(
    night: Night, twist: Any
) -> None:
    night.server.rows_a_page = 2
    night.server.troubles = [None, Twist(twist)]
    night.pull()
    assert len(night.waits) == 1
    assert night.landed() == COUNTS


def test_pages_that_never_fit_end_the_pull_and_nothing_of_the_day_lands(night: Night) -> None:
    night.server.rows_a_page = 2
    night.server.troubles = [None, Twist(row_count_grows)] * 4
    with pytest.raises(AnswerBroken, match="changed from 5 to 6 rows"):
        night.pull()
    assert night.landed() == {}
    night.pull()
    assert night.landed() == COUNTS


@pytest.mark.parametrize(
    "body",
    [
        RawBody(b"<html>Sign in to the network</html>"),
        RawBody(b"{}"),
        RawBody(b'{"rows": [', missing_bytes=500),
        RawBody(b'{"error": {"code": 500, "message": "backend"}}'),
    ],
)
def test_a_200_that_is_no_report_is_not_taken_for_a_day_without_events(
    rest_night: Night, body: RawBody
) -> None:
    rest_night.server.troubles = [body]
    rest_night.pull()
    assert len(rest_night.waits) == 1
    assert rest_night.landed() == COUNTS
    rest_night.server.troubles = [body] * 4
    with pytest.raises(AnswerBroken):
        rest_night.pull()
    assert rest_night.landed() == COUNTS


def test_a_server_that_is_not_there_is_unavailable(night: Night) -> None:
    night.server.stop()
    with pytest.raises(VendorUnavailable):
        night.pull()
    assert len(night.waits) == 3
    night.server.start()
    night.url = night.server.grpc_url if night.url.startswith("grpc") else night.server.http_url
    night.pull()
    assert night.landed() == COUNTS


def test_a_day_without_events_lands_without_rows_and_says_why(night: Night) -> None:
    night.server.days[DAYS[1]] = {}
    night.server.metadata[DAYS[1]] = {"empty_reason": "NO_DATA"}
    night.pull()
    assert night.landed() == COUNTS | {DAYS[1]: {}}
    assert night.flags(DAYS[1])["empty_reason"] == "NO_DATA"


def test_a_day_that_lost_all_its_events_no_longer_shows_the_old_ones(night: Night) -> None:
    night.pull()
    night.server.days[DAYS[2]] = {}
    assert night.pull().changed_days == (DAYS[2],)
    assert night.landed() == COUNTS | {DAYS[2]: {}}


def test_what_the_vendor_says_of_a_day_is_kept_as_its_flags(night: Night) -> None:
    night.server.rows_a_page = 2
    night.server.metadata = {
        DAYS[0]: {"sampling_metadatas": [{"samples_read_count": 40, "sampling_space_size": 100}]},
        DAYS[1]: {"subject_to_thresholding": True, "data_loss_from_other_row": True},
    }
    night.pull()
    assert night.flags(DAYS[0]) == {"time_zone": "Europe/Madrid", "sampled": "40/100"}
    zone_and_more = {"time_zone": "Europe/Madrid", "thresholded": "true", "other_row": "true"}
    assert night.flags(DAYS[1]) == zone_and_more
    assert night.flags(DAYS[2]) == {"time_zone": "Europe/Madrid"}
    night.server.metadata.clear()
    night.pull()
    assert night.flags(DAYS[0]) == {"time_zone": "Europe/Madrid"}


def test_a_quota_that_is_nearly_used_up_is_remarked_however_little_one_call_says(night: Night) -> None:
    assert night.pull().remarks == ()
    assert "ga4" not in night.told[-1]
    assert "24,985 report tokens left today" in night.told[-1]
    night.server.tokens_left = 2_000  # others have asked
    (remark,) = night.pull().remarks
    assert "only 1,985 of 25,000 report tokens left today" in remark


def test_a_property_of_another_time_zone_is_remarked(night: Night) -> None:
    night.server.time_zone = "America/New_York"
    (remark,) = night.pull().remarks
    assert 'set timezone = "America/New_York"' in remark
    night.server.time_zone = "Europe/Paris"  # other name, same midnight
    assert night.pull().remarks == ()


@pytest.mark.parametrize(
    ("property_id", "hint"),
    [("G-7F1AE12JLR", "measurement id"), ("UA-123-1", "Universal Analytics"), ("shop", "no property id")],
)
def test_an_id_that_is_no_property_number_is_refused_before_any_request(
    night: Night, property_id: str, hint: str
) -> None:
    with pytest.raises(RequestRefused, match=hint):
        check_data_api(DataApi(property_id, None, night.url))
    assert night.server.requests == []


def test_the_doctor_asks_for_one_row_and_tells_the_quota(night: Night) -> None:
    assert check_data_api(night.api) == "property 123 answers; 24,995 report tokens left today"
    (request,) = night.server.requests
    assert request.limit == 1


def test_no_credential_travels_without_tls_and_none_shows_in_what_is_said(night: Night) -> None:
    secret = json.dumps({"client_email": "reader@shop.example", "private_key": "PLANTED"})
    night.key = Secret(secret)
    night.server.troubles = [None, Refusal("PERMISSION_DENIED", f"you sent {secret}")]
    with pytest.raises(AccessDenied) as caught:
        night.pull()
    assert night.server.headers
    assert not any("authorization" in headers for headers in night.server.headers)
    said = [repr(night.api), str(caught.value), repr(night.server.headers), *night.told]
    assert not any("PLANTED" in text for text in said)


CHECKOUT = FunnelAsked(
    "checkout",
    (
        FunnelStep("look", (StepFilter(events=("view_item", "view_item_list")),)),
        FunnelStep("want", (StepFilter(events=("add_to_cart",)), StepFilter(events=("wish_*",)))),
        FunnelStep("pay", (StepFilter(events=("begin_checkout",), pages=("/pay/*",)),)),
        FunnelStep("buy", (StepFilter(events=("purchase",), parameters=(("currency", ("EUR",)),)),)),
    ),
    date(2026, 2, 1),
    date(2026, 2, 28),
)
USERS = {"look": 7_000, "want": 2_100, "buy": 0}


def funnel_of(name: str, *steps: tuple[str, StepFilter]) -> FunnelAsked:
    made = tuple(FunnelStep(step, (condition,)) for step, condition in steps)
    return FunnelAsked(name, made, date(2026, 2, 1), date(2026, 2, 28))


SIGN_UP = funnel_of("sign_up", ("visit", StepFilter(events=("page_view",))))


def step_lines(funnel: FunnelAsked, *users: int) -> list[dict[str, Any]]:
    return [
        {
            "funnel": funnel.name,
            "first_day": "2026-02-01",
            "step_number": number,
            "step": step.name,
            "active_users": count,
        }
        for number, (step, count) in enumerate(zip(funnel.steps, users, strict=True), 1)
    ]


def test_the_vendors_funnel_lands_with_the_steps_that_nobody_reached(night: Night) -> None:
    night.server.funnel_users = USERS | {"visit": 9_000}
    night.server.funnel_samples = (50, 200)
    report = night.funnels(CHECKOUT, SIGN_UP)
    assert night.funnel_lines(CHECKOUT.last) == [
        *step_lines(CHECKOUT, 7_000, 2_100, 0, 0),
        *step_lines(SIGN_UP, 9_000),
    ]
    assert report.changed_days == (CHECKOUT.last,)
    assert night.flags(CHECKOUT.last, "vendor_funnel")["sampled"] == "checkout: 50/200, sign_up: 50/200"
    for request in night.server.requests:
        assert not request.funnel.is_open_funnel
        assert request.date_ranges[0].start_date == "2026-02-01"
        assert request.date_ranges[0].end_date == "2026-02-28"


def test_a_funnel_that_is_settled_is_asked_for_again_only_when_it_is_another(night: Night) -> None:
    night.server.funnel_users = dict(USERS)
    night.now = datetime(2026, 3, 2, 5, tzinfo=UTC)  # the vendor may still change the last day
    night.funnels(CHECKOUT)
    night.server.funnel_users["look"] = 7_001
    night.now = datetime(2026, 3, 4, 5, tzinfo=UTC)
    assert night.funnels(CHECKOUT).changed_days == (CHECKOUT.last,)
    assert night.funnel_lines(CHECKOUT.last) == step_lines(CHECKOUT, 7_001, 2_100, 0, 0)
    night.server.requests.clear()
    report = night.funnels(CHECKOUT)
    assert (night.server.requests, report.days_unchanged, report.rows) == ([], 1, 0)
    night.funnels(CHECKOUT, SIGN_UP)
    assert len(night.server.requests) == 2
    assert len(night.funnel_lines(CHECKOUT.last)) == 5


def test_a_funnel_leaves_the_counts_of_its_day_alone_and_they_it(night: Night) -> None:
    night.server.funnel_users = dict(USERS)
    funnel = FunnelAsked(CHECKOUT.name, CHECKOUT.steps, date(2026, 2, 1), DAYS[2])
    night.pull()
    night.funnels(funnel)
    night.pull()
    assert night.landed() == COUNTS
    assert len(night.funnel_lines(DAYS[2])) == 4


def renames_second_step(answer: Any, name: str) -> None:
    answer.funnel_table.rows[1].dimension_values[0].value = name


@pytest.mark.parametrize(
    "trouble",
    [
        Refusal("UNAVAILABLE"),
        Refusal("RESOURCE_EXHAUSTED", wait_seconds=7),
        Twist(
            lambda answer: setattr(answer.funnel_table.rows[1], "dimension_values", [{"value": "9. want"}])
        ),
        Twist(lambda answer: setattr(answer, "kind", "")),
    ],
)
def test_a_funnel_that_fails_in_passing_is_asked_for_again_alone(night: Night, trouble: Any) -> None:
    night.server.funnel_users = USERS | {"visit": 9_000}
    night.server.troubles = [None, trouble]
    night.funnels(SIGN_UP, CHECKOUT)
    assert [request.funnel.steps[0].name for request in night.server.requests] == ["visit", "look", "look"]
    assert night.funnel_lines(CHECKOUT.last) == [
        *step_lines(SIGN_UP, 9_000),
        *step_lines(CHECKOUT, 7_000, 2_100, 0, 0),
    ]


def test_a_funnel_that_fails_for_good_leaves_the_one_that_landed(night: Night) -> None:
    night.server.funnel_users = dict(USERS)
    night.now = datetime(2026, 3, 2, 5, tzinfo=UTC)
    night.funnels(CHECKOUT)
    before = night.lake.day(CHECKOUT.last)
    night.server.troubles = [Refusal("UNAVAILABLE")] * 4
    with pytest.raises(VendorUnavailable):
        night.funnels(CHECKOUT)
    assert night.lake.day(CHECKOUT.last) == before


def test_a_funnel_that_ga4_cannot_count_is_remarked_beside_one_that_it_can(night: Night) -> None:
    night.server.funnel_users = {"visit": 9_000}
    unaskable = StepFilter(events=("view_*",), parameters=(("currency", ("EUR",)),))
    lost = funnel_of("lost", ("look", unaskable))
    (remark,) = night.funnels(lost, SIGN_UP).remarks
    assert "parameters only of events named in full" in remark
    assert night.funnel_lines(SIGN_UP.last) == step_lines(SIGN_UP, 9_000)
    with pytest.raises(RequestRefused, match="named in full"):
        night.funnels(lost)
    assert night.funnel_lines(SIGN_UP.last) == step_lines(SIGN_UP, 9_000)


def test_a_dimension_that_funnels_do_not_have_is_explained(night: Night) -> None:
    night.server.troubles = [Refusal("INVALID_ARGUMENT", "The dimension city is not allowed in funnels.")]
    with pytest.raises(RequestRefused, match=r"city is not allowed.*can ask for events, pages"):
        night.funnels(SIGN_UP)
    assert night.waits == []


def matches(asked: FunnelFilterExpression, event: dict[str, Any]) -> bool:
    """What GA4 documents of a filter, applied to an event."""
    if asked.and_group.expressions:
        return all(matches(each, event) for each in asked.and_group.expressions)
    if asked.or_group.expressions:
        return any(matches(each, event) for each in asked.or_group.expressions)
    if "funnel_field_filter" in asked:
        return text_matches(
            asked.funnel_field_filter.string_filter, event[asked.funnel_field_filter.field_name]
        )
    wanted = asked.funnel_event_filter
    return wanted.event_name == event["eventName"] and (
        "funnel_parameter_filter_expression" not in wanted
        or parameters_match(wanted.funnel_parameter_filter_expression, event)
    )


def parameters_match(asked: Any, event: dict[str, Any]) -> bool:
    if asked.and_group.expressions:
        return all(parameters_match(each, event) for each in asked.and_group.expressions)
    if asked.or_group.expressions:
        return any(parameters_match(each, event) for each in asked.or_group.expressions)
    wanted = asked.funnel_parameter_filter
    value = event.get(wanted.event_parameter_name)
    if "numeric_filter" in wanted:
        number = wanted.numeric_filter.value
        return value == (number.int64_value if "int64_value" in number else number.double_value)
    return isinstance(value, str) and text_matches(wanted.string_filter, value)


def text_matches(asked: StringFilter, text: str) -> bool:
    assert asked.case_sensitive
    kinds = StringFilter.MatchType
    return {
        kinds.EXACT: lambda: text == asked.value,
        kinds.BEGINS_WITH: lambda: text.startswith(asked.value),
        kinds.ENDS_WITH: lambda: text.endswith(asked.value),
        kinds.CONTAINS: lambda: asked.value in text,
        kinds.FULL_REGEXP: lambda: re.fullmatch(asked.value, text) is not None,
    }[asked.match_type]()


LETTERS = "ab/.+*\\"


@given(glob=st.text(LETTERS, min_size=1, max_size=6), text=st.text(LETTERS, max_size=8))
def test_a_glob_means_to_the_vendor_what_it_means_in_a_journey(glob: str, text: str) -> None:
    step = vendor_step(FunnelStep("any", (StepFilter(pages=(glob,)),)), "f")
    pattern = glob_pattern(glob)
    ours = text == unescaped(glob) if pattern is None else pattern.fullmatch(text) is not None
    event = {"eventName": "page_view", "pagePath": text}
    assert matches(step.filter_expression, event) == ours


@pytest.mark.parametrize(
    ("glob", "kind"),
    [
        ("/pay", "EXACT"),
        ("/pay/*", "BEGINS_WITH"),
        ("*/thanks", "ENDS_WITH"),
        ("*pay*", "CONTAINS"),
        ("/*/pay", "FULL_REGEXP"),
        ("*", "FULL_REGEXP"),
    ],
)
def test_only_what_the_vendor_has_no_word_for_becomes_a_regular_expression(glob: str, kind: str) -> None:
    step = vendor_step(FunnelStep("any", (StepFilter(pages=(glob,)),)), "f")
    asked = step.filter_expression.funnel_field_filter
    assert (asked.field_name, asked.string_filter.match_type.name) == ("pagePath", kind)


@pytest.mark.parametrize(
    ("event", "fits"),
    [
        ({"eventName": "buy", "pagePath": "/pay/card", "currency": "EUR", "items": 2}, True),
        ({"eventName": "order", "pagePath": "/pay/card", "currency": "USD", "items": 2}, True),
        ({"eventName": "buy", "pagePath": "/cart", "currency": "EUR", "items": 2}, False),
        ({"eventName": "buy", "pagePath": "/pay/card", "currency": "GBP", "items": 2}, False),
        ({"eventName": "buy", "pagePath": "/pay/card", "currency": "EUR", "items": 3}, False),
        ({"eventName": "refund", "pagePath": "/pay/card", "currency": "EUR", "items": 2}, False),
        ({"eventName": "gift_buy", "pagePath": "/", "is_test": "false"}, True),
        ({"eventName": "gift_buy", "pagePath": "/"}, True),
        ({"eventName": "Gift_buy", "pagePath": "/"}, False),
        ({"eventName": "trial", "pagePath": "/", "is_test": "true"}, True),
        ({"eventName": "trial", "pagePath": "/", "is_test": "false"}, False),
    ],
)
def test_the_keys_of_a_rule_are_anded_and_rules_ored(event: dict[str, Any], fits: bool) -> None:
    step = FunnelStep(
        "buy",
        (
            StepFilter(
                events=("buy", "order"),
                pages=("/pay/*", "/kiosk"),
                parameters=(("currency", ("EUR", "U*")), ("items", (1, 2))),
            ),
            StepFilter(events=("gift_*",)),
            StepFilter(events=("trial",), parameters=(("is_test", (True,)),)),
        ),
        within=timedelta(minutes=30),
    )
    made = vendor_step(step, "f")
    assert matches(made.filter_expression, event) == fits
    assert made.within_duration_from_prior_step == timedelta(minutes=30)


def other_in_every_dimension(answer: Any) -> None:
    """What GA4 did not keep apart is a row that says so in place of the date too."""
    last = answer.rows[-1]
    for value in last.dimension_values:
        value.value = "(other)"


def test_the_other_row_counts_whatever_it_says_in_place_of_the_date(night: Night) -> None:
    night.server.troubles = [Twist(other_in_every_dimension)] * 3
    night.pull()
    assert night.waits == []
    # rows come in the order of the names; of the first day, another row of that name stands beside it
    assert night.landed() == {
        DAYS[0]: {"page_view": 1_000, "añadir ✓": 40, "purchase": 12, "(other)": 303},
        DAYS[1]: {"page_view": 900, "purchase": 9, "(other)": 310},
        DAYS[2]: {"page_view": 1_100, "purchase": 14, "add_to_cart": 70, "(other)": 290},
    }
