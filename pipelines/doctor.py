"""`painpoints doctor`: is everything where and as it should be, and what to do where it is not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from glob import glob

import duckdb

from connectors.errors import LakeDamaged
from connectors.file_pull import matching
from models.journey import Journey
from models.journey_file import JourneyError
from pipelines.credential_check import check_credentials
from pipelines.errors import PainpointsError
from pipelines.pulling import file_sets_of
from pipelines.rule_review import Remark, review_rules
from pipelines.source_settings import Ga4Source
from pipelines.vendor_funnels import why_not_asked
from pipelines.workspace import Workspace

LEAST_FREE_BYTES = 2 * 2**30


def examine(workspace: Workspace, *, calls_vendors: bool = True) -> Iterator[Remark]:
    """Every remark in turn; a problem is something that stops or bends the result.

    With ``calls_vendors`` each credential is tried with the cheapest call its vendor has.
    """
    yield Remark("ok", str(workspace.config_path), "the config is read")
    if calls_vendors:
        yield from check_credentials(workspace)
    for name, source in workspace.settings.sources.items():
        for file_set in file_sets_of(name, source, workspace.settings.zone_of(name)):
            count = len(glob(matching(workspace.root, file_set.pattern), recursive=True))
            if count:
                yield Remark(
                    "ok",
                    file_set.key,
                    f"{count} file{' matches' if count == 1 else 's match'} {file_set.pattern!r}",
                )
            else:
                what = f"no file matches {file_set.pattern!r}; put the export there or correct the path"
                yield Remark("problem", file_set.key, what)
        yield _landed(workspace, name)
    free = shutil.disk_usage(workspace.root).free
    if free < LEAST_FREE_BYTES:
        yield Remark(
            "problem", str(workspace.root), f"only {free / 2**30:.1f} GB of disk are free; make room"
        )
    try:
        journeys = workspace.journeys
    except JourneyError as error:
        yield Remark("problem", error.path, str(error))
        return
    for journey in journeys:
        stages = ", ".join(stage.name for stage in journey.stages)
        yield Remark("ok", journey.path, f"journey {journey.name}: {stages}")
        for name, source in workspace.settings.sources.items():
            asks = isinstance(source, Ga4Source) and source.property_id is not None and source.funnels
            reason = why_not_asked(journey)
            if asks and reason is not None and name in workspace.sources_of(journey):
                yield Remark("note", journey.path, f"GA4's own funnel is not put beside it: {reason}")
        for stage in (each for each in journey.stages if each.ideal.auto):
            what = (
                f"`ideal: auto` of stage {stage.name!r}: its conversion is proposed from the segments that "
                "do best, and said as such; the times and shares of an ideal are not proposed, write numbers"
            )
            yield Remark("note", f"{journey.path}, line {stage.line}", what)
    yield from _rules(workspace, journeys)


def _landed(workspace: Workspace, name: str) -> Remark:
    try:
        days = workspace.source_lake(name).days()
    except LakeDamaged as error:
        return Remark("problem", f"lake/{name}", str(error))
    if not days:
        return Remark("note", f"lake/{name}", "nothing has landed yet; run `painpoints pull`")
    rows = sum(manifest.rows for manifest in days.values())
    return Remark("ok", f"lake/{name}", f"{rows:,} rows of {len(days)} days, {min(days)} to {max(days)}")


def _rules(workspace: Workspace, journeys: tuple[Journey, ...]) -> Iterator[Remark]:
    if not workspace.warehouse.exists():
        yield Remark("note", "journeys", "rules are held against real events after `painpoints build`")
        return
    try:
        connection = duckdb.connect(str(workspace.warehouse), read_only=True)
    except duckdb.Error as error:
        yield Remark("note", str(workspace.warehouse), f"cannot be opened now ({str(error).splitlines()[0]})")
        return
    with connection:
        for journey in journeys:
            try:
                remarks = review_rules(connection, journey, workspace.sources_of(journey))
            except (duckdb.CatalogException, PainpointsError):
                yield Remark("note", journey.path, "not built yet; run `painpoints build`")
                continue
            yield from remarks
            if not any(each.level == "problem" for each in remarks):
                yield Remark("ok", journey.path, "every stage has events")
