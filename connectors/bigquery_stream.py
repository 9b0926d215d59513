"""Read one day table by the Storage Read API: a session, then Arrow batches into a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from google.cloud.bigquery_storage_v1 import types

from connectors.bigquery_access import ExportAccess
from connectors.bigquery_tables import DayTable, TableName, may_be_gone
from connectors.errors import AnswerBroken
from connectors.ga4_export import SCHEMA
from connectors.meter import Meter

SESSION_TIMEOUT_SECONDS = 120.0
# A stream has one deadline for all of it: what no slow line needs, and no dead server outlasts.
STREAM_TIMEOUT_SECONDS, STREAM_BYTES_A_SECOND = 600.0, 1e6
# Batches come with about a thousand rows each, too few for a row group.
GROUP_ROWS, GROUP_BYTES = 131_072, 32 * 2**20
REMEDY = "Pull again; nothing of the day was landed"


@dataclass(frozen=True)
class Session:
    """A snapshot of a table that can be read for six hours. ``bytes`` is what reading it scans (and costs).

    ``stream`` is None for a table without rows.
    """

    table: TableName
    stream: str | None
    schema: pa.Schema
    bytes: int
    made_at: datetime


def open_session(access: ExportAccess, table: DayTable, now: datetime) -> Session:
    """Make a session without reading, which costs nothing. Raises SourceError."""
    export, name = access.export, table.name
    options = types.ReadSession.TableReadOptions(
        selected_fields=list(table.fields),
        arrow_serialization_options=types.ArrowSerializationOptions(
            buffer_compression=types.ArrowSerializationOptions.CompressionCodec.LZ4_FRAME
        ),
    )
    wanted = types.ReadSession(
        table=f"projects/{export.project}/datasets/{export.dataset}/tables/{name.table_id}",
        data_format=types.DataFormat.ARROW,
        read_options=options,
    )
    with access.explained(name.table_id), may_be_gone(access, name):
        # one stream: it is as fast as one disk, and its rows come in one order
        session = access.streams.create_read_session(
            parent=f"projects/{export.billing_project}",
            read_session=wanted,
            max_stream_count=1,
            retry=None,
            timeout=SESSION_TIMEOUT_SECONDS,
        )
    # a table without rows has no stream to read
    stream = session.streams[0].name if session.streams else None
    schema = _schema(session.arrow_schema.serialized_schema, f"{export.origin}, {name.table_id}")
    return Session(name, stream, schema, session.estimated_total_bytes_scanned, now)


def save_session(access: ExportAccess, session: Session, path: Path, meter: Meter) -> int:
    """Write the rows of a session to a Parquet file, some ten thousands at a time; returns their number.

    Raises SourceError.
    """
    rows = 0
    with pq.ParquetWriter(path, session.schema, compression="zstd") as writer:
        for group in _groups(_batches(access, session, meter)):
            writer.write_table(pa.Table.from_batches(group, session.schema))
            rows += sum(batch.num_rows for batch in group)
    return rows


def _batches(access: ExportAccess, session: Session, meter: Meter) -> Iterator[pa.RecordBatch]:
    if session.stream is None:
        return
    where = f"{access.export.origin}, {session.table.table_id}"
    deadline = STREAM_TIMEOUT_SECONDS + session.bytes / STREAM_BYTES_A_SECOND
    with access.explained(session.table.table_id), may_be_gone(access, session.table):
        answer = access.streams.read_rows(read_stream=session.stream, offset=0, retry=None, timeout=deadline)
        for message in answer:
            data = message.arrow_record_batch.serialized_record_batch
            batch = _batch(data, session.schema, where)
            meter.add(batch.num_rows, len(data))
            yield batch


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Batches gathered to the size of a row group."""
    group: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        group.append(batch)
        rows, size = rows + batch.num_rows, size + batch.nbytes
        if rows >= GROUP_ROWS or size >= GROUP_BYTES:
            yield group
            group, rows, size = [], 0, 0
    if group:
        yield group


def _schema(data: bytes, where: str) -> pa.Schema:
    if not data:
        return SCHEMA  # said of no rows
    try:
        return pa.ipc.read_schema(pa.py_buffer(data))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise AnswerBroken(f"the schema cannot be read ({error})", where=where, remedy=REMEDY) from error


def _batch(data: bytes, schema: pa.Schema, where: str) -> pa.RecordBatch:
    try:
        return pa.ipc.read_record_batch(pa.py_buffer(data), schema)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise AnswerBroken(f"a batch of rows is damaged ({error})", where=where, remedy=REMEDY) from error
