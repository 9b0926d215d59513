"""The pull step: land what is new of every source, from its files and from its vendor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

from connectors import ga4_export, hotjar_export, mixpanel_export, table_files
from connectors.day_range import EVERY_DAY, DayRange
from connectors.errors import LakeDamaged, SourceError
from connectors.file_pull import FileSet, pull_files
from connectors.landing import SourceLake
from connectors.pull_report import PullReport
from models.journey_file import JourneyError
from pipelines.live_sources import bigquery_export, data_api, hotjar_site, mixpanel_project
from pipelines.source_settings import Ga4Source, HotjarSource, MixpanelSource, Source, TableSource
from pipelines.sql_models import Progress
from pipelines.vendor_funnels import asked_funnels
from pipelines.workspace import Workspace

# The Data API keeps no day's counts to itself: as much as the detector looks back on.
REPORTS_HISTORY = timedelta(days=60)

_Pull = Callable[[SourceLake, DayRange, Progress], PullReport]


def pull_source(
    workspace: Workspace,
    name: str,
    progress: Progress = lambda _: None,
    days: DayRange = EVERY_DAY,
) -> PullReport:
    """Land what is new of one source and falls into ``days``: its files first, then what its vendor gives.

    Raises SourceError; what landed before stays.
    """
    lake = workspace.source_lake(name)
    report = PullReport(name, 0, ())
    for pull in _pulls_of(workspace, name):
        report += pull(lake, days, progress)
    return report


def _pulls_of(workspace: Workspace, name: str) -> Sequence[_Pull]:
    """The pulls a source consists of. A missing secret is told before the first of them."""
    source = workspace.settings.sources[name]
    file_sets = file_sets_of(name, source, workspace.settings.zone_of(name))
    pulls: list[_Pull] = []
    if file_sets:
        pulls.append(lambda lake, days, progress: pull_files(lake, workspace.root, file_sets, progress, days))
    if isinstance(source, Ga4Source):
        pulls += _ga4_pulls(workspace, name, source)
    elif isinstance(source, MixpanelSource) and source.project_id is not None:
        pulls.append(_mixpanel_pull(workspace, name, source))
    elif isinstance(source, HotjarSource) and source.site_id is not None:
        pulls.append(_hotjar_pull(workspace, name, source))
    return pulls


# The vendors' clients take a second to import, and are there only for who uses them.


def _ga4_pulls(workspace: Workspace, name: str, source: Ga4Source) -> list[_Pull]:
    pulls: list[_Pull] = []
    nights, patience = workspace.nights_of(name), workspace.patience
    if source.project is not None:
        from connectors.bigquery_export import pull_bigquery

        export = bigquery_export(name, source)

        def events(lake: SourceLake, days: DayRange, progress: Progress) -> PullReport:
            return pull_bigquery(
                lake,
                export,
                nights,
                history=source.history,
                asked=days,
                patience=patience,
                progress=progress,
            )

        pulls.append(events)
    if source.property_id is not None:
        from connectors.ga4_funnel import pull_funnels
        from connectors.ga4_reports import pull_daily_counts

        api = data_api(name, source)

        def counts(lake: SourceLake, days: DayRange, progress: Progress) -> PullReport:
            history = source.history or REPORTS_HISTORY
            return _or_remark(
                name,
                "GA4's own daily counts",
                lambda: pull_daily_counts(
                    lake, api, nights, history=history, asked=days, patience=patience, progress=progress
                ),
            )

        def funnels(lake: SourceLake, days: DayRange, progress: Progress) -> PullReport:
            def pull() -> PullReport:
                asked = asked_funnels(workspace, name) if source.funnels and days == EVERY_DAY else ()
                return pull_funnels(lake, api, asked, nights=nights, patience=patience, progress=progress)

            return _or_remark(name, "GA4's own funnel", pull)

        pulls += [counts, funnels]
    return pulls


def _or_remark(name: str, what: str, pull: Callable[[], PullReport]) -> PullReport:
    """What ``pull`` brings, or a remark: it is only a second opinion, and the night does not depend on it."""
    try:
        return pull()
    except LakeDamaged:
        raise  # the events lie there too
    except (SourceError, JourneyError) as error:
        return PullReport(name, 0, (), remarks=(f"{what} could not be had: {error}",))


def _mixpanel_pull(workspace: Workspace, name: str, source: MixpanelSource) -> _Pull:
    from connectors.mixpanel_api import pull_mixpanel

    project = mixpanel_project(name, source)
    nights, patience = workspace.nights_of(name), workspace.patience
    times = workspace.settings.zone_of(name)
    history = source.history or timedelta(days=1)

    def events(lake: SourceLake, days: DayRange, progress: Progress) -> PullReport:
        return pull_mixpanel(
            lake,
            project,
            nights,
            history=history,
            asked=days,
            patience=patience,
            progress=progress,
            times=times,
        )

    return events


def _hotjar_pull(workspace: Workspace, name: str, source: HotjarSource) -> _Pull:
    from connectors.hotjar_api import pull_responses

    site = hotjar_site(name, source)
    nights, patience = workspace.nights_of(name), workspace.patience

    def responses(lake: SourceLake, days: DayRange, progress: Progress) -> PullReport:
        return pull_responses(lake, site, nights, asked=days, patience=patience, progress=progress)

    return responses


def file_sets_of(name: str, source: Source, zone: ZoneInfo) -> Sequence[FileSet]:
    """The files a source names, each with the way to split it into days."""
    if isinstance(source, TableSource):
        return [table_files.file_set(name, source.files, source.layout(), zone)]
    if isinstance(source, HotjarSource):
        given = [
            (hotjar_export.recordings, source.recordings),
            (hotjar_export.surveys, source.surveys),
        ]
        return [make(name, pattern, zone) for make, pattern in given if pattern is not None]
    if source.files is None:
        return []
    make_set = ga4_export.file_set if isinstance(source, Ga4Source) else mixpanel_export.file_set
    return [make_set(name, source.files)]
