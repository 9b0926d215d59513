"""A loopback server that speaks Mixpanel's raw Export API, and misbehaves as told.

``server.days`` holds the events of each day; change it between two pulls as Mixpanel would. Each request
takes one of ``server.misbehaviours``, the first one first, and without any the answer is right. The user
name, the secret and the project are checked; what was asked is in ``server.requests``.
"""

from __future__ import annotations

import base64
import gzip
import json
import socket
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

Event = Mapping[str, Any]
PATHS = ("/api/2.0/export", "/2.0/export")

Kind = Literal[
    "status",  # an HTTP error, whose body echoes the Authorization header
    "no answer",  # the connection is closed without one
    "silence",  # nothing comes until the server stops
    "stall",  # half of the body comes, then nothing until the server stops
    "cut body",  # less than Content-Length says
    "cut chunks",  # the connection is closed before the last chunk
    "cut gzip",  # a whole HTTP answer, whose gzip data lacks its end
    "damaged gzip",  # the trailer does not agree with the data
    "cut line",  # the last line lacks its end, and Content-Length agrees with that
    "last line",  # ``text`` follows the events, inside a 200
    "only",  # ``text`` is the body of a 200
    "moved days",  # the events come with times ``days`` later
    "doubled",  # each line comes twice
    "reversed",  # the lines come in the other order
    "no length",  # neither Content-Length nor chunks: the end of the connection is the end
]


@dataclass(frozen=True)
class Misbehaviour:
    """What goes wrong with one request."""

    kind: Kind
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    days: int = 0


def refusal(status: int, text: str = "no", **headers: str) -> Misbehaviour:
    """An HTTP error; ``Retry_After="7"`` becomes the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Misbehaviour("status", status=status, text=text, headers=named)


ERROR_LINE = Misbehaviour("last line", text='{"error": "query took too long"}\n')
TERMINATED_EARLY = Misbehaviour("last line", text="export terminated early\n")
WEB_PAGE = Misbehaviour(
    "only", text="<!DOCTYPE html>\n<html><head><title>Log in</title></head>\n<body>Hello</body></html>\n"
)

# all that passes when the request is made again
PASSING = (
    refusal(429, Retry_After="31"),
    refusal(429),
    refusal(500),
    refusal(503),
    Misbehaviour("no answer"),
    Misbehaviour("cut body"),
    Misbehaviour("cut chunks"),
    Misbehaviour("cut gzip"),
    Misbehaviour("damaged gzip"),
    Misbehaviour("cut line"),
    ERROR_LINE,
    TERMINATED_EARLY,
    WEB_PAGE,
    Misbehaviour("moved days", days=2),
    Misbehaviour("moved days", days=-2),
)


@dataclass(frozen=True)
class Received:
    """One request: the day asked for, its parameters, and the encoding it takes."""

    day: date
    params: Mapping[str, str]
    accept_encoding: str


class MixpanelServer:
    """``days`` values are events, or a function that returns an iterator of them (a day too big to hold)."""

    def __init__(
        self,
        days: Mapping[date, Sequence[Event] | Callable[[], Iterable[Event]]] | None = None,
        *,
        project_id: int = 123,
        username: str = "robot.1a2b3c.mp-service-account",
        secret: str = "a secret",
        zips: bool = True,
    ) -> None:
        self.days = dict(days or {})
        self.project_id, self.username, self.secret, self.zips = project_id, username, secret, zips
        self.misbehaviours: list[Misbehaviour] = []
        self.requests: list[Received] = []
        self.stopping = threading.Event()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    @property
    def asked_days(self) -> list[date]:
        """The day of each request, in order."""
        return [request.day for request in self.requests]

    def start(self) -> MixpanelServer:
        self._thread.start()
        return self

    def stop(self) -> None:
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> MixpanelServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def lines(self, day: date, shift: timedelta = timedelta()) -> Iterator[bytes]:
        """The lines of a day's export."""
        events = self.days.get(day, ())
        for event in events() if callable(events) else events:
            if shift:
                moved = event["properties"]["time"] + shift.total_seconds()
                event = {**event, "properties": {**event["properties"], "time": moved}}
            yield json.dumps(event).encode() + b"\n"


def event(
    day: date, second: int = 0, name: str = "Viewed", user: str = "ann", **properties: object
) -> dict[str, Any]:
    """An event of ``day``, ``second`` seconds after its midnight (UTC)."""
    at = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) + second
    insert_id = f"{user}-{name}-{at}"
    return {
        "event": name,
        "properties": {"time": at, "distinct_id": user, "$insert_id": insert_id, **properties},
    }


def _handler(server: MixpanelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            self.close_connection = True
            with suppress(ConnectionError):  # the client has left
                self._answer()

        def _answer(self) -> None:
            url = urlsplit(self.path)
            params = {key: values[0] for key, values in parse_qs(url.query).items()}
            if url.path not in PATHS or params.get("from_date") != params.get("to_date"):
                return self._send(404, b"no such page")
            day = date.fromisoformat(params["from_date"])
            server.requests.append(Received(day, params, self.headers.get("Accept-Encoding", "")))
            pair = base64.b64encode(f"{server.username}:{server.secret}".encode()).decode()
            if self.headers.get("Authorization") != f"Basic {pair}":
                return self._refuse(401, "Invalid credentials")
            if params.get("project_id") != str(server.project_id):
                return self._refuse(400, "no such project here")
            wrong = server.misbehaviours.pop(0) if server.misbehaviours else None
            if wrong is None:
                return self._stream(server.lines(day), params)
            return self._misbehave(wrong, day)

        def _misbehave(self, wrong: Misbehaviour, day: date) -> None:
            if wrong.kind == "status":
                return self._refuse(wrong.status, wrong.text, wrong.headers)
            if wrong.kind == "no answer":
                return self.connection.shutdown(socket.SHUT_RDWR)
            if wrong.kind == "silence":
                server.stopping.wait()
                return None
            lines = list(server.lines(day, timedelta(days=wrong.days)))
            lines = {"reversed": lines[::-1], "doubled": lines * 2}.get(wrong.kind, lines)
            plain = b"".join(lines) + wrong.text.encode()
            if wrong.kind == "only":
                plain = wrong.text.encode()
            if wrong.kind == "cut line":
                plain = plain[:-1]
            data = b"".join(self._zipped([plain]))
            if wrong.kind in ("cut gzip", "damaged gzip"):
                data = gzip.compress(plain)
                data = data[:-9] if wrong.kind == "cut gzip" else data[:-8] + b"\0" * 8
            if wrong.kind in ("cut body", "stall"):
                self._head(200, {"Content-Length": str(len(data))})
                self.wfile.write(data[: len(data) // 2])
                if wrong.kind == "stall":
                    self.wfile.flush()
                    server.stopping.wait()
                return None
            if wrong.kind == "cut chunks":
                self._head(200, {"Transfer-Encoding": "chunked"})
                return self._chunk(data)
            if wrong.kind == "no length":
                self._head(200, {})
                self.wfile.write(data)
                return None
            return self._send(200, data)

        def _stream(self, lines: Iterator[bytes], params: Mapping[str, str]) -> None:
            self._head(200, {"Transfer-Encoding": "chunked"})
            limit = int(params["limit"]) if "limit" in params else None
            picked = (line for number, line in enumerate(lines) if limit is None or number < limit)
            for data in self._zipped(_blocks(picked)):
                self._chunk(data)
            self.wfile.write(b"0\r\n\r\n")

        def _refuse(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
            # some gateways show what they were sent
            echo = f"{text}; you sent Authorization: {self.headers.get('Authorization')} to {server.secret}"
            self._send(status, json.dumps({"error": echo, "status": "error"}).encode(), headers)

        def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
            self._head(status, {"Content-Length": str(len(body)), **(headers or {})})
            self.wfile.write(body)

        def _head(self, status: int, headers: Mapping[str, str]) -> None:
            self.send_response(status)
            for name, value in {"Connection": "close", **headers}.items():
                self.send_header(name, value)
            if self._zips():
                self.send_header("Content-Encoding", "gzip" if status == 200 else "identity")
            self.end_headers()

        def _chunk(self, data: bytes) -> None:
            if data:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

        def _zips(self) -> bool:
            return server.zips and "gzip" in self.headers.get("Accept-Encoding", "")

        def _zipped(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
            """The blocks, compressed where the client takes gzip; nothing stays nothing."""
            zipper = zlib.compressobj(1, wbits=31)
            sent = False
            for block in filter(None, blocks):
                sent = True
                yield zipper.compress(block) if self._zips() else block
            if sent and self._zips():
                yield zipper.flush()

    return Handler


def _blocks(lines: Iterable[bytes], size: int = 1 << 18) -> Iterator[bytes]:
    pending: list[bytes] = []
    waiting = 0
    for line in lines:
        pending.append(line)
        waiting += len(line)
        if waiting >= size:
            yield b"".join(pending)
            pending, waiting = [], 0
    if pending:
        yield b"".join(pending)
