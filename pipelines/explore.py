"""What notebooks use: a read-only connection to the published file, the findings, the journey map."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pandas as pd

from pipelines.engine_functions import FUNCTIONS
from pipelines.errors import NothingLanded, PainpointsError
from pipelines.funnel import funnel
from pipelines.workspace import open_workspace

if TYPE_CHECKING:
    from pipelines.what_if import JourneyGain

__all__ = ["connect", "funnel", "journey_map", "pain_points", "what_if"]


def connect(workspace: str | Path = ".") -> duckdb.DuckDBPyConnection:
    """A read-only connection to the published file; its tables are in schema ``marts``.

    It keeps reading the night it was opened on while a new one is published. Raises NothingLanded.
    """
    published = open_workspace(Path(workspace)).published
    if not published.exists():
        raise NothingLanded(f"{published}: nothing is published yet. Run `painpoints run` first")
    try:
        connection = duckdb.connect(str(published), read_only=True)
        for function in FUNCTIONS:  # of this connection: nothing is written
            connection.execute(function.replace("create or replace macro", "create temp macro"))
        return connection
    except duckdb.Error as error:
        raise PainpointsError(
            f"{published}: cannot be opened ({str(error).splitlines()[0]}). Close the program that has it "
            "open for writing; if it is damaged, `painpoints build` publishes it anew"
        ) from error


def pain_points(workspace: str | Path = ".") -> pd.DataFrame:
    """The pain points of the last night, one a row, strongest lower bound of loss first."""
    with connect(workspace) as connection:
        return connection.execute(
            "select * from marts.pain_points order by status = 'resolved', lost_low desc"
        ).df()


def what_if(
    workspace: str | Path = ".", stages: Mapping[str, float | None] | None = None
) -> tuple[JourneyGain, ...]:
    """What each journey would gain a week if stages met a rate, or their ideal where it is None.

    By default every stage with an ideal. Raises WrongStage or NothingLanded.
    """
    from pipelines.what_if import journey_gains

    opened = open_workspace(Path(workspace))
    with connect(opened.root) as connection:
        return journey_gains(connection, opened.journeys, opened.settings.currency, stages)


def journey_map(workspace: str | Path = ".") -> Path:
    """The path of the journey map of the last night. Raises NothingLanded."""
    path = open_workspace(Path(workspace)).reports / "journey-map.html"
    if not path.exists():
        raise NothingLanded(f"{path}: not written yet. Run `painpoints report` first")
    return path
