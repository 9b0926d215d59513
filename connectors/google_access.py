"""The way into Google's APIs: credentials, endpoints, and what their refusals mean."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import google.auth
import grpc
import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials, Credentials
from google.oauth2 import service_account

from connectors.errors import (
    AccessDenied,
    AnswerBroken,
    CredentialMissing,
    QuotaExhausted,
    RequestRefused,
    SourceError,
    VendorUnavailable,
)
from connectors.secret import Secret

# The roles of the account narrow this down. The Storage Read API knows no read-only scope
# (https://cloud.google.com/bigquery/docs/reference/storage/rpc).
SCOPES = (
    "https://www.googleapis.com/auth/bigquery",
    "https://www.googleapis.com/auth/analytics.readonly",
)
LOGIN_SCOPES = ",".join((*SCOPES, "https://www.googleapis.com/auth/cloud-platform"))
LOGIN = (
    "Set GOOGLE_APPLICATION_CREDENTIALS to the path of a service account's key file, or run "
    f"gcloud auth application-default login --scopes={LOGIN_SCOPES}"
)
LATER = "Pull again later; the days before it have landed"

VENDOR_ERRORS: tuple[type[Exception], ...] = (
    api.GoogleAPIError,
    auth.GoogleAuthError,
    requests.RequestException,
    ConnectionError,
    TimeoutError,
)
"""What a call of Google's clients may raise, over gRPC or REST."""


@dataclass(frozen=True)
class Endpoint:
    """Where an API answers: ``https://host[:port]``, or ``http://`` and ``grpc://`` without encryption."""

    url: str

    @property
    def is_plain(self) -> bool:
        """Whether what is sent can be read on the way, so that no credential may be sent."""
        return urlsplit(self.url).scheme in ("http", "grpc")

    @property
    def host(self) -> str:
        """``host`` or ``host:port``, as gRPC wants it."""
        return urlsplit(self.url).netloc

    def insecure_channel(self) -> grpc.Channel:
        # as Google's clients do: an answer may be larger than gRPC's 4 MB
        return grpc.insecure_channel(self.host, options=[("grpc.max_receive_message_length", -1)])


def google_credentials(key: Secret | None, where: str) -> Credentials:
    """Credentials of a service account's key (its JSON text), else application default credentials.

    Nothing is asked of Google yet, except by application default credentials on a machine of Google's.
    Raises CredentialMissing.
    """
    if key is None:
        return _default_credentials(where)
    # Not raised within an except block: the errors of json and of the key's reader hold the key.
    made = _key_credentials(key)
    if isinstance(made, str):
        raise CredentialMissing(
            f"the service account's key {made}",
            where=where,
            remedy="It is the whole text of the JSON file made in Google Cloud under IAM & Admin > Service "
            "accounts > Keys; the path of such a file goes into GOOGLE_APPLICATION_CREDENTIALS instead",
        )
    return made


def credentials_for(endpoint: Endpoint | None, key: Secret | None, where: str) -> Credentials:
    """As google_credentials; anonymous where the endpoint is not encrypted. Raises CredentialMissing."""
    if endpoint is not None and endpoint.is_plain:
        return AnonymousCredentials()  # type: ignore[no-untyped-call]
    return google_credentials(key, where)


def account_of(credentials: Credentials) -> str:
    """Whom to grant a role to: the e-mail of a service account, else words for whoever is logged in."""
    return getattr(credentials, "service_account_email", None) or "the account that is used"


def source_error_of(
    error: Exception,
    where: str,
    remedies: Mapping[str, str] | None = None,
    *,
    key: Secret | None = None,
) -> SourceError:
    """The SourceError of one of VENDOR_ERRORS.

    ``remedies`` says what to do by words of Google's message, upper or lower case; the first that occur
    in it count. ``key`` is masked in what Google said.
    """
    text = _words_of(error)
    for part in _parts_of(key) if key else ():
        text = part.masked_in(text)
    told = next((what for word, what in (remedies or {}).items() if word.lower() in text.lower()), None)
    if isinstance(error, auth.GoogleAuthError):
        return _sign_in_error(error, text, where)
    if isinstance(error, api.TooManyRequests) or _is_quota(error):
        return QuotaExhausted(
            f"the quota is used up ({text})",
            where=where,
            remedy=told or LATER,
            retry_after_seconds=_asked_wait(error),
        )
    if isinstance(error, api.Unauthorized):
        return _not_accepted(text, where)
    if isinstance(error, api.Forbidden):
        return AccessDenied(f"access is denied ({text})", where=where, remedy=told or _forbidden(text))
    if isinstance(error, api.DataLoss | requests.exceptions.ChunkedEncodingError):
        return AnswerBroken(f"the answer is cut short ({text})", where=where, remedy=LATER)
    if isinstance(error, requests.exceptions.InvalidJSONError | requests.exceptions.ContentDecodingError):
        return AnswerBroken(f"the answer cannot be read ({text})", where=where, remedy=LATER)
    if _is_refusal(error):
        remedy = told or "Check the names in the config, and api_url where one is set"
        return RequestRefused(f"the request is refused ({text})", where=where, remedy=remedy)
    # over gRPC, a token that cannot be had looks like a vendor that cannot be reached
    if "metadata from plugin" in text and "invalid_" in text:
        return _not_accepted(text, where)
    return VendorUnavailable(f"Google does not answer ({text})", where=where, remedy=told or LATER)


@contextmanager
def explained(
    where: str, remedies: Mapping[str, str] | None = None, *, key: Secret | None = None
) -> Iterator[None]:
    """Turns VENDOR_ERRORS within the block into SourceErrors."""
    try:
        yield
    except VENDOR_ERRORS as error:
        raise source_error_of(error, where, remedies, key=key) from None  # the cause may hold a token


def _parts_of(key: Secret) -> list[Secret]:
    """What of a key would give it away: its whole text, and each line of its private key."""
    try:
        lines = str(json.loads(key.reveal())["private_key"]).splitlines()
    except (ValueError, KeyError, TypeError):
        lines = []
    return [key, *(Secret(line.strip()) for line in lines if len(line.strip()) >= 16)]


def _default_credentials(where: str) -> Credentials:
    try:
        credentials, _ = google.auth.default(scopes=SCOPES)
    except auth.GoogleAuthError as error:
        raise CredentialMissing(
            f"no credential for Google is found ({_words_of(error)})", where=where, remedy=LOGIN
        ) from None
    # the library takes for granted that the file can be read and holds an object
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise CredentialMissing(
            f"the file of Google's credentials cannot be read as one ({type(error).__name__})",
            where=where,
            remedy=LOGIN,
        ) from None  # its text may hold some of the key
    return credentials


def _key_credentials(key: Secret) -> Credentials | str:
    """The credentials, or what is wrong with the key in words that show nothing of it."""
    text = key.reveal().strip()
    try:
        info = json.loads(text)
    except ValueError:
        return "is no JSON, and looks like a path" if text.endswith(".json") else "is no JSON"
    kind = info.get("type") if isinstance(info, dict) else None
    if kind != "service_account":
        other = " but of a person who logged in" if kind == "authorized_user" else ""
        return f"is not of a service account{other}"
    try:
        made: Credentials = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            info, scopes=SCOPES
        )
    except (ValueError, TypeError, auth.GoogleAuthError):
        return "is cut short or damaged"
    return made


def _sign_in_error(error: auth.GoogleAuthError, text: str, where: str) -> SourceError:
    if isinstance(error, auth.TransportError | auth.TimeoutError) or error.retryable:
        return VendorUnavailable(f"Google's sign-in cannot be reached ({text})", where=where, remedy=LATER)
    # an anonymous client is asked who it is
    if isinstance(error, auth.InvalidOperation):
        return AccessDenied(
            f"a credential is wanted, and none is sent without encryption ({text})",
            where=where,
            remedy="Use an https:// address as api_url",
        )
    if isinstance(error, auth.DefaultCredentialsError):
        return CredentialMissing(f"no credential for Google is found ({text})", where=where, remedy=LOGIN)
    return _not_accepted(text, where)


def _not_accepted(text: str, where: str) -> AccessDenied:
    return AccessDenied(
        f"Google does not accept the credential ({text})",
        where=where,
        remedy="The key may be deleted, disabled or expired, or this machine's clock is wrong: make a new "
        "key, or log in again with gcloud auth application-default login",
    )


def _forbidden(text: str) -> str:
    said = text.lower()
    if "has not been used in project" in said or "it is disabled" in said or "accessnotconfigured" in said:
        return "Enable the API that is named there under APIs & Services > Library, and wait a few minutes"
    if "insufficient" in said and "scope" in said:
        return f"Run gcloud auth application-default login --scopes={LOGIN_SCOPES}"
    if "quota project" in said:
        return "Run gcloud auth application-default set-quota-project PROJECT"
    if "billing" in said:
        return "Switch on billing for the project that is charged"
    return "Grant the account the right that is named there; a new grant takes a few minutes"


def _is_quota(error: Exception) -> bool:
    """REST says 403 for a quota too (https://cloud.google.com/bigquery/docs/error-messages)."""
    if not isinstance(error, api.Forbidden):
        return False
    reasons = {str(each.get("reason")) for each in error.errors if isinstance(each, Mapping)}
    return bool(reasons & {"rateLimitExceeded", "quotaExceeded", "userRateLimitExceeded"})


def _is_refusal(error: Exception) -> bool:
    if isinstance(error, api.Aborted | api.Cancelled):  # 409 and 499, both of the moment
        return False
    return isinstance(
        error,
        api.ClientError
        | api.MethodNotImplemented
        | requests.exceptions.SSLError
        | requests.exceptions.InvalidURL,
    )


def _words_of(error: Exception) -> str:
    """What Google said, in one line."""
    said = getattr(error, "message", "") or error
    if isinstance(error, auth.GoogleAuthError) and error.args:
        said = error.args[0]  # behind it comes all that the sign-in answered
    text = " ".join(str(said).split())
    return text if len(text) <= 500 else text[:500] + " ..."


def _asked_wait(error: Any) -> float | None:
    """Seconds to wait, from RetryInfo (gRPC, REST) or the header Retry-After."""
    for detail in getattr(error, "details", None) or ():
        if hasattr(detail, "retry_delay"):
            return float(detail.retry_delay.ToTimedelta().total_seconds())
        if isinstance(detail, Mapping) and "retryDelay" in detail:
            return _seconds(str(detail["retryDelay"]).removesuffix("s"))
    headers = getattr(getattr(error, "response", None), "headers", None) or {}
    return _seconds(str(headers.get("Retry-After", "")))


def _seconds(text: str) -> float | None:
    try:
        return max(0.0, float(text))
    except ValueError:
        return None
