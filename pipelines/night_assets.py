"""The names of what a night reads and makes, from the vendor to the marts, as URIs of Prefect's assets."""

from __future__ import annotations

import re

from pipelines.source_settings import Ga4Source, HotjarSource, MixpanelSource, Source, TableSource
from pipelines.sql_models import read_models
from pipelines.workspace import Workspace


def vendor_assets(source: Source) -> list[str]:
    """Where a source comes from: the vendor's account, and the files somebody puts there."""
    found = []
    if isinstance(source, Ga4Source):
        found += [f"bigquery://{source.project}/{source.dataset}"] if source.project else []
        found += [f"ga4://properties/{source.property_id}"] if source.property_id else []
    elif isinstance(source, MixpanelSource) and source.project_id is not None:
        found.append(f"mixpanel://{source.region}/{source.project_id}")
    elif isinstance(source, HotjarSource) and source.site_id is not None:
        found.append(f"hotjar://sites/{source.site_id}")
    if isinstance(source, HotjarSource):
        patterns = [source.recordings, source.surveys]
    elif isinstance(source, TableSource | Ga4Source | MixpanelSource):
        patterns = [source.files]
    found += [f"file://{_clean(each)}" for each in patterns if each]
    return found


def lake_asset(workspace: Workspace, source: str) -> str:
    """The landed days of a source."""
    return f"{_root(workspace)}/lake/{source}"


def lake_assets(workspace: Workspace) -> list[str]:
    return [lake_asset(workspace, source) for source in workspace.settings.sources]


def built_assets(workspace: Workspace) -> list[str]:
    """The marts that a build makes of the lake."""
    models = read_models("marts")
    return [_mart(workspace, model.name) for model in models if not model.stands_on_state]


def judged_assets(workspace: Workspace) -> list[str]:
    """The marts that detection makes of the others."""
    return [_mart(workspace, model.name) for model in read_models("marts") if model.stands_on_state]


def report_asset(workspace: Workspace) -> str:
    return f"{_root(workspace)}/reports/journey-map"


def _mart(workspace: Workspace, name: str) -> str:
    return f"{_root(workspace)}/{name.replace('.', '/')}"


def _root(workspace: Workspace) -> str:
    return f"painpoints://{_clean(workspace.root.as_posix())}"


def _clean(text: str) -> str:
    # Prefect refuses a key with a space, a quote, a bracket and a dozen more
    return re.sub(r"[^A-Za-z0-9._/*-]+", "_", text).strip("/")
