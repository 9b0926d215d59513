"""A loopback GA4 Data API: the real messages over gRPC and REST, able to misbehave as told.

Both ways in share the data, the script of troubles and the log of requests.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from google.analytics import data_v1alpha as alpha
from google.analytics import data_v1beta as beta
from google.protobuf import any_pb2, duration_pb2, json_format
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
FUNNEL_FIELDS = {"eventName", "pagePath"}
FUNNEL_METRICS = (
    "activeUsers",
    "funnelStepCompletionRate",
    "funnelStepAbandonments",
    "funnelStepAbandonmentRate",
)


class Refusal(Exception):
    """An error the API answers with; ``wait_seconds`` travels as RetryInfo or as a Retry-After header."""

    def __init__(
        self,
        code: str,
        message: str = "told to fail",
        *,
        wait_seconds: int | None = None,
        as_header: bool = False,
        reason: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message = code, message
        self.header = {"Retry-After": str(wait_seconds)} if as_header else {}
        details = []
        if wait_seconds is not None and not as_header:
            delay = duration_pb2.Duration(seconds=wait_seconds)
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        if reason is not None:
            details.append(error_details_pb2.ErrorInfo(reason=reason, domain="googleapis.com"))
        self.status = status_pb2.Status(code=code_pb2.Code.Value(code), message=message)
        for detail in details:
            packed = any_pb2.Any()
            packed.Pack(detail)
            self.status.details.append(packed)


@dataclass(frozen=True)
class Twist:
    """Changes an answer before it is sent."""

    twist: Callable[[Any], None]


@dataclass(frozen=True)
class RawBody:
    """Over REST: a 200 with this body; ``missing_bytes`` more are promised than are sent."""

    body: bytes
    missing_bytes: int = 0


Trouble = Refusal | Twist | RawBody | None


def row_count_grows(answer: Any) -> None:
    answer.row_count += 1


def repeats_its_first_row(answer: Any) -> None:
    answer.rows[-1] = answer.rows[0]


@dataclass
class DataApiServer:
    """Serves ``days`` (day -> event name -> count) of one property; a context manager.

    ``metadata`` of a day are keywords of ResponseMetaData. ``funnel_users`` gives the users of a funnel's
    steps by name. ``troubles`` are consumed one a request, None lets a request through. ``requests`` logs
    the messages received. ``rows_a_page`` caps a page, as the API may, whatever the limit asked for.
    """

    property_id: str = "123"
    days: dict[date, dict[str, int]] = field(default_factory=dict)
    metadata: dict[date, Mapping[str, Any]] = field(default_factory=dict)
    funnel_users: dict[str, int] = field(default_factory=dict)
    funnel_samples: tuple[int, int] | None = None
    rows_a_page: int = 250_000
    tokens_left: int = 25_000
    tokens_a_request: int = 5
    time_zone: str = "Europe/Madrid"
    troubles: list[Trouble] = field(default_factory=list)
    requests: list[Any] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def __enter__(self) -> DataApiServer:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        self._lock = threading.Lock()
        self._grpc = grpc.server(futures.ThreadPoolExecutor(4))
        self._grpc.add_generic_rpc_handlers(
            (
                grpc.method_handlers_generic_handler(
                    "google.analytics.data.v1beta.BetaAnalyticsData",
                    {
                        "RunReport": self._rpc(beta.RunReportRequest, beta.RunReportResponse),
                        "GetMetadata": self._rpc(beta.GetMetadataRequest, beta.Metadata),
                    },
                ),
                grpc.method_handlers_generic_handler(
                    "google.analytics.data.v1alpha.AlphaAnalyticsData",
                    {
                        "RunFunnelReport": self._rpc(
                            alpha.RunFunnelReportRequest, alpha.RunFunnelReportResponse
                        )
                    },
                ),
            )
        )
        self.grpc_url = f"grpc://127.0.0.1:{self._grpc.add_insecure_port('127.0.0.1:0')}"
        self._grpc.start()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self.http_url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._grpc.stop(None).wait()
        self._http.shutdown()
        self._http.server_close()

    def days_asked(self) -> list[str]:
        """The first day of each report asked for, in order, further pages of it included."""
        return [each.date_ranges[0].start_date for each in self.requests if hasattr(each, "date_ranges")]

    def answer(self, request: Any) -> Any:
        """The answer to a request message; a RawBody where the script says so. Raises Refusal."""
        with self._lock:
            self.requests.append(request)
            trouble = self.troubles.pop(0) if self.troubles else None
            if isinstance(trouble, Refusal):
                raise trouble
            if isinstance(trouble, RawBody):
                return trouble
            answer = self._plain_answer(request)
            if isinstance(trouble, Twist):
                trouble.twist(answer)
            return answer

    def _plain_answer(self, request: Any) -> Any:
        if isinstance(request, beta.GetMetadataRequest):
            return beta.Metadata(name=request.name)
        if request.property != f"properties/{self.property_id}":
            raise Refusal("PERMISSION_DENIED", "User does not have sufficient permissions for this property.")
        self.tokens_left -= self.tokens_a_request
        if isinstance(request, beta.RunReportRequest):
            return self._run_report(request)
        return self._run_funnel_report(request)

    def _run_report(self, request: beta.RunReportRequest) -> beta.RunReportResponse:
        names = [dimension.name for dimension in request.dimensions]
        if names not in ([], ["date", "eventName"]) or [metric.name for metric in request.metrics] != [
            "eventCount"
        ]:
            raise Refusal("INVALID_ARGUMENT", f"Field {names} is not a valid dimension.")
        if not names:  # one number, as the doctor asks for
            total = _row(beta.Row, [], ["7"])
            return beta.RunReportResponse(
                metric_headers=[{"name": "eventCount", "type_": "TYPE_INTEGER"}],
                rows=[total],
                row_count=1,
                property_quota=self._quota(request),
                kind="analyticsData#runReport",
            )
        first = date.fromisoformat(request.date_ranges[0].start_date)
        last = date.fromisoformat(request.date_ranges[0].end_date)
        rows = [
            ((f"{day:%Y%m%d}", name), count)
            for day, counts in self.days.items()
            if first <= day <= last
            for name, count in counts.items()
        ]
        if request.order_bys:
            rows.sort()
        page = rows[request.offset : request.offset + min(request.limit or 10_000, self.rows_a_page)]
        said = {"currency_code": "EUR", "time_zone": self.time_zone} | dict(self.metadata.get(first, {}))
        return beta.RunReportResponse(
            dimension_headers=[{"name": name} for name in names],
            metric_headers=[{"name": "eventCount", "type_": "TYPE_INTEGER"}],
            rows=[_row(beta.Row, dimensions, [str(count)]) for dimensions, count in page],
            row_count=len(rows),
            metadata=said,
            property_quota=self._quota(request),
            kind="analyticsData#runReport",
        )

    def _run_funnel_report(self, request: alpha.RunFunnelReportRequest) -> alpha.RunFunnelReportResponse:
        text = alpha.RunFunnelReportRequest.to_json(request)
        for name in re.findall(r'"fieldName": "(.*?)"', text):
            if name not in FUNNEL_FIELDS:
                raise Refusal("INVALID_ARGUMENT", f"The dimension {name} is not allowed in funnel reports.")
        users = [self.funnel_users.get(step.name, 0) for step in request.funnel.steps]
        rows = []
        for number, (step, here) in enumerate(zip(request.funnel.steps, users, strict=True), 1):
            after = users[number] if number < len(users) else 0
            left = here - after
            if here:
                values = [here, after / here, left, left / here] if number < len(users) else [here, 0, 0, 0]
                rows.append(
                    _row(alpha.Row, [f"{number}. {step.name}"], [f"{value:.15g}" for value in values])
                )
        samples = []
        if self.funnel_samples:
            read, space = self.funnel_samples
            samples = [{"samples_read_count": read, "sampling_space_size": space}]
        # as really answered: the metric headers come twice, and rates call themselves integers
        headers = [{"name": name, "type_": "TYPE_INTEGER"} for name in FUNNEL_METRICS * 2]
        table = alpha.FunnelSubReport(
            dimension_headers=[{"name": "funnelStepName"}],
            metric_headers=headers,
            rows=rows,
            metadata={"sampling_metadatas": samples},
        )
        return alpha.RunFunnelReportResponse(
            funnel_table=table,
            property_quota=self._quota(request),
            kind="analyticsData#runFunnelReport",
        )

    def _quota(self, request: Any) -> dict[str, dict[str, int]]:
        if not request.return_property_quota:
            return {}
        used = self.tokens_a_request
        return {
            "tokens_per_day": {"consumed": used, "remaining": self.tokens_left},
            "tokens_per_hour": {"consumed": used, "remaining": 4_000},
            "tokens_per_project_per_hour": {"consumed": used, "remaining": 1_000},
            "concurrent_requests": {"consumed": 0, "remaining": 10},
        }

    def _rpc(self, request_type: Any, answer_type: Any) -> grpc.RpcMethodHandler:
        def handle(request: Any, context: grpc.ServicerContext) -> Any:
            self.headers.append({key: str(value) for key, value in context.invocation_metadata()})
            try:
                return self.answer(request)
            except Refusal as refusal:
                context.abort_with_status(rpc_status.to_status(refusal.status))

        return grpc.unary_unary_rpc_method_handler(
            handle, request_deserializer=request_type.deserialize, response_serializer=answer_type.serialize
        )


def _row(row_type: Any, dimensions: Sequence[str], metrics: Sequence[str]) -> Any:
    return row_type(
        dimension_values=[{"value": value} for value in dimensions],
        metric_values=[{"value": value} for value in metrics],
    )


def _handler(server: DataApiServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.headers.append({key.lower(): value for key, value in self.headers.items()})
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
            found = re.match(r"/(v1beta|v1alpha)/(properties/[^:/]+):(\w+)", self.path)
            types = {"runReport": beta.RunReportRequest, "runFunnelReport": alpha.RunFunnelReportRequest}
            if not found or found[3] not in types:
                self._send(404, b"{}")
                return
            request = types[found[3]].from_json(json.dumps(body | {"property": found[2]}))
            try:
                answer = server.answer(request)
            except Refusal as refusal:
                error = {
                    "code": HTTP_STATUS[refusal.code],
                    "message": refusal.message,
                    "status": refusal.code,
                    "details": json_format.MessageToDict(refusal.status).get("details", []),
                }
                body_text = json.dumps({"error": error}).encode()
                self._send(HTTP_STATUS[refusal.code], body_text, headers=refusal.header)
                return
            if isinstance(answer, RawBody):
                self._send(200, answer.body, missing_bytes=answer.missing_bytes)
                return
            # as the real API: what is empty or zero is left out
            said = json_format.MessageToJson(type(answer).pb(answer))
            self._send(200, said.encode())

        def _send(
            self,
            status: int,
            body: bytes,
            *,
            missing_bytes: int = 0,
            headers: Mapping[str, str] | None = None,
        ) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=UTF-8")
            self.send_header("Content-Length", str(len(body) + missing_bytes))
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = missing_bytes > 0

        def log_message(self, format: str, *args: object) -> None:
            """Keeps the test output clean."""

    return Handler
