"""Sources whose last pull failed: remembered beside the lake, told first, shown in the published file.

They are kept in a file of the lake, not of the warehouse: a pull writes no tables, and the build that
follows it, at once or hours later, has to know what it builds without.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import duckdb

from connectors.durable_files import replace_json
from pipelines.errors import PainpointsError
from pipelines.workspace import Workspace

FAILED_FILE = "_failed_sources.json"
CHECK_NAME = "source_failed"
NOTHING_BUILT = "Nothing was built; what was published before is as it was"


@dataclass(frozen=True)
class FailedSource:
    """A source, the day of the workspace on which its pull failed, and why."""

    source: str
    day: date
    reason: str

    def sentence(self) -> str:
        return f"source {self.source}: {self.reason}"


class SourcesFailed(PainpointsError):
    """Sources could not be pulled; those that could have landed all the same."""

    def __init__(self, failed: Sequence[FailedSource], *afterwards: str) -> None:
        self.failed = tuple(failed)
        super().__init__("\n".join([*(each.sentence() for each in failed), *afterwards]))


def remember_failed(workspace: Workspace, pulled: Iterable[str], failed: Sequence[FailedSource]) -> None:
    """Keep which sources failed, in the place of what was known of those that were tried this time."""
    tried = {*pulled, *(each.source for each in failed)}
    kept = [each for each in failed_sources(workspace) if each.source not in tried]
    path = workspace.lake / FAILED_FILE
    if kept or failed:
        workspace.lake.mkdir(parents=True, exist_ok=True)
        rows = [asdict(each) | {"day": each.day.isoformat()} for each in (*kept, *failed)]
        replace_json(path, {"failed": rows})
    else:
        path.unlink(missing_ok=True)


def failed_sources(workspace: Workspace) -> tuple[FailedSource, ...]:
    """The sources of the config whose last pull failed."""
    try:
        rows = json.loads((workspace.lake / FAILED_FILE).read_text("utf-8"))["failed"]
        found = [FailedSource(row["source"], date.fromisoformat(row["day"]), row["reason"]) for row in rows]
    except (OSError, ValueError, KeyError, TypeError):
        return ()  # none failed, or a person edited the file: the next pull writes it anew
    return tuple(each for each in found if each.source in workspace.settings.sources)


def refuse_unknown_journeys(workspace: Workspace, failed: Sequence[FailedSource]) -> None:
    """Raise SourcesFailed where a journey names a source that failed before its first day landed.

    Such a source would set the journey's data horizon, and has none: every attempt would look over.
    """
    never = [each for each in failed if not workspace.source_lake(each.source).days()]
    told = [
        f"journey {journey.name} names the source {each.source}, of which no day has ever landed. "
        f"Correct it, or take it out of `sources` in {Path(journey.path).name}. {NOTHING_BUILT}"
        for each in never
        for journey in workspace.journeys
        if each.source in (journey.sources or ())
    ]
    if told:
        raise SourcesFailed(never, *told)


def tell_failed(connection: duckdb.DuckDBPyConnection, failed: Sequence[FailedSource]) -> None:
    """Put the failed sources into marts.tracking_health and state.failed_sources."""
    connection.execute(
        "create or replace table state.failed_sources (source varchar, day date, reason varchar)"
    )
    connection.execute("delete from marts.tracking_health where check_name = ?", [CHECK_NAME])
    for each in failed:
        connection.execute(
            "insert into state.failed_sources values (?, ?, ?)", [each.source, each.day, each.reason]
        )
        connection.execute(
            "insert into marts.tracking_health (source, day, check_name, status, detail) "
            "values (?, ?, ?, 'broken', ?)",
            [
                each.source,
                each.day,
                CHECK_NAME,
                "could not be pulled; what landed before was used, and journeys that need it are judged "
                f"only up to its last whole day: {each.reason}",
            ],
        )


def run_status(connection: duckdb.DuckDBPyConnection) -> str:
    """``partial`` where the tables were built without a source that failed, else ``done``."""
    made = connection.execute(
        "select 1 from information_schema.tables "
        "where table_schema = 'state' and table_name = 'failed_sources'"
    ).fetchall()
    if made and connection.execute("select 1 from state.failed_sources limit 1").fetchall():
        return "partial"
    return "done"


def published_failures(published: Path) -> list[str]:
    """The sources that the published file was made without, a sentence each; without a file none."""
    if not published.exists():
        return []
    with duckdb.connect(str(published), read_only=True) as connection:
        return told_failures(connection)


def told_failures(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The rows of marts.tracking_health on failed sources, as sentences."""
    rows = connection.execute(
        "select source, detail from marts.tracking_health where check_name = ? order by source",
        [CHECK_NAME],
    ).fetchall()
    return [f"source {source}: {detail}" for source, detail in rows]
