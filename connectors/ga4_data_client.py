"""GA4's Data API of one property: the way in, its quota, and its refusals explained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from google.analytics import data_v1alpha as alpha
from google.analytics import data_v1beta as beta
from google.analytics.data_v1alpha.services.alpha_analytics_data.transports import (
    AlphaAnalyticsDataGrpcTransport,
)
from google.analytics.data_v1beta.services.beta_analytics_data.transports import (
    BetaAnalyticsDataGrpcTransport,
)
from google.api_core.client_options import ClientOptions
from google.auth.credentials import Credentials
from google.protobuf.json_format import ParseError

from connectors.errors import AnswerBroken, QuotaExhausted, RequestRefused, SourceError
from connectors.ga4_quota import Quota
from connectors.google_access import (
    VENDOR_ERRORS,
    Endpoint,
    account_of,
    credentials_for,
    source_error_of,
)
from connectors.landing import SourceLake
from connectors.patience import Progress
from connectors.secret import Secret

TIMEOUT_SECONDS = 120.0
HOUR_SECONDS, DAY_SECONDS = 3_600.0, 86_400.0

_ENABLE = (
    "Enable the Google Analytics Data API (analyticsdata.googleapis.com) in the key's project under APIs & "
    "Services > Library, and wait a few minutes"
)
_TOMORROW = "The tokens come back within 24 hours; let fewer tools ask for this property"
_FUNNEL = "GA4's funnels can ask for events, pages and event parameters, in at most 10 steps"

Answer = TypeVar("Answer", beta.RunReportResponse, alpha.RunFunnelReportResponse)


@dataclass(frozen=True)
class DataApi:
    """Where a property's reports are to be had.

    ``property_id`` is the number of the property, ``key`` the JSON of a service account (None: Google's
    application default credentials). ``api_url`` takes the place of Google's address: ``https://host``
    (REST) or, both without any credentials, ``http://host:port`` (REST) and ``grpc://host:port``.
    """

    property_id: str
    key: Secret | None = None
    api_url: str | None = None


class DataApiClient:
    """Calls the API with a deadline and without retries; a context manager.

    It opens its channel at the first call, so that a night with nothing to ask needs no credentials.
    """

    def __init__(self, api: DataApi, lake: SourceLake | None = None) -> None:
        _check_property(api.property_id)
        self.property = f"properties/{api.property_id}"
        self.origin = f"Data API {self.property}"
        self.quota = Quota(lake.root / "quota.json" if lake else None)
        self._key = api.key
        self._endpoint = Endpoint(api.api_url) if api.api_url else None

    def __enter__(self) -> DataApiClient:
        return self

    def __exit__(self, *exc: object) -> None:
        self.quota.save()
        for name in ("_reports", "_funnels"):
            if name in self.__dict__:
                self.__dict__[name].transport.close()

    def run_report(self, request: beta.RunReportRequest) -> beta.RunReportResponse:
        """One page of a report. Raises SourceError."""
        return self._call("report", "runReport", lambda: self._reports.run_report, request)

    def run_funnel_report(self, request: alpha.RunFunnelReportRequest) -> alpha.RunFunnelReportResponse:
        """A funnel. Raises SourceError."""
        return self._call("funnel", "runFunnelReport", lambda: self._funnels.run_funnel_report, request)

    def tell_quota(self, progress: Progress) -> tuple[str, ...]:
        """Tell what is left of the quota; returns remarks where that is little."""
        for sentence in self.quota.sentences():
            progress(f"{self.origin}: {sentence}")
        return tuple(f"{self.origin}: {warning}" for warning in self.quota.warnings())

    def _call(
        self, kind: str, method: str, opened: Callable[[], Callable[..., Answer]], request: object
    ) -> Answer:
        try:
            # retries are Patience's: the client's would be made inside of a unit of work
            answer = opened()(request, timeout=TIMEOUT_SECONDS, retry=None)
        except VENDOR_ERRORS as error:
            raise self._explained(error, kind) from None  # its cause may hold a token
        except ParseError as error:
            raise self._no_report(method, str(error)) from None
        self.quota.note(kind, answer.property_quota)
        # a proxy's empty 200 must not pass for a day without events: a real answer says what it is
        if answer.kind != f"analyticsData#{method}":
            raise self._no_report(method, f"it is of kind {answer.kind!r}")
        return answer

    def _no_report(self, method: str, why: str) -> AnswerBroken:
        why = self._key.masked_in(why) if self._key else why
        return AnswerBroken(
            f"the answer is no {method} report ({why[:300]})",
            where=self.origin,
            remedy="Check api_url and what stands in between, then pull again",
        )

    def _explained(self, error: Exception, kind: str) -> SourceError:
        viewer = (
            f"Add {account_of(self._credentials)} as a Viewer under Admin > Property access management of "
            "this property, and check that property_id is its number"
        )
        remedies = {
            "has not been used in project": _ENABLE,
            "is disabled": _ENABLE,
            "permission": viewer,
            "per day": _TOMORROW,
            "property id": "Use the number under Admin > Property settings as property_id, not a G-… id",
            "funnel": _FUNNEL,
            "dimension": _FUNNEL,
        }
        made = source_error_of(error, self.origin, remedies, key=self._key)
        if not isinstance(made, QuotaExhausted):
            return made
        # the day's tokens come back within a day, the hour's within an hour: until then asking is no use
        wait, remedy, said = made.retry_after_seconds, made.remedy, made.what.lower()
        if "per day" in said or self.quota.is_used_up_today(kind):
            wait, remedy = max(wait or 0.0, DAY_SECONDS), _TOMORROW
        elif wait is None and "hour" in said:
            wait = HOUR_SECONDS
        return QuotaExhausted(made.what, where=made.where, remedy=remedy, retry_after_seconds=wait)

    @cached_property
    def _credentials(self) -> Credentials:
        return credentials_for(self._endpoint, self._key, self.origin)

    @cached_property
    def _reports(self) -> beta.BetaAnalyticsDataClient:
        if self._endpoint is not None and self._endpoint.url.startswith("grpc://"):
            transport = BetaAnalyticsDataGrpcTransport(channel=self._endpoint.insecure_channel())
            return beta.BetaAnalyticsDataClient(transport=transport)
        return beta.BetaAnalyticsDataClient(**self._way_in())

    @cached_property
    def _funnels(self) -> alpha.AlphaAnalyticsDataClient:
        if self._endpoint is not None and self._endpoint.url.startswith("grpc://"):
            transport = AlphaAnalyticsDataGrpcTransport(channel=self._endpoint.insecure_channel())
            return alpha.AlphaAnalyticsDataClient(transport=transport)
        return alpha.AlphaAnalyticsDataClient(**self._way_in())

    def _way_in(self) -> dict[str, Any]:
        """Arguments of a client: gRPC to Google itself, REST to any other address."""
        if self._endpoint is None:
            return {"credentials": self._credentials}
        options = ClientOptions(api_endpoint=self._endpoint.url)
        return {"credentials": self._credentials, "client_options": options, "transport": "rest"}


def _check_property(property_id: str) -> None:
    if property_id.isdigit():
        return
    hint = {
        "G-": "is the measurement id of a web stream",
        "UA": "is of Universal Analytics, which has ended and has no Data API",
    }.get(property_id.upper()[:2], "is no property id")
    raise RequestRefused(
        f"{property_id!r} {hint}",
        where="property_id",
        remedy="Use the number under Admin > Property settings, for example 123456789",
    )
