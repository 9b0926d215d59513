"""A loopback BigQuery: REST for the metadata of tables, the Storage Read API over gRPC for their rows.

It speaks the real messages, keeps a log of what it was asked, and misbehaves as told.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent import futures
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import grpc
import pyarrow as pa
from google.cloud.bigquery_storage_v1 import types
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from connectors.ga4_export import SCHEMA

# what a table has and nobody reads
UNREAD = [
    ("event_previous_timestamp", pa.int64()),
    ("user_properties", pa.list_(pa.struct([("key", pa.string())]))),
    ("privacy_info", pa.struct([("analytics_storage", pa.string())])),
]
FULL_SCHEMA = pa.schema([*SCHEMA, *UNREAD])
NEW_COLUMNS = ("batch_", "collected_traffic_source", "session_traffic_source")
SCHEMA_OF_2021 = pa.schema([each for each in FULL_SCHEMA if not each.name.startswith(NEW_COLUMNS)])
TABLE_BYTES_A_ROW, SCANNED_BYTES_A_ROW = 1000, 600
FIRST_MODIFIED_MS = 1_772_500_000_000

Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Refusal:
    """REST: an HTTP ``status`` with Google's JSON of an error."""

    status: int
    message: str = "told to fail"
    reason: str = "backendError"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RawBody:
    """REST: a 200 with this body, of which ``missing_bytes`` more are promised than are sent."""

    body: bytes
    missing_bytes: int = 0


@dataclass(frozen=True)
class Abort:
    """gRPC: a status instead of an answer; of ReadRows, after that many batches."""

    code: grpc.StatusCode
    message: str = "told to fail"
    after_batches: int = 0
    wait_seconds: int | None = None


@dataclass(frozen=True)
class EndEarly:
    """ReadRows: a stream that ends well, after that many batches."""

    after_batches: int


@dataclass(frozen=True)
class Garbage:
    """ReadRows: bytes that are no batch."""


@dataclass(frozen=True)
class Rewrite:
    """Before the request is answered, a table gets other rows, or none for a table that goes."""

    table_id: str
    rows: Rows | None
    also: tuple[str, Rows] | None = None


Trouble = Refusal | RawBody | Abort | EndEarly | Garbage | Rewrite | None


@dataclass
class _Table:
    rows: Rows
    schema: pa.Schema
    modified_ms: int
    copies: int

    @property
    def row_count(self) -> int:
        return len(self.rows) * self.copies


class BigQueryServer:
    """Serves the tables of one dataset; a context manager.

    ``troubles`` of a method (tables.list, tables.get, CreateReadSession, ReadRows) are consumed one a
    request, None lets a request through. ``requests`` logs "method table", ``sessions`` the messages of
    CreateReadSession, ``authorization`` every header of that name.
    """

    def __init__(
        self, project: str = "shop", dataset: str = "analytics_123", *, page: int = 2, rows_a_batch: int = 2
    ) -> None:
        self.project, self.dataset = project, dataset
        self.page, self.rows_a_batch = page, rows_a_batch
        self.troubles: dict[str, list[Trouble]] = {}
        self.requests: list[str] = []
        self.sessions: list[types.CreateReadSessionRequest] = []
        self.authorization: list[str] = []
        self._tables: dict[str, _Table] = {}
        self._streams: dict[str, tuple[str, list[pa.RecordBatch]]] = {}
        self._writes = 0
        self._lock = threading.Lock()

    def write(self, table_id: str, rows: Rows, schema: pa.Schema = FULL_SCHEMA, copies: int = 1) -> None:
        """Make a table of ``copies`` times ``rows``, or rewrite it: each time it changes a minute later."""
        self._writes += 1
        modified_ms = FIRST_MODIFIED_MS + 60_000 * self._writes
        self._tables[table_id] = _Table(rows, schema, modified_ms, copies)

    def drop(self, table_id: str) -> None:
        del self._tables[table_id]

    def asked(self, method: str) -> list[str]:
        """The tables that ``method`` was asked for, in order."""
        return [table for name, _, table in (each.partition(" ") for each in self.requests) if name == method]

    def __enter__(self) -> BigQueryServer:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._grpc = grpc.server(futures.ThreadPoolExecutor(4))
        create = grpc.unary_unary_rpc_method_handler(
            self._create_session,
            request_deserializer=types.CreateReadSessionRequest.deserialize,
            response_serializer=types.ReadSession.serialize,
        )
        read = grpc.unary_stream_rpc_method_handler(
            self._read_rows,
            request_deserializer=types.ReadRowsRequest.deserialize,
            response_serializer=types.ReadRowsResponse.serialize,
        )
        service = "google.cloud.bigquery.storage.v1.BigQueryRead"
        handlers = {"CreateReadSession": create, "ReadRows": read}
        self._grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        self.storage_url = f"grpc://127.0.0.1:{self._grpc.add_insecure_port('127.0.0.1:0')}"
        self._grpc.start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._grpc.stop(None)

    def _next_trouble(self, method: str, table_id: str) -> Trouble:
        with self._lock:
            self.requests.append(f"{method} {table_id}".strip())
            script = self.troubles.get(method, [])
            trouble = script.pop(0) if script else None
        if not isinstance(trouble, Rewrite):
            return trouble
        if trouble.rows is None:
            self.drop(trouble.table_id)
        else:
            self.write(trouble.table_id, trouble.rows)
        if trouble.also is not None:
            self.write(*trouble.also)
        return None

    # REST

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes, int]:
        """Status, headers and body of a GET, and how many bytes of it are promised in vain."""
        parts = urlsplit(path)
        match = re.fullmatch(
            r"/bigquery/v2/projects/([^/]+)/datasets/([^/]+)/tables(?:/([^/]+))?", parts.path
        )
        if match is None:
            return _refuse(Refusal(404, "no such path", "notFound"))
        project, dataset, table_id = match.groups()
        trouble = self._next_trouble("tables.get" if table_id else "tables.list", table_id or "")
        if isinstance(trouble, Refusal):
            return _refuse(trouble)
        if isinstance(trouble, RawBody):
            return 200, {}, trouble.body, trouble.missing_bytes
        if (project, dataset) != (self.project, self.dataset):
            return _refuse(Refusal(404, f"Not found: Dataset {project}:{dataset}", "notFound"))
        if table_id is None:
            body = self._table_list(parse_qs(parts.query))
        elif table_id in self._tables:
            body = self._table(table_id)
        else:
            return _refuse(Refusal(404, f"Not found: Table {project}:{dataset}.{table_id}", "notFound"))
        return 200, {}, json.dumps(body).encode(), 0

    def _table_list(self, query: dict[str, list[str]]) -> dict[str, Any]:
        start = int(query.get("pageToken", ["0"])[0])
        end = start + min(self.page, int(query.get("maxResults", ["50"])[0]))
        ids = sorted(self._tables)
        body = {
            "kind": "bigquery#tableList",
            "tables": [self._reference(table_id) for table_id in ids[start:end]],
            "totalItems": len(ids),
        }
        return body | ({"nextPageToken": str(end)} if end < len(ids) else {})

    def _table(self, table_id: str) -> dict[str, Any]:
        table = self._tables[table_id]
        return self._reference(table_id) | {
            "schema": {"fields": [_json_field(each) for each in table.schema]},
            "numRows": str(table.row_count),  # integers come as text
            "numBytes": str(table.row_count * TABLE_BYTES_A_ROW),
            "creationTime": str(FIRST_MODIFIED_MS),
            "lastModifiedTime": str(table.modified_ms),
            "location": "EU",
        }

    def _reference(self, table_id: str) -> dict[str, Any]:
        reference = {"projectId": self.project, "datasetId": self.dataset, "tableId": table_id}
        name = f"{self.project}:{self.dataset}.{table_id}"
        return {"kind": "bigquery#table", "id": name, "tableReference": reference, "type": "TABLE"}

    # gRPC

    def _create_session(self, request: types.CreateReadSessionRequest, context: Any) -> types.ReadSession:
        table_id = request.read_session.table.rpartition("/")[2]
        trouble = self._next_trouble("CreateReadSession", table_id)
        self._note_metadata(context)
        if isinstance(trouble, Abort):
            _abort(context, trouble)
        if table_id not in self._tables:
            _abort(context, Abort(grpc.StatusCode.NOT_FOUND, f"Not found: Table {table_id}"))
        self.sessions.append(request)
        table, options = self._tables[table_id], request.read_session.read_options
        schema = _projected(table.schema, set(options.selected_fields))
        stream = f"{request.parent}/locations/eu/sessions/{len(self.sessions)}/streams/1"
        batches = [
            pa.RecordBatch.from_pylist(table.rows[start : start + self.rows_a_batch], schema)
            for start in range(0, len(table.rows), self.rows_a_batch)
        ]
        self._streams[stream] = (
            table_id,
            batches * table.copies,
        )  # as the table is now, whatever becomes of it
        return types.ReadSession(
            name=stream.rpartition("/streams/")[0],
            table=request.read_session.table,
            data_format=types.DataFormat.ARROW,
            arrow_schema=types.ArrowSchema(serialized_schema=schema.serialize().to_pybytes()),
            streams=[types.ReadStream(name=stream)] if batches else [],
            estimated_total_bytes_scanned=table.row_count * SCANNED_BYTES_A_ROW,
            estimated_row_count=table.row_count,
        )

    def _read_rows(self, request: types.ReadRowsRequest, context: Any) -> Iterator[types.ReadRowsResponse]:
        table_id, batches = self._streams[request.read_stream]
        trouble = self._next_trouble("ReadRows", table_id)
        self._note_metadata(context)
        end = trouble.after_batches if isinstance(trouble, Abort | EndEarly) else len(batches)
        for batch in batches[:end]:
            data = b"no batch" if isinstance(trouble, Garbage) else _compressed(batch)
            yield types.ReadRowsResponse(
                arrow_record_batch=types.ArrowRecordBatch(serialized_record_batch=data),
                row_count=batch.num_rows,
            )
        if isinstance(trouble, Abort):
            _abort(context, trouble)

    def _note_metadata(self, context: Any) -> None:
        found = [value for key, value in context.invocation_metadata() if key == "authorization"]
        self.authorization += found


def _handler(server: BigQueryServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "Authorization" in self.headers:
                server.authorization.append(self.headers["Authorization"])
            status, headers, body, missing = server.answer(self.path)
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body) + missing))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def _refuse(refusal: Refusal) -> tuple[int, dict[str, str], bytes, int]:
    error = {"message": refusal.message, "domain": "global", "reason": refusal.reason}
    body = {"error": {"code": refusal.status, "message": refusal.message, "errors": [error]}}
    return refusal.status, refusal.headers, json.dumps(body).encode(), 0


def _abort(context: Any, abort: Abort) -> None:
    if abort.wait_seconds is None:
        context.abort(abort.code, abort.message)
    packed = any_pb2.Any()
    delay = duration_pb2.Duration(seconds=abort.wait_seconds)
    packed.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=abort.code.value[0], message=abort.message, details=[packed])
    context.abort_with_status(rpc_status.to_status(status))


def _json_field(column: pa.Field) -> dict[str, Any]:
    is_list = pa.types.is_list(column.type)
    kind = column.type.value_type if is_list else column.type
    body = {"name": column.name, "mode": "REPEATED" if is_list else "NULLABLE"}
    if pa.types.is_struct(kind):
        return body | {"type": "RECORD", "fields": [_json_field(each) for each in kind]}
    names = {pa.string(): "STRING", pa.int64(): "INTEGER", pa.float64(): "FLOAT"}
    return body | {"type": names[kind]}


def _projected(columns: Iterable[pa.Field], selected: set[str]) -> pa.Schema:
    """The schema of a session: in the order of the table, nested fields one by one or all of a struct."""
    found = {path for path in selected if path}
    schema = pa.schema([each for column in columns for each in _project(column, "", found)])
    assert not found, f"no such field: {found}"  # Google refuses such a request
    return schema


def _project(column: pa.Field, prefix: str, selected: set[str]) -> Iterator[pa.Field]:
    path = prefix + column.name
    if path in selected:
        selected.discard(path)
        yield column
        return
    is_list = pa.types.is_list(column.type)
    kind = column.type.value_type if is_list else column.type
    if pa.types.is_struct(kind):
        children = [each for child in kind for each in _project(child, f"{path}.", selected)]
        if children:
            struct = pa.struct(children)
            yield pa.field(column.name, pa.list_(struct) if is_list else struct)


def _compressed(batch: pa.RecordBatch) -> bytes:
    """One batch as a message of its own, with LZ4 as was asked for."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    messages = list(pa.ipc.MessageReader.open_stream(sink.getvalue()))
    data: bytes = messages[1].serialize().to_pybytes()  # the first one is the schema
    return data
