"""The command ``painpoints export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pipelines.exporting import export_parquet, export_single_file
from pipelines.workspace import open_workspace


def export(
    workspace: Annotated[Path, typer.Option("--workspace", help="The workspace folder.")] = Path(),
    single_file: Annotated[
        Path | None, typer.Option("--single-file", metavar="OUT", help="Write one DuckDB file.")
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option("--parquet", metavar="DIR", help="Write a folder of Parquet files.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Write the published tables into one self-contained DuckDB file, or as read-only Parquet files."""
    target = single_file or parquet
    if target is None or (single_file and parquet):
        raise typer.BadParameter("name one of --single-file OUT and --parquet DIR")
    write = export_single_file if single_file else export_parquet
    rows = write(open_workspace(workspace), target)
    if json_output:
        print(json.dumps({"file": str(target), "rows": rows}, indent=2, ensure_ascii=False))
    else:
        print(f"{target}: {len(rows)} tables, {sum(rows.values()):,} rows")
