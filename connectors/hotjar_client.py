"""Hotjar's API: OAuth client credentials, pages by cursor, typed errors.

What is known of it: help.hotjar.com, "Hotjar API Reference" (survey responses, at most 100 a page, 3,000
requests a minute), and published descriptions of the same API for the order of the responses (the newest
first) and the names of the fields. A list in another order is walked to its end.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import requests
from requests.auth import AuthBase

from connectors.errors import (
    AccessDenied,
    AnswerBroken,
    QuotaExhausted,
    RequestRefused,
    SourceError,
    VendorUnavailable,
)
from connectors.json_lines import Record
from connectors.retry_after import seconds_asked
from connectors.secret import Secret
from connectors.vendor_words import VendorWords

API_URL = "https://api.hotjar.io"
TOKEN_PATH = "/v1/oauth/token"
PAGE_LIMIT = 100
TIMEOUT_SECONDS = (10.0, 120.0)

_PLAN_HINT = (
    "Survey responses need the Ask Scale plan, and a key made for this site's organisation with access to "
    "survey responses (Settings > API). Without it, export the survey as CSV and name it in `surveys`"
)
_SITE_HINT = (
    "site_id is the number in the tracking code (hjid) and under Sites & Organizations, not the "
    "organisation's id; correct it in painpoints.toml"
)


@dataclass(frozen=True)
class HotjarSite:
    """One site of Hotjar and the API key to read it; without ``survey_ids`` all its surveys are meant.

    ``credentials`` is the NAME of the two secrets (``NAME_CLIENT_ID``, ``NAME_CLIENT_SECRET``), for errors.
    """

    site_id: int
    client_id: Secret
    client_secret: Secret
    survey_ids: tuple[int, ...] = ()
    api_url: str | None = None
    credentials: str = "HOTJAR"


@dataclass(frozen=True)
class Survey:
    """``questions`` and ``types`` (nps, long-text, rating-1-5, ...) are by question id."""

    id: str
    questions: Mapping[str, str]
    types: Mapping[str, str]


class _Bearer(AuthBase):
    """Sends the token, and nothing else: without an auth of ours, requests takes one from ~/.netrc."""

    def __init__(self, token: Secret | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token.reveal()}"
        return request


class HotjarClient:
    """The endpoints, with typed errors. It tries nothing twice, save a request whose token had expired."""

    def __init__(self, site: HotjarSite) -> None:
        self._site = site
        self._base = (site.api_url or API_URL).rstrip("/")
        self._session = requests.Session()
        self._token: Secret | None = None

    def close(self) -> None:
        self._session.close()

    def surveys(self) -> list[Survey]:
        """The surveys of the site that are asked for, in the order of their ids."""
        path = f"/v1/sites/{self._site.site_id}/surveys"
        found: dict[str, Survey] = {}
        for results, _ in self._pages(path, _SITE_HINT, with_questions="true"):
            for each in results:
                if not isinstance(each, dict) or "id" not in each:
                    raise broken("a survey has no id", self._base + path)
                questions = [q for q in each.get("questions") or () if isinstance(q, dict)]
                survey = Survey(
                    str(each["id"]),
                    {str(q.get("id")): str(q.get("text") or "") for q in questions},
                    {str(q.get("id")): str(q.get("type") or "") for q in questions},
                )
                found[survey.id] = survey
        wanted = [str(survey_id) for survey_id in self._site.survey_ids] or sorted(found)
        absent = [survey_id for survey_id in wanted if survey_id not in found]
        if absent:
            raise RequestRefused(
                f"site {self._site.site_id} has no survey {', '.join(absent)}",
                where=self._base + path,
                remedy=f"Correct survey_ids; the site has {', '.join(sorted(found)) or 'none'}",
            )
        return [found[survey_id] for survey_id in wanted]

    def response_pages(self, survey: Survey) -> Iterator[tuple[list[object], int]]:
        """The responses of a survey page by page, the newest first, with the bytes of each page."""
        return self._pages(self._responses_path(survey), _SITE_HINT)

    def first_response(self, survey: Survey) -> None:
        """Ask for one response, to see whether it is given."""
        self._get(self._responses_path(survey), {"limit": "1"}, _SITE_HINT)

    def _responses_path(self, survey: Survey) -> str:
        return f"/v1/sites/{self._site.site_id}/surveys/{quote(survey.id, safe='')}/responses"

    def _pages(self, path: str, absent_hint: str, **params: str) -> Iterator[tuple[list[object], int]]:
        cursor, seen = "", set()
        while True:
            asked = {**params, "limit": str(PAGE_LIMIT)} | ({"cursor": cursor} if cursor else {})
            body, size = self._get(path, asked, absent_hint)
            results = body.get("results")
            if not isinstance(results, list):
                raise broken(
                    f"no list of results: {self._words().quoted(json.dumps(body))}", self._base + path
                )
            yield results, size
            cursor = str(body.get("next_cursor") or "")
            if not cursor:
                return
            if cursor in seen:
                raise broken("the pages go in a circle: a cursor came again", self._base + path)
            seen.add(cursor)

    def _get(self, path: str, params: Mapping[str, str], absent_hint: str) -> tuple[Record, int]:
        self._token = self._token or self._new_token()
        response = self._send("GET", path, params=params, auth=_Bearer(self._token))
        if response.status_code == 401:
            # a token lives for an hour, which a long pull outlives
            self._token = self._new_token()
            response = self._send("GET", path, params=params, auth=_Bearer(self._token))
        if response.status_code != 200:
            raise self._refusal(response, path, absent_hint)
        return self._object(response, path), len(response.content)

    def _new_token(self) -> Secret:
        path = TOKEN_PATH
        form = {
            "grant_type": "client_credentials",
            "client_id": self._site.client_id.reveal(),
            "client_secret": self._site.client_secret.reveal(),
        }
        response = self._send("POST", path, data=form, auth=_Bearer(None))
        # OAuth (RFC 6749, 5.2) may say invalid_client with 400 as well as 401
        if response.status_code in (400, 401, 403):
            raise AccessDenied(
                f"Hotjar does not accept the client id with this client secret ({response.status_code})",
                where=self._base + path,
                remedy=self._key_hint,
            )
        if response.status_code != 200:
            raise self._refusal(response, path, "Correct api_url: Hotjar's own is " + API_URL)
        token = self._object(response, path).get("access_token")
        if not isinstance(token, str) or not token:
            raise broken("the answer has no access_token", self._base + path)
        return Secret(token)

    def _send(self, method: str, path: str, **request: Any) -> requests.Response:
        where, url = self._base + path, self._base + path
        try:
            # no redirects: they would carry the secrets to another address
            return self._session.request(
                method, url, timeout=TIMEOUT_SECONDS, allow_redirects=False, **request
            )
        except requests.Timeout as error:
            raise VendorUnavailable(
                "Hotjar takes too long to answer", where=where, remedy="Pull again later"
            ) from error
        except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
            raise broken("the answer was cut short", where) from error
        except requests.RequestException as error:
            raise VendorUnavailable(
                f"Hotjar cannot be reached ({type(error).__name__})",
                where=where,
                remedy="Check the network, the proxy and api_url, or pull again later",
            ) from error

    def _object(self, response: requests.Response, path: str) -> Record:
        try:
            body = json.loads(response.content)
            if not isinstance(body, dict):
                raise TypeError("no JSON object")
        except (ValueError, TypeError) as error:
            raise broken("the answer is not whole JSON", self._base + path) from error
        return body

    @property
    def _key_hint(self) -> str:
        name = self._site.credentials
        return (
            f"Check {name}_CLIENT_ID and {name}_CLIENT_SECRET against Settings > API in Hotjar, and that "
            "neither is cut short nor swapped; a key ends one year after it was made, and a new one has to "
            "be made then"
        )

    def _words(self) -> VendorWords:
        token = (self._token,) if self._token else ()
        return VendorWords(self._site.client_secret, self._site.client_id, *token)

    def _refusal(self, response: requests.Response, path: str, absent_hint: str) -> SourceError:
        status, where = response.status_code, self._base + path
        # what was sent there is the secret, which may be repeated in a form that no mask knows
        said = "" if path == TOKEN_PATH else self._words().quoted(response.content)
        if status == 429:
            return QuotaExhausted(
                "Hotjar asks to slow down (429)",
                where=where,
                remedy="It allows 3,000 requests a minute for all keys together; pull again later",
                retry_after_seconds=seconds_asked(response.headers.get("Retry-After"), datetime.now(UTC)),
            )
        if status >= 500:
            return VendorUnavailable(
                f"Hotjar fails on its side ({status})", where=where, remedy="Pull again later"
            )
        if status == 401:
            return AccessDenied(
                "Hotjar does not accept its own fresh token (401)", where=where, remedy=self._key_hint
            )
        if status == 403:
            return AccessDenied(f"the key may not read this (403): {said}", where=where, remedy=_PLAN_HINT)
        if status == 404:
            return RequestRefused(f"there is no such thing (404): {said}", where=where, remedy=absent_hint)
        return RequestRefused(
            f"Hotjar does not want this request ({status}): {said}",
            where=where,
            remedy="Check api_url if it is set, and whether Hotjar has changed its API",
        )


def broken(what: str, where: str) -> AnswerBroken:
    remedy = "Nothing of this survey has landed; pull again later, and check api_url if it is set"
    return AnswerBroken(what, where=where, remedy=remedy)
