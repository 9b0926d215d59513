"""GA4 export files: Parquet or JSONL(.gz) written from the BigQuery export tables.

SCHEMA is what the program reads of the export. Files of 2020-21 lack the ``batch_*`` and traffic
columns, files of today lack none; whatever a file lacks is read as NULL, whatever else it has is kept
in the lake but not read. Only the columns in NEEDED must be there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.errors import FileForeign, FileUnreadable
from connectors.file_pull import FileSet
from connectors.json_lines import Record, split_records
from connectors.landing import Incoming

DATASET = "events"
# the Data API's reports land beside the events, in datasets of their own
COUNTS_DATASET, FUNNEL_DATASET = "vendor_counts", "vendor_funnel"
NEEDED = ("event_date", "event_timestamp", "event_name", "event_params", "user_pseudo_id")

_VALUE = pa.struct(
    [
        ("string_value", pa.string()),
        ("int_value", pa.int64()),
        ("float_value", pa.float64()),
        ("double_value", pa.float64()),
    ]
)
_CAMPAIGN = [("source", pa.string()), ("medium", pa.string()), ("campaign_name", pa.string())]

SCHEMA = pa.schema(
    [
        ("event_date", pa.string()),
        ("event_timestamp", pa.int64()),  # microseconds since 1970, UTC
        ("event_name", pa.string()),
        ("event_params", pa.list_(pa.struct([("key", pa.string()), ("value", _VALUE)]))),
        ("event_bundle_sequence_id", pa.int64()),
        ("user_id", pa.string()),
        ("user_pseudo_id", pa.string()),
        ("user_first_touch_timestamp", pa.int64()),
        (
            "device",
            pa.struct(
                [
                    ("category", pa.string()),
                    ("operating_system", pa.string()),
                    ("browser", pa.string()),
                    ("web_info", pa.struct([("browser", pa.string())])),
                ]
            ),
        ),
        ("geo", pa.struct([("country", pa.string())])),
        (
            "traffic_source",
            pa.struct([("source", pa.string()), ("medium", pa.string()), ("name", pa.string())]),
        ),
        ("stream_id", pa.string()),
        ("platform", pa.string()),
        (
            "ecommerce",
            pa.struct(
                [
                    ("purchase_revenue", pa.float64()),
                    ("refund_value", pa.float64()),
                    ("transaction_id", pa.string()),
                ]
            ),
        ),
        (
            "items",
            pa.list_(
                pa.struct(
                    [
                        ("item_id", pa.string()),
                        ("item_name", pa.string()),
                        ("item_variant", pa.string()),
                        ("price", pa.float64()),
                        ("quantity", pa.int64()),
                    ]
                )
            ),
        ),
        (
            "collected_traffic_source",
            pa.struct(
                [
                    ("manual_source", pa.string()),
                    ("manual_medium", pa.string()),
                    ("manual_campaign_name", pa.string()),
                    ("gclid", pa.string()),
                ]
            ),
        ),
        (
            "session_traffic_source_last_click",
            pa.struct(
                [
                    ("manual_campaign", pa.struct(_CAMPAIGN)),
                    (
                        "cross_channel_campaign",
                        pa.struct([*_CAMPAIGN, ("default_channel_group", pa.string())]),
                    ),
                ]
            ),
        ),
        ("batch_page_id", pa.int64()),
        ("batch_ordering_id", pa.int64()),
        ("batch_event_index", pa.int64()),
    ]
)


def file_set(source: str, pattern: str) -> FileSet:
    """The files of a GA4 source; Parquet and JSONL may be mixed."""
    return FileSet(f"sources.{source}.files", pattern, split)


def split(path: Path, folder: Path) -> Iterable[Incoming]:
    """Split one export file into days (the property's own day, ``event_date``)."""
    with path.open("rb") as file:
        magic = file.read(4)
    if magic == b"PAR1":
        return _split_parquet(path, folder)
    if path.suffix == ".parquet":
        raise FileUnreadable(
            "this is no Parquet file",
            where=path,
            remedy="Export it again; nothing of it was loaded",
        )
    return split_records(path, folder, DATASET, _day_of)


def _day_of(record: Record) -> date:
    if not isinstance(record["event_name"], str):
        raise TypeError("event_name is no text")
    int(record["event_timestamp"])  # BigQuery's JSON writes integers as text
    return parse_event_date(record["event_date"])


def parse_event_date(text: object) -> date:
    """A day of the export, YYYYMMDD (an ISO date is taken too). Raises ValueError."""
    if not isinstance(text, str | int):
        raise ValueError(f"event_date is {text!r}")
    return datetime.strptime(str(text).replace("-", ""), "%Y%m%d").date()


def _split_parquet(path: Path, folder: Path) -> list[Incoming]:
    try:
        with pq.ParquetFile(path) as file:
            missing = [name for name in NEEDED if name not in file.schema_arrow.names]
            if missing:
                raise FileForeign(
                    f"the column {missing[0]} is missing",
                    where=path,
                    remedy="A GA4 BigQuery export has " + ", ".join(NEEDED),
                )
            params = file.schema_arrow.field("event_params").type
            if not (pa.types.is_list(params) and pa.types.is_struct(params.value_type)):
                raise FileForeign(
                    f"the column event_params is {params}, no list of keys and values",
                    where=path,
                    remedy="Export the BigQuery table as it is, nested columns included",
                )
            days = _days_and_rows(file)
            if len(days) == 1:
                (day, rows), *_ = days.items()
                target = folder / f"{DATASET}-{day.isoformat()}.parquet"
                shutil.copyfile(path, target)
                return [Incoming(day, DATASET, target, rows)]
            return _write_days(file, folder, days)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise FileUnreadable(
            f"the Parquet file is damaged or cut short ({error})",
            where=path,
            remedy="Copy or export it again; nothing of it was loaded",
        ) from error


def _days_and_rows(file: pq.ParquetFile) -> dict[date, int]:
    """Rows of each day; reads every column the program uses, so that damage shows before landing."""
    days: dict[date, int] = {}
    columns = [name for name in SCHEMA.names if name in file.schema_arrow.names]
    for batch in file.iter_batches(batch_size=65_536, columns=columns):
        for count in pc.value_counts(batch.column("event_date").cast(pa.string())).to_pylist():
            day = parse_event_date(count["values"])
            days[day] = days.get(day, 0) + count["counts"]
    return days  # none for a day without traffic


def _write_days(file: pq.ParquetFile, folder: Path, days: dict[date, int]) -> list[Incoming]:
    incoming = []
    for day, rows in days.items():
        target = folder / f"{DATASET}-{day.isoformat()}.parquet"
        names = {day.strftime("%Y%m%d"), day.isoformat()}
        with pq.ParquetWriter(target, file.schema_arrow, compression="zstd") as writer:
            for batch in file.iter_batches(batch_size=65_536):
                texts = batch.column("event_date").cast(pa.string())
                mine = batch.filter(pc.is_in(texts, pa.array(sorted(names))))
                if mine.num_rows:
                    writer.write_batch(mine)
        incoming.append(Incoming(day, DATASET, target, rows))
    return incoming
