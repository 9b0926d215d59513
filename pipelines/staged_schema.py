"""What staging makes of events, recordings and survey answers, whatever their source."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from pipelines.warehouse import replace_table

STAGED_EVENT = pa.schema(
    [
        ("source", pa.string()),
        ("event_number", pa.int64()),
        ("device_number", pa.int64()),
        ("device_id", pa.string()),
        ("user_id", pa.string()),
        ("event_us", pa.int64()),
        ("event_seq", pa.int32()),
        ("event_name", pa.string()),
        ("page", pa.string()),
        ("session_number", pa.int64()),
        ("vendor_session_id", pa.string()),
        ("device", pa.string()),
        ("os", pa.string()),
        ("browser", pa.string()),
        ("country", pa.string()),
        ("source_name", pa.string()),
        ("medium", pa.string()),
        ("campaign", pa.string()),
        ("given_channel", pa.string()),
        ("first_source_name", pa.string()),
        ("first_medium", pa.string()),
        ("first_campaign", pa.string()),
        ("is_new_user", pa.bool_()),
        ("value", pa.float64()),
        ("currency", pa.string()),
        ("transaction_id", pa.string()),
        ("is_revenue", pa.bool_()),
        ("traffic_type", pa.string()),
        ("properties", pa.string()),
        ("copies", pa.int32()),
    ]
)
RECORDING = pa.schema(
    [
        ("source", pa.string()),
        ("recorded_us", pa.int64()),
        ("recording_url", pa.string()),
        ("hotjar_user_id", pa.string()),
        ("user_id", pa.string()),
        ("country", pa.string()),
        ("device", pa.string()),
        ("browser", pa.string()),
        ("os", pa.string()),
        ("landing_page", pa.string()),
        ("exit_page", pa.string()),
        ("duration_seconds", pa.int32()),
        ("page_count", pa.int32()),
        ("action_count", pa.int32()),
        ("rage_clicks", pa.int32()),
        ("u_turns", pa.int32()),
    ]
)

SURVEY_ANSWER = pa.schema(
    [
        ("source", pa.string()),
        ("answered_us", pa.int64()),
        ("response_number", pa.string()),
        ("hotjar_user_id", pa.string()),
        ("user_id", pa.string()),
        ("country", pa.string()),
        ("device", pa.string()),
        ("page", pa.string()),
        ("question", pa.string()),
        ("answer", pa.string()),
        ("comment", pa.string()),
        ("question_type", pa.string()),
        ("way_in", pa.string()),
    ]
)


def empty_lake(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the gathered lake tables, empty."""
    replace_table(connection, "lake.staged_events", STAGED_EVENT, [])
    replace_table(connection, "lake.staged_recordings", RECORDING, [])
    replace_table(connection, "lake.staged_surveys", SURVEY_ANSWER, [])
