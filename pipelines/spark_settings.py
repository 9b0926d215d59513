"""The ``[engine.spark]`` table of the config: how a build on Spark reaches its cluster and shared files."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from pipelines.source_settings import Frozen


class SparkSettings(Frozen):
    """``workspace`` is this workspace's folder as the workers see it: a URL such as gs://bucket/shop.

    Absent, they see it under the same path as this machine does. ``conf`` are settings of Spark itself;
    ``wait_seconds`` is how long the cluster may take until it has done a first task.
    """

    workspace: str | None = None
    wait_seconds: int = Field(default=120, ge=1)
    conf: Mapping[str, str] = {}
