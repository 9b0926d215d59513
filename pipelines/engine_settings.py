"""The ``[engine]`` table of the config: what DuckDB may use of the machine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from pipelines.source_settings import Frozen
from pipelines.spark_settings import SparkSettings

SPILL_FOLDER = ".spill"  # of the workspace
AMOUNT = re.compile(r"(\d+(?:\.\d+)?) *([KMGT]i?B)", re.IGNORECASE)


def _amount(value: object) -> object:
    if isinstance(value, str) and AMOUNT.fullmatch(value):
        return value
    raise ValueError(f"{value!r} is no amount; write one with its unit, for example 8GB or 800MB")


Amount = Annotated[str, BeforeValidator(_amount)]


class EngineSettings(Frozen):
    """What DuckDB may use; by default 60 % of the memory of the machine or its container, and all its cores.

    What does not fit in ``memory_limit`` goes to ``temp_directory``, in the workspace where none is named, up
    to ``temp_limit``; by default nine tenths of what is free there. ``spark`` is for builds on a cluster.
    """

    memory_limit: Amount | None = None
    threads: int | None = Field(default=None, ge=1)
    temp_directory: Path | None = None
    temp_limit: Amount | None = None
    spark: SparkSettings = SparkSettings()
