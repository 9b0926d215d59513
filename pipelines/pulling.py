"""The pull step: land what is new of every source."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from connectors import ga4_export, hotjar_export, mixpanel_export, table_files
from connectors.file_pull import FileSet, pull_files
from connectors.landing import EVERY_DAY, DayRange
from connectors.pull_report import PullReport
from pipelines.source_settings import Ga4Source, HotjarSource, MixpanelSource, Source
from pipelines.sql_models import Progress
from pipelines.workspace import Workspace


def pull_source(
    workspace: Workspace, name: str, progress: Progress = lambda _: None, days: DayRange = EVERY_DAY
) -> PullReport:
    """Land what is new of one source and falls into ``days``.

    Raises SourceError; what landed before stays.
    """
    source = workspace.settings.sources[name]
    file_sets = file_sets_of(name, source, workspace.settings.zone_of(name))
    return pull_files(workspace.source_lake(name), workspace.root, file_sets, progress, days)


def file_sets_of(name: str, source: Source, zone: ZoneInfo) -> Sequence[FileSet]:
    """The files a source names, each with the way to split it into days."""
    if isinstance(source, Ga4Source):
        if source.files is None:
            return []
        return [ga4_export.file_set(name, source.files)]
    if isinstance(source, MixpanelSource):
        if source.files is None:
            return []
        return [mixpanel_export.file_set(name, source.files)]
    if isinstance(source, HotjarSource):
        given = [
            (hotjar_export.recordings, source.recordings),
            (hotjar_export.surveys, source.surveys),
        ]
        return [make(name, pattern, zone) for make, pattern in given if pattern is not None]
    return [table_files.file_set(name, source.files, source.columns, zone)]
