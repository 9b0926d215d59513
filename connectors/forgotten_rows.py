"""Take the rows of forgotten people out of a file of the lake, before it lands or where it lies."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.durable_files import sync_file
from connectors.forgotten_ledger import PARTLY, Ledger
from connectors.json_lines import open_plain_or_gzipped, read_records
from connectors.row_people import MERGES, PeopleOf, RowPeople, ga4_session, merged_ids

BATCH_ROWS = 65_536
Ids = tuple[str, str, str | None]
"""Names of the columns with the user, the device and, where there is a plain one, the vendor's session."""

GA4_IDS: Ids = ("user_id", "user_pseudo_id", None)
STAGED_IDS: Ids = ("user_id", "device_id", "vendor_session_id")
_MERGE_COLUMNS = ["event_name", "properties"]
STAGED_HOTJAR_IDS: Ids = ("user_id", "hotjar_user_id", None)


def without_forgotten(path: Path, people: PeopleOf, ledger: Ledger) -> int:
    """Rewrite a landed file without the rows of forgotten people; returns how many went.

    What is left is byte for byte the same whenever the same rows are left. A crash leaves the old file or
    the new one. A file of which no row goes is not touched.
    """
    if not ledger.hashes or path.stat().st_size == 0:
        return 0
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"PAR1":
        return parquet_without_forgotten(path, people, ledger, GA4_IDS)
    return _lines_without_forgotten(path, people, ledger)


def _lines_without_forgotten(path: Path, people: PeopleOf, ledger: Ledger) -> int:
    with open_plain_or_gzipped(path) as file:
        if not file.read(1):
            return 0  # a day without events
    dropped = sum(people.screens(record, ledger) for *_, record in read_records(path))
    if not dropped:
        return 0  # most days: packing them anew takes longer than reading them
    part = path.with_name(path.name + ".kept.part")
    with (
        part.open("wb") as target,
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=target, mtime=0) as zipped,
    ):
        for _, line, record in read_records(path):
            if not people.screens(record, ledger):
                zipped.write(line if line.endswith(b"\n") else line + b"\n")
    _swap_in(part, path)
    return dropped


def parquet_without_forgotten(path: Path, people: PeopleOf, ledger: Ledger, ids: Ids) -> int:
    """The same of a Parquet file whose columns ``ids`` say whose a row is."""
    part = path.with_name(path.name + ".kept.part")
    with pq.ParquetFile(path) as file:
        dropped = sum(len(mask) - sum(mask) for mask in _masks(file, people, ledger, ids))
        if dropped:
            with pq.ParquetWriter(part, file.schema_arrow, compression="zstd") as writer:
                batches = file.iter_batches(batch_size=BATCH_ROWS)
                for batch, mask in zip(batches, _masks(file, people, ledger, ids), strict=True):
                    writer.write_batch(batch.filter(pa.array(mask, pa.bool_())))
    if dropped:
        _swap_in(part, path)
    return dropped


def _swap_in(part: Path, path: Path) -> None:
    sync_file(part)
    os.replace(part, path)


def _masks(file: pq.ParquetFile, people: PeopleOf, ledger: Ledger, ids: Ids) -> Iterator[Sequence[bool]]:
    """Which rows of each batch stay."""
    present = set(file.schema_arrow.names)
    names = [name for name in ids if name is not None and name in present]
    asks_params = ids == GA4_IDS and "event_params" in present and _any_partly(file, people, ledger, ids[1])
    tells_merges = ids == STAGED_IDS and {"event_name", "properties"} <= present
    columns = [*names, *(["event_params"] if asks_params else []), *(_MERGE_COLUMNS if tells_merges else [])]
    for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=columns):
        cells = {name: batch.column(name).cast(pa.string()).to_pylist() for name in names}
        none: list[str | None] = [None] * batch.num_rows
        users, devices, sessions = (cells.get(name, none) if name else none for name in ids)
        if asks_params:
            params = batch.column("event_params")
            sessions = [
                ga4_session(params[row].as_py())
                if device and ledger.holds(PARTLY, people.source, device)
                else None
                for row, device in enumerate(devices)
            ]
        merges = _merges(batch) if tells_merges else {}
        said = list(zip(users, devices, sessions, strict=True))
        # people have many rows, whose answer is one, but for rows that tell of other ids
        stays = {each: _stays(each, (), people, ledger) for each in set(said)}
        mask = [stays[each] for each in said]
        for row, merged in merges.items():
            mask[row] = _stays(said[row], merged, people, ledger)
        yield mask


def _stays(
    ids: tuple[str | None, str | None, str | None], merged: tuple[str, ...], people: PeopleOf, ledger: Ledger
) -> bool:
    user, device, session = ids
    return not people.is_forgotten(RowPeople(people.real(user), people.real(device), session, merged), ledger)


def _merges(batch: pa.RecordBatch) -> dict[int, tuple[str, ...]]:
    """By its number, the ids that a staged row says are one person."""
    is_merge = pc.is_in(batch.column("event_name").cast(pa.string()), pa.array(MERGES))
    found = {}
    for row in pc.indices_nonzero(is_merge).to_pylist():
        text = batch.column("properties")[row].as_py()
        event = batch.column("event_name")[row].as_py()
        found[row] = merged_ids(event, json.loads(text)) if text else ()
    return found


def _any_partly(file: pq.ParquetFile, people: PeopleOf, ledger: Ledger, device: str) -> bool:
    """Whether the file has a device of which single sessions went: unpacking parameters is slow."""
    return any(
        each is not None and ledger.holds(PARTLY, people.source, each)
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=[device])
        for each in pc.unique(batch.column(device).cast(pa.string())).to_pylist()
    )
