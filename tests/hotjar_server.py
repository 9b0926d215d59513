"""A loopback Hotjar API: tokens that expire, surveys, responses page by page, and misbehaviour on command."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Response = dict[str, Any]
CLIENT_ID, CLIENT_SECRET = "key-7c1f", "s3cret/of+hotjar=="


@dataclass(frozen=True)
class Status:
    """Answers with a status of its own, and words that repeat what was sent, as careless servers do."""

    code: int
    retry_after: str | None = None


@dataclass(frozen=True)
class CutJson:
    """Ends the JSON half way; the lengths agree, as a proxy makes them."""


@dataclass(frozen=True)
class CutBody:
    """Promises more bytes than it sends."""


@dataclass(frozen=True)
class Close:
    """Closes the connection without an answer."""


@dataclass(frozen=True)
class Hang:
    """Never answers."""


@dataclass(frozen=True)
class SamePage:
    """Sends the page before once more; its cursor leads to the page that was asked for."""


@dataclass(frozen=True)
class SameCursor:
    """Sends the page with the cursor with which it was asked for."""


@dataclass(frozen=True)
class Body:
    """Answers 200 with a text of its own."""

    text: str


@dataclass(frozen=True)
class Meanwhile:
    """Something that happens just before the request is answered as usual."""

    do: Callable[[HotjarServer], None]


Misbehaviour = Status | CutJson | CutBody | Close | Hang | SamePage | SameCursor | Body | Meanwhile


@dataclass
class HotjarServer:
    """``responses`` are by survey and day, as the API shows them; the list shows the newest first.

    Each GET takes the next of ``script`` (None behaves), each token request the next of ``token_script``.
    ``requests`` is the log: path, with the cursor's offset for pages. A cursor is an offset, so that new
    responses push others to the next page.
    """

    responses: Mapping[int, Mapping[str, Sequence[Response]]]
    questions: Sequence[Mapping[str, Any]] = ()
    site_id: int = 4711
    page_size: int = 100
    script: list[Misbehaviour | None] = field(default_factory=list)
    token_script: list[Misbehaviour | None] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    newest_first: bool = True
    tokens_given: int = 0

    def __post_init__(self) -> None:
        self.lists: dict[int, list[Response]] = {
            survey: sorted(
                (response for day in days.values() for response in day),
                key=lambda response: str(response["created_time"]),
                reverse=self.newest_first,
            )
            for survey, days in self.responses.items()
        }
        self._valid: str | None = None
        self._cursors = 0
        self._stopped = threading.Event()

    def expire_tokens(self) -> None:
        self._valid = None

    def __enter__(self) -> HotjarServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1  # headers and body leave together

            def do_GET(self) -> None:
                outer._get(self)

            def do_POST(self) -> None:
                outer._post(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def _post(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
        self.requests.append(handler.path)
        if handler.path != "/v1/oauth/token":
            return _send(handler, 404, {"error": "not found"})
        misbehaviour = self.token_script.pop(0) if self.token_script else None
        if misbehaviour is not None and self._misbehaves(handler, misbehaviour, body):
            return None
        form = {key: values[0] for key, values in parse_qs(body).items()}
        wanted = {
            "grant_type": "client_credentials",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
        }
        if form != wanted:
            return _send(handler, 401, {"error": "invalid_client", "error_description": body})
        self.tokens_given += 1
        self._valid = f"token-{self.tokens_given}-of-an-hour"
        return _send(handler, 200, {"access_token": self._valid, "token_type": "Bearer", "expires_in": 3600})

    def _get(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        offset = _offset_of(query.get("cursor"))
        self.requests.append(parts.path + (f"@{offset}" if offset else ""))
        misbehaviour = self.script.pop(0) if self.script else None
        authorization = handler.headers.get("Authorization", "")
        if misbehaviour is not None and self._misbehaves(handler, misbehaviour, authorization):
            return None
        if self._valid is None or authorization != f"Bearer {self._valid}":
            return _send(handler, 401, {"error": "the token has expired", "sent": authorization})
        base = f"/v1/sites/{self.site_id}/surveys"
        limit = min(int(query.get("limit", 20)), self.page_size)
        if parts.path == base:
            surveys = [self._survey(survey, query) for survey in self.lists]
            return self._page(handler, surveys, offset, limit, query, misbehaviour)
        for survey, responses in self.lists.items():
            if parts.path == f"{base}/{survey}/responses":
                return self._page(handler, responses, offset, limit, query, misbehaviour)
        return _send(handler, 404, {"title": "Not Found", "detail": "no such site or survey"})

    def _survey(self, survey: int, query: Mapping[str, str]) -> dict[str, Any]:
        described: dict[str, Any] = {"id": str(survey), "name": f"Survey {survey}", "is_enabled": True}
        if query.get("with_questions") == "true":
            described["questions"] = list(self.questions)
        return described

    def _page(
        self,
        handler: BaseHTTPRequestHandler,
        rows: Sequence[Any],
        offset: int,
        limit: int,
        query: Mapping[str, str],
        misbehaviour: Misbehaviour | None,
    ) -> None:
        start = max(offset - limit, 0) if isinstance(misbehaviour, SamePage) else offset
        end = start + limit
        cursor = self._cursor(end) if end < len(rows) else None
        if isinstance(misbehaviour, SameCursor) and "cursor" in query:
            cursor = query["cursor"]
        body = {"results": list(rows[start:end]), "next_cursor": cursor}
        if isinstance(misbehaviour, CutJson):
            text = json.dumps(body)
            return _send_text(handler, 200, text[: len(text) // 2])
        if isinstance(misbehaviour, CutBody):
            return _send_text(handler, 200, json.dumps(body), promised=1000)
        return _send(handler, 200, body)

    def _cursor(self, offset: int) -> str:
        self._cursors += 1  # never the same twice
        return base64.urlsafe_b64encode(f"{offset}:{self._cursors}".encode()).decode()

    def _misbehaves(self, handler: BaseHTTPRequestHandler, what: Misbehaviour, sent: str) -> bool:
        """Whether it has given an answer instead of the usual one."""
        if isinstance(what, Meanwhile):
            what.do(self)
            return False
        if isinstance(what, Status):
            headers = {"Retry-After": what.retry_after} if what.retry_after else {}
            _send(handler, what.code, {"detail": f"status {what.code} for {sent}"}, headers)
        elif isinstance(what, Body):
            _send_text(handler, 200, what.text)
        elif isinstance(what, Close):
            handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
        elif isinstance(what, Hang):
            self._stopped.wait()
            handler.close_connection = True
        else:
            return False
        return True


def _offset_of(cursor: str | None) -> int:
    return int(base64.urlsafe_b64decode(cursor).decode().split(":")[0]) if cursor else 0


def _send(
    handler: BaseHTTPRequestHandler, code: int, body: object, headers: Mapping[str, str] | None = None
) -> None:
    _send_text(handler, code, json.dumps(body), headers)


def _send_text(
    handler: BaseHTTPRequestHandler,
    code: int,
    text: str,
    headers: Mapping[str, str] | None = None,
    promised: int = 0,
) -> None:
    data = text.encode()
    handler.send_response(code)
    handler.send_header("Content-Type", "application/json")
    handler.send_header("Content-Length", str(len(data) + promised))
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)
    if promised:
        handler.close_connection = True
