"""What a live source of the config is to its connector: addresses, limits, and secrets found by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from connectors.secret import Secret
from pipelines.secrets import find_secret, need_secret
from pipelines.source_settings import Ga4Source, HotjarSource, MixpanelSource

if TYPE_CHECKING:
    from connectors.bigquery_export import BigQueryExport
    from connectors.ga4_data_client import DataApi
    from connectors.hotjar_api import HotjarSite
    from connectors.mixpanel_api import MixpanelProject


def bigquery_export(name: str, source: Ga4Source) -> BigQueryExport:
    """The export of a GA4 source with a project and dataset. Raises CredentialMissing."""
    from connectors.bigquery_export import BigQueryExport

    assert source.project is not None
    assert source.dataset is not None
    return BigQueryExport(
        project=source.project,
        dataset=source.dataset,
        billing_project=source.billing_project or source.project,
        max_bytes=int(source.max_gigabytes * 1e9),
        key=google_key(name, source),
        api_url=source.api_url,
        storage_api_url=source.storage_api_url,
    )


def data_api(name: str, source: Ga4Source) -> DataApi:
    """The Data API of a GA4 source with a property id. Raises CredentialMissing."""
    from connectors.ga4_data_client import DataApi

    assert source.property_id is not None
    return DataApi(
        property_id=source.property_id,
        key=google_key(name, source),
        api_url=source.data_api_url or source.api_url,
    )


def google_key(name: str, source: Ga4Source) -> Secret | None:
    """The service account's key where ``credentials`` names one; None for application default credentials."""
    if source.credentials is None:
        return find_secret("GOOGLE_SERVICE_ACCOUNT_KEY")
    return need_secret(
        f"{source.credentials}_SERVICE_ACCOUNT_KEY",
        where=f"sources.{name}",
        remedy="It holds the JSON text of a service account's key.",
    )


def mixpanel_project(name: str, source: MixpanelSource) -> MixpanelProject:
    """The project of a Mixpanel source. Raises CredentialMissing."""
    from connectors.mixpanel_api import MixpanelProject

    assert source.project_id is not None
    prefix, where = source.credentials or "MIXPANEL", f"sources.{name}"
    remedy = "Make a service account under Organization settings > Service accounts."
    return MixpanelProject(
        project_id=source.project_id,
        region=source.region,
        username=need_secret(f"{prefix}_SERVICE_ACCOUNT", where=where, remedy=remedy),
        secret=need_secret(f"{prefix}_SERVICE_SECRET", where=where, remedy=remedy),
        api_url=source.api_url,
        requests_per_hour=source.requests_per_hour,
        credentials=prefix,
    )


def hotjar_site(name: str, source: HotjarSource) -> HotjarSite:
    """The site of a Hotjar source. Raises CredentialMissing."""
    from connectors.hotjar_api import HotjarSite

    assert source.site_id is not None
    prefix, where = source.credentials or "HOTJAR", f"sources.{name}"
    remedy = "Make an API key under Settings > API (a Scale plan has it)."
    return HotjarSite(
        site_id=source.site_id,
        client_id=need_secret(f"{prefix}_CLIENT_ID", where=where, remedy=remedy),
        client_secret=need_secret(f"{prefix}_CLIENT_SECRET", where=where, remedy=remedy),
        survey_ids=source.survey_ids,
        api_url=source.api_url,
        credentials=prefix,
    )
