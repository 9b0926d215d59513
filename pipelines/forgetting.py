"""`painpoints forget`: take one person out of everything a workspace keeps, and keep them out.

The order makes a crash harmless. First goes what mentions them, while the lake still tells which ids are
theirs; then the ledger takes them on, as hashes, so that nothing of theirs lands again; last go their rows
of the lake. Killed before the ledger knows them, the same command run again does it all; killed later, the
next build finishes it as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from connectors.file_pull import matching_files
from connectors.forgotten_ledger import DEVICE, USER, Ledger, read_ledger, write_ledger
from connectors.screening import rows_to_screen
from pipelines.errors import NothingLanded
from pipelines.forgetting_files import forget_in_file, forget_in_published, redacted_sql
from pipelines.journey_tables import build_tables
from pipelines.lake_sweep import landed_sources, sweep
from pipelines.name_search import Names, files_below, found_in
from pipelines.person import TARGETS, Person, PersonUnknown, find_person
from pipelines.pulling import file_sets_of
from pipelines.report import write_report
from pipelines.spare_file import drop_spare
from pipelines.spark_store import keep_only
from pipelines.sql_models import Progress
from pipelines.staging import stage_days
from pipelines.steps import world_config
from pipelines.warehouse import open_warehouse
from pipelines.warehouse_state import keep_state_only
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class Search:
    """What was looked through at the end: files, their bytes, and where a name still is."""

    files: int = 0
    bytes: int = 0
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class ForgetReport:
    """What was, or with ``dry_run`` would be, removed; ``own_files`` are the user's, and not touched.

    ``removed_rows`` are landed rows. ``too_short`` ids were looked for in columns of ids alone.
    """

    user: str
    dry_run: bool
    person: Person
    removed_rows: int = 0
    changed_files: tuple[str, ...] = ()
    own_files: tuple[str, ...] = ()
    search: Search = field(default_factory=Search)
    too_short: tuple[str, ...] = ()
    was_forgotten: bool = False


def forget(
    workspace: Workspace, user: str, *, source: str | None, dry_run: bool, progress: Progress
) -> ForgetReport:
    """Forget the person behind ``user``, everywhere in the workspace, which is locked.

    Raises PersonUnknown, and then has changed nothing.
    """
    ledger = read_ledger(workspace.lake)
    person = _person(workspace, user, source, progress)
    was_forgotten = person is None and _is_known(workspace, ledger, user)
    if person is None:
        if not was_forgotten:
            raise PersonUnknown(
                f"{workspace.root}: no landed event, recording or answer has the id {user!r}. Take it as "
                "marts.events shows it (user_id, device_id or user_key); after a pull, more may have "
                "landed. Nothing was changed"
            )
        person = Person((), (user,))
    names = Names(person.names())
    own = _own_files(workspace)
    if dry_run:
        found = tuple(_shown(workspace, path) for path in own if found_in(path, names))
        return ForgetReport(user, True, person, own_files=found, was_forgotten=was_forgotten)
    changed = _forget_in_files(workspace, person, names, own, progress)
    if not was_forgotten:
        write_ledger(workspace.lake, ledger.with_entries(person.entries()))
    removed = sweep(workspace, progress)
    search, named = _search(workspace, names, own, progress)
    return ForgetReport(user, False, person, removed, changed, named, search, names.too_short, was_forgotten)


def _person(workspace: Workspace, user: str, source: str | None, progress: Progress) -> Person | None:
    with open_warehouse(None, workspace.settings.engine) as connection:
        try:
            stage_days(connection, workspace, progress, drops_outdated=False)
        except NothingLanded:
            return None
        progress("looking for the person")
        build_tables(connection, world_config(workspace), targets=TARGETS)
        return find_person(connection, user, source)


def _is_known(workspace: Workspace, ledger: Ledger, user: str) -> bool:
    return ledger.holds(USER, user) or any(
        ledger.holds(DEVICE, source, user) for source in workspace.settings.sources
    )


def _own_files(workspace: Workspace) -> list[Path]:
    """The export files that the config names, wherever they lie: they are the user's."""
    found: dict[Path, None] = {}
    for name, source in workspace.settings.sources.items():
        for file_set in file_sets_of(name, source, workspace.settings.zone_of(name)):
            found |= dict.fromkeys(matching_files(workspace.root, file_set.pattern))
    written = [workspace.config_path, *workspace.journeys_folder.glob("*")]
    return [*found, *(path for path in written if path.is_file())]


def _forget_in_files(
    workspace: Workspace, person: Person, names: Names, own: Sequence[Path], progress: Progress
) -> tuple[str, ...]:
    progress("rewriting tables, reports and notes")
    changed = []
    if keep_state_only(workspace.warehouse, lambda column, kind: redacted_sql(names, column, kind)):
        changed.append(_shown(workspace, workspace.warehouse))
    keep_only(workspace, None)  # the same tables, where a build on Spark has them
    drop_spare(workspace.published)
    if workspace.published.exists():
        forget_in_published(workspace.published, person, names)
        changed.append(_shown(workspace, workspace.published))
        _renew_report(workspace)
    ours = {workspace.warehouse, workspace.published, *own}
    for path in files_below(workspace.root, ours):
        if not path.is_relative_to(workspace.lake) and forget_in_file(path, person, names):
            changed.append(_shown(workspace, path))
    return tuple(changed)


def _renew_report(workspace: Workspace) -> None:
    """Write the journey map anew, which quotes what people said; one that cannot be made goes."""
    if not workspace.reports.exists():
        return
    try:
        write_report(workspace)
    except Exception:
        for path in workspace.reports.glob("journey-map*"):
            path.unlink()


def _search(
    workspace: Workspace, names: Names, own: Sequence[Path], progress: Progress
) -> tuple[Search, tuple[str, ...]]:
    """Look through every file of the workspace, and the user's own ones outside of it."""
    progress("searching every file")
    files, size, left = 0, 0, []
    for path in files_below(workspace.root, set(own)):
        files, size = files + 1, size + path.stat().st_size
        if found_in(path, names):
            left.append(_shown(workspace, path))
    if not names.searched or names.too_short:
        left += _held_in_columns(workspace)
    return Search(files, size, tuple(dict.fromkeys(left))), tuple(
        _shown(workspace, path) for path in own if found_in(path, names)
    )


def _held_in_columns(workspace: Workspace) -> list[str]:
    """Landed parts in whose columns of ids somebody of the ledger still is: short ids, too."""
    found = []
    for source in landed_sources(workspace):
        lake = workspace.source_lake(source)
        for manifest in lake.days().values():
            if rows_to_screen(lake, manifest):
                found.append(_shown(workspace, lake.root / f"date={manifest.day}"))
    return found


def _shown(workspace: Workspace, path: Path) -> str:
    return path.relative_to(workspace.root).as_posix() if path.is_relative_to(workspace.root) else str(path)
