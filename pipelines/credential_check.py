"""Each credential of the config tried with the cheapest real call, so that the night is no surprise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from connectors.errors import SourceError
from pipelines.live_sources import bigquery_export, data_api, hotjar_site, mixpanel_project
from pipelines.rule_review import Remark
from pipelines.source_settings import Ga4Source, HotjarSource, MixpanelSource
from pipelines.workspace import Workspace


def check_credentials(workspace: Workspace) -> Iterator[Remark]:
    """One remark for each vendor that a source calls."""
    for name in workspace.settings.sources:
        for what, check in _checks_of(workspace, name):
            where = f"sources.{name}, {what}"
            try:
                yield Remark("ok", where, check())
            except SourceError as error:
                yield Remark("problem", where, f"{error.what} ({error.where}). {error.remedy}")
            except OSError as error:
                what = f"this could not be tried ({error}). Correct the disk, its permissions or the network"
                yield Remark("problem", where, what)


def _checks_of(workspace: Workspace, name: str) -> Iterator[tuple[str, Callable[[], str]]]:
    source = workspace.settings.sources[name]
    if isinstance(source, Ga4Source) and source.project is not None:
        yield "BigQuery export", lambda: _bigquery(name, source)
    if isinstance(source, Ga4Source) and source.property_id is not None:
        yield "Data API", lambda: _data_api(name, source)
    if isinstance(source, MixpanelSource) and source.project_id is not None:
        yield "Export API", lambda: _mixpanel(workspace, name, source)
    if isinstance(source, HotjarSource) and source.site_id is not None:
        yield "survey responses API", lambda: _hotjar(name, source)


# Imported where they are used, as the vendors' clients take a second to import.


def _bigquery(name: str, source: Ga4Source) -> str:
    from connectors.bigquery_export import check_bigquery

    return check_bigquery(bigquery_export(name, source))


def _data_api(name: str, source: Ga4Source) -> str:
    from connectors.ga4_reports import check_data_api

    return check_data_api(data_api(name, source))


def _mixpanel(workspace: Workspace, name: str, source: MixpanelSource) -> str:
    from connectors.mixpanel_api import check_mixpanel, pace_of

    project = mixpanel_project(name, source)
    yesterday = workspace.nights_of(name).today() - timedelta(days=1)
    return check_mixpanel(project, yesterday, pace=pace_of(project, workspace.lake, workspace.clock))


def _hotjar(name: str, source: HotjarSource) -> str:
    from connectors.hotjar_api import check_hotjar

    return check_hotjar(hotjar_site(name, source))
