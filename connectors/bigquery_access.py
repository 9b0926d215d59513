"""The way into a GA4 BigQuery export: its address, the two clients, and what their refusals mean."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property

from google.api_core.client_options import ClientOptions
from google.auth.credentials import Credentials
from google.cloud import bigquery
from google.cloud.bigquery_storage_v1.services.big_query_read import BigQueryReadClient
from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

from connectors.google_access import Endpoint, account_of, credentials_for, explained
from connectors.secret import Secret


@dataclass(frozen=True)
class BigQueryExport:
    """The dataset of an export, and who pays for reading it.

    A pull that would scan more than ``max_bytes`` is refused. ``key`` is the JSON text of a service
    account's key (None: application default credentials). ``api_url`` and ``storage_api_url`` (by default
    the same) take the place of Google's addresses; http:// and grpc:// are asked without credentials.
    """

    project: str
    dataset: str
    billing_project: str
    max_bytes: int
    key: Secret | None = None
    api_url: str | None = None
    storage_api_url: str | None = None

    @property
    def origin(self) -> str:
        return f"BigQuery {self.project}.{self.dataset}"


class ExportAccess:
    """The clients of an export; a context manager. Raises CredentialMissing when a client is first used."""

    def __init__(self, export: BigQueryExport) -> None:
        self.export = export
        self._rest_endpoint = _endpoint(export.api_url)
        self._storage_endpoint = _endpoint(export.storage_api_url or export.api_url)

    def __enter__(self) -> ExportAccess:
        return self

    def __exit__(self, *exc: object) -> None:
        if "tables" in self.__dict__:
            self.tables.close()  # type: ignore[no-untyped-call]
        if "streams" in self.__dict__:
            self.streams.transport.close()  # type: ignore[no-untyped-call]

    @cached_property
    def tables(self) -> bigquery.Client:
        """REST: datasets and the metadata of tables."""
        options = ClientOptions(api_endpoint=self._rest_endpoint.url) if self._rest_endpoint else None
        return bigquery.Client(
            project=self.export.billing_project, credentials=self._credentials, client_options=options
        )

    @cached_property
    def streams(self) -> BigQueryReadClient:
        """gRPC: the Storage Read API.

        This is the generated client. The one that Google wraps around it goes on after a cut by itself,
        as often as it is cut, where a whole day is to be tried again, and not for ever.
        """
        endpoint = self._storage_endpoint
        if endpoint is not None and endpoint.is_plain:
            return BigQueryReadClient(
                transport=BigQueryReadGrpcTransport(channel=endpoint.insecure_channel())
            )
        options = ClientOptions(api_endpoint=endpoint.host) if endpoint else None
        return BigQueryReadClient(
            credentials=credentials_for(endpoint, self.export.key, self.export.origin), client_options=options
        )

    def explained(self, what: str = "") -> AbstractContextManager[None]:
        """Turns what the clients raise within the block into SourceErrors that say what to do."""
        where = f"{self.export.origin}, {what}" if what else self.export.origin
        return explained(where, self._remedies, key=self.export.key)

    @cached_property
    def _credentials(self) -> Credentials:
        return credentials_for(self._rest_endpoint, self.export.key, self.export.origin)

    @property
    def _remedies(self) -> Mapping[str, str]:
        """What to do by words of a refusal (https://cloud.google.com/bigquery/docs/access-control)."""
        export, who = self.export, account_of(self._credentials)
        reader = (
            f'Grant the role "BigQuery Data Viewer" to {who} on the dataset {export.project}:{export.dataset}'
        )
        return {
            "bigquery.readsessions": 'Grant the role "BigQuery Read Session User" to '
            f"{who} on the project {export.billing_project}, which pays{self._foreign_key}",
            "bigquery.tables": reader,
            "bigquery.datasets": reader,
            "has not been used in project": self._enable,
            "accessNotConfigured": self._enable,
            "it is disabled": self._enable,
            "not found: dataset": self._dataset_remedy,
            "not found: project": f"Check the names of the projects ({export.project}, "
            f"{export.billing_project}): it is the project's id, not its name or number",
        }

    @property
    def _enable(self) -> str:
        return (
            "Enable the BigQuery API and the BigQuery Storage API in the project "
            f"{self.export.billing_project} under APIs & Services > Library, and wait a few minutes"
            f"{self._foreign_key}"
        )

    @property
    def _foreign_key(self) -> str:
        home = getattr(self._credentials, "project_id", None)
        if not home or home == self.export.billing_project:
            return ""
        return (
            f". The key is of another project, {home}: set billing_project where that one is to pay, or use "
            f"a key of {self.export.billing_project}"
        )

    @property
    def _dataset_remedy(self) -> str:
        name = self.export.dataset
        if name.isdigit():
            return f'The dataset of a property is named after it: set dataset = "analytics_{name}"'
        hint = "" if name.startswith("analytics_") else f", and this is {name!r}"
        return (
            "Check project, dataset and its location under Admin > BigQuery Links in GA4: the dataset of an "
            f"export is named analytics_<property id>{hint}"
        )


def _endpoint(url: str | None) -> Endpoint | None:
    return Endpoint(url) if url else None
