"""Where a workspace keeps the tables of a build on Spark, as seen from here and by the workers."""

from __future__ import annotations

import shutil
import uuid
from dataclasses import dataclass
from pathlib import Path

from pipelines.spark_settings import SparkSettings
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class SparkStore:
    """``build`` holds the tables of one build; ``far_root`` is ``root``, the workspace, as workers see it."""

    root: Path
    far_root: str
    build: Path

    def table(self, name: str) -> Path:
        """The folder of a table ``schema.name``, on this machine."""
        return self.build / name

    def far(self, path: Path) -> str:
        """A path below the workspace as the workers see it."""
        return f"{self.far_root}/{path.absolute().relative_to(self.root.absolute()).as_posix()}"


def new_store(workspace: Workspace, settings: SparkSettings) -> SparkStore:
    """A fresh folder for the tables of one build."""
    root = workspace.root.absolute()
    build = spark_folder(workspace) / uuid.uuid4().hex[:12]
    build.mkdir(parents=True)
    return SparkStore(root, (settings.workspace or root.as_uri()).rstrip("/"), build)


def spark_folder(workspace: Workspace) -> Path:
    return workspace.lake.absolute() / "_spark"


def keep_only(workspace: Workspace, store: SparkStore | None) -> None:
    """Remove the tables of all builds on Spark but one."""
    folder = spark_folder(workspace)
    for path in folder.glob("*"):
        if store is None or path != store.build:
            shutil.rmtree(path, ignore_errors=True)
    if store is None:
        shutil.rmtree(folder, ignore_errors=True)
