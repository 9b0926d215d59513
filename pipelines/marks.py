"""Marks on pain points: set or taken back in the warehouse, and shown in the published file at once."""

from __future__ import annotations

import os
from datetime import UTC, date, timedelta
from pathlib import Path

import duckdb

from connectors.durable_files import copy_file, sync_file
from pipelines.errors import NothingLanded, PainpointsError
from pipelines.explore import connect
from pipelines.finding_store import built_recipe, make_state, make_state_marts
from pipelines.fix_review import review_fixes
from pipelines.listing import find_row
from pipelines.mark_store import Mark, add_mark, bring_back_marks, current_marks
from pipelines.renewing import remember_files, remembered_files
from pipelines.spare_file import file_version
from pipelines.sql_models import comment_on, read_models
from pipelines.warehouse import literal, open_warehouse
from pipelines.workspace import Workspace

MARKS = ("acknowledged", "snoozed", "fixed")
SNOOZE = timedelta(days=14)
SHOWN = {
    "mark": "varchar",
    "marked_at": "timestamp",
    "mark_until": "date",
    "mark_note": "varchar",
    "fixed_on": "date",
    "fix_verdict": "varchar",
    "fix_evidence": "varchar",
}


class WrongMark(PainpointsError):
    """A mark that says something impossible, such as a snooze that is already over."""


def mark(
    workspace: Workspace,
    pain_point_id: str,
    kind: str,
    *,
    until: date | None = None,
    fixed_on: date | None = None,
    note: str | None = None,
) -> Mark:
    """Set a mark on a pain point of the published file and show it there.

    A snoozed one comes back on ``until``, by default in 14 days; ``fixed_on`` is the day the fix went
    live, by default today. Raises WrongMark, UnknownFinding, or NothingLanded without a warehouse.
    """
    today = workspace.today()
    if kind not in MARKS:
        raise WrongMark(f"{kind!r} is no mark; use {', '.join(MARKS)}, or `painpoints unmark`")
    if until is not None and kind != "snoozed":
        raise WrongMark(f"--until is for snoozed ones; a pain point marked {kind} has no end")
    if fixed_on is not None and kind != "fixed":
        raise WrongMark("--on is the day a fix went live, for the mark `fixed`")
    if until is not None and until <= today:
        raise WrongMark(f"--until {until}: that day has come already; name one after {today}")
    if fixed_on is not None and fixed_on > today:
        raise WrongMark(f"--on {fixed_on}: that day is still to come; mark it when the fix is live")
    with connect(workspace.root) as connection:
        row = find_row(connection, pain_point_id)
    if fixed_on is not None and row["started_on"] is not None and fixed_on < row["started_on"]:
        raise WrongMark(
            f"--on {fixed_on}: the pain point began later, on {row['started_on']}; "
            "a fix comes after what it fixes"
        )
    made = Mark(
        row["pain_point_id"],
        kind,
        workspace.clock().astimezone(UTC).replace(tzinfo=None),
        (until or today + SNOOZE) if kind == "snoozed" else None,
        note,
        (fixed_on or today) if kind == "fixed" else None,
    )
    _keep(workspace, made)
    return made


def unmark(workspace: Workspace, pain_point_id: str) -> Mark:
    """Take the mark of a pain point back; an unambiguous start of the id will do.

    Returns the mark that was there. Raises WrongMark where there is none.
    """
    _refuse_without_warehouse(workspace)
    with open_warehouse(workspace.warehouse, workspace.settings.engine) as connection:
        make_state(connection)
        marks = current_marks(connection)
    found = [each for each in marks if each.pain_point_id.startswith(pain_point_id)]
    if len(found) != 1:
        known = ", ".join(each.pain_point_id for each in marks) or "none"
        raise WrongMark(f"{len(found)} marked pain points have the id {pain_point_id!r}. Marked are: {known}")
    now = workspace.clock().astimezone(UTC).replace(tzinfo=None)
    _keep(workspace, Mark(found[0].pain_point_id, None, now))
    return found[0]


def _keep(workspace: Workspace, made: Mark) -> None:
    _refuse_without_warehouse(workspace)
    with open_warehouse(workspace.warehouse, workspace.settings.engine) as connection:
        make_state(connection)
        bring_back_marks(connection, workspace.published)
        add_mark(connection, made)
        if built_recipe(connection) is not None:  # a build that broke off may have left no tables
            review_fixes(connection)
        make_state_marts(connection)
        if workspace.published.exists():
            _show(connection, workspace.published)


def _refuse_without_warehouse(workspace: Workspace) -> None:
    if not workspace.warehouse.exists():
        raise NothingLanded(
            f"{workspace.warehouse}: is not here, and marks are kept in it; {workspace.published.name} is "
            "only a copy for reading, which the next night replaces. Mark in the workspace where the runs "
            "are, or run `painpoints run` here: it makes the warehouse anew and takes over the marks that "
            "the published file has"
        )


def _show(connection: duckdb.DuckDBPyConnection, published: Path) -> None:
    """Put the marks into a copy of the published file and swap it in; its findings stay as they were."""
    part = published.with_name(published.name + ".part")
    version, spare_version = remembered_files(connection)
    is_ours = file_version(published) == version
    try:
        for path in (part, part.with_name(part.name + ".wal")):
            path.unlink(missing_ok=True)
        copy_file(published, part)
        connection.execute(f"attach {literal(part)} as shown")
        try:
            _write(connection)
            connection.execute("checkpoint shown")
        finally:
            connection.execute("detach shown")
        sync_file(part)
        os.replace(part, published)
        if is_ours:  # and stays what the next night stands on: these tables are written whole every night
            remember_files(connection, published, spare_version)
    except (OSError, duckdb.IOException) as error:
        part.unlink(missing_ok=True)
        raise PainpointsError(
            f"{published}: the mark is kept, but cannot be shown ({error}). Free disk space or correct the "
            "permissions; the next run shows it"
        ) from error


def _write(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("create or replace table shown.marts.marks as select * from marts.marks")
    for name, kind in SHOWN.items():
        connection.execute(f"alter table shown.marts.pain_points add column if not exists {name} {kind}")
    given = ", ".join(f"{name} = m.{name}" for name in SHOWN)
    connection.execute(f"update shown.marts.pain_points set {', '.join(f'{name} = null' for name in SHOWN)}")
    connection.execute(
        f"update shown.marts.pain_points as p set {given} from shown.marts.marks as m "
        "where p.pain_point_id = m.pain_point_id and m.is_current and m.mark is not null"
    )
    for model in read_models("marts"):
        if model.name in ("marts.marks", "marts.pain_points"):
            comment_on(connection, f"shown.{model.name}", model)
