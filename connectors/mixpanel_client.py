"""Ask Mixpanel's raw Export API: mixpanel-utils with another request(), typed errors, no word in a log.

The library's own request loses Retry-After, retries at once, swallows 4xx, and logs the credentials as
soon as the root logger is at DEBUG.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from mixpanel_utils import MixpanelUtils
from requests.auth import AuthBase
from urllib3 import BaseHTTPResponse

from connectors.errors import (
    AccessDenied,
    AnswerBroken,
    QuotaExhausted,
    RequestRefused,
    SourceError,
    VendorUnavailable,
)
from connectors.retry_after import seconds_asked
from connectors.secret import Secret
from connectors.vendor_words import VendorWords

TIMEOUTS_SECONDS = (10.0, 120.0)  # to connect, and between two pieces of the answer


@dataclass(frozen=True)
class MixpanelProject:
    """A Mixpanel project and the service account that reads it.

    ``region`` is where its data lives: us, eu or in. ``api_url`` takes the place of the vendor's address:
    one without a path stands for the host, and ``/api`` is added as on Mixpanel's own; one with a path
    stands for all that comes before ``/2.0/export``. ``credentials`` is the NAME of the two secrets
    (``NAME_SERVICE_ACCOUNT``, ``NAME_SERVICE_SECRET``), for the errors.
    """

    project_id: int
    region: str
    username: Secret
    secret: Secret
    api_url: str | None = None
    requests_per_hour: int = 60
    credentials: str = "MIXPANEL"

    @property
    def origin(self) -> str:
        return f"Mixpanel project {self.project_id} ({self.region})"


class MixpanelClient(MixpanelUtils):  # type: ignore[misc]  # the library is untyped
    """``query_export(..., raw_stream=True)`` returns the answer's body, unread, or raises a SourceError."""

    def __init__(
        self,
        project: MixpanelProject,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        timeouts_seconds: tuple[float, float] = TIMEOUTS_SECONDS,
    ) -> None:
        # the library would keep the secret as plain text: it gets none, for request() sends it
        super().__init__(api_secret="", project_id=project.project_id, residency=project.region, pool_size=1)
        self.where = project.origin
        if project.api_url is not None:
            base = project.api_url.rstrip("/")
            self.raw_api = base if urlsplit(base).path else f"{base}/api"
            self.where += f" at {self.raw_api}"
        self._project, self._clock, self._timeouts = project, clock, timeouts_seconds
        self._token = _token(project)
        self.words = VendorWords(self._token, project.secret, project.username)

    def request(
        self,
        base_url: str,
        path_components: list[str],
        params: Mapping[str, Any],
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        raw_stream: bool = False,
        retries: int = 0,
    ) -> BaseHTTPResponse:
        """GET what the library's own request would, but once: ``retries`` is only there for its callers."""
        if method != "GET" or not raw_stream:
            raise NotImplementedError("only raw exports are asked for")
        url = "/".join([base_url, str(MixpanelUtils.VERSION), *path_components])
        failure: SourceError | None = None
        try:
            with requests.Session() as session:
                answer = session.get(
                    url,
                    params={**params, "project_id": str(self._project.project_id)},
                    headers=headers,
                    auth=_BasicAuth(self._token),  # given here, no ~/.netrc takes its place
                    timeout=self._timeouts,
                    stream=True,
                    allow_redirects=False,  # the credentials are for this host
                )
        except requests.RequestException as error:
            failure = self._network_error(error)
        if failure is not None:
            # raised out here, so that no traceback leads to frames that hold the headers
            raise failure
        if answer.status_code != 200:
            with answer:
                raise self._refusal(answer)
        return answer.raw

    def _network_error(self, error: requests.RequestException) -> SourceError:
        if isinstance(error, requests.ConnectionError | requests.Timeout):
            took = "takes too long to answer" if isinstance(error, requests.Timeout) else "cannot be reached"
            return VendorUnavailable(
                f"Mixpanel {took} ({self.words.quoted(str(error))})",
                where=self.where,
                remedy="Check the network and api_url, or try again later",
            )
        return RequestRefused(
            f"the request cannot be made ({self.words.quoted(str(error))})",
            where=self.where,
            remedy="Check api_url",
        )

    def _refusal(self, answer: requests.Response) -> SourceError:
        status = answer.status_code
        said = f"{status}: {self.words.quoted(_beginning(answer))}"
        if status == 429:
            # https://docs.mixpanel.com/reference/rate-limits: 60 queries an hour, 3 a second
            return QuotaExhausted(
                f"Mixpanel asks to slow down ({said})",
                where=self.where,
                remedy="Pull again later, it goes on here; where other tools export from the project too, "
                "lower requests_per_hour",
                retry_after_seconds=seconds_asked(answer.headers.get("Retry-After"), self._clock()),
            )
        if status >= 500 or status == 408:
            return VendorUnavailable(
                f"Mixpanel fails on its side ({said})", where=self.where, remedy="Try again later"
            )
        if 200 < status < 300:
            return AnswerBroken(f"no export but {said}", where=self.where, remedy="Try again later")
        if status in (401, 403):
            what, remedy = self._access_words(status)
            return AccessDenied(f"{what} ({said})", where=self.where, remedy=remedy)
        return RequestRefused(
            f"Mixpanel refuses the request ({said})",
            where=self.where,
            remedy=REMEDIES.get(status, "Check api_url, project_id and region"),
        )

    def _access_words(self, status: int) -> tuple[str, str]:
        # https://docs.mixpanel.com/troubleshooting/errors/401-unauthorized: a wrong region answers 401 too
        region = f"and that the project lives in region {self._project.region} (us, eu, in)"
        if status == 401:
            name = self._project.credentials
            return (
                "Mixpanel does not accept the service account",
                f"Check {name}_SERVICE_ACCOUNT and {name}_SERVICE_SECRET (a service account's user name and "
                f"secret, neither the project token nor the API secret), {region}",
            )
        return (
            "the service account may not read this project",
            "Add it to the project with a role that may export (Project settings > Service accounts), "
            f"check project_id, {region}",
        )


REMEDIES = {
    400: "Check project_id (the number in the address of the project, not its token) and region (the project "
    "may live in eu or in); a day in the future is refused as well",
    402: "The project's plan does not include exports: ask who administers it, or use exported files",
    404: "Check api_url: it is the address in front of /2.0/export",
}


class _BasicAuth(AuthBase):
    def __init__(self, token: Secret) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Basic {self._token.reveal()}"
        return request


def _token(project: MixpanelProject) -> Secret:
    pair = f"{project.username.reveal()}:{project.secret.reveal()}"
    return Secret(base64.b64encode(pair.encode()).decode())


def _beginning(answer: requests.Response) -> bytes:
    """The first 64 kB of an error's body, or what of it can be had."""
    try:
        return answer.raw.read(65_536, decode_content=True) or b""
    except Exception:  # whatever is wrong with the body, the status is what counts
        return b""
