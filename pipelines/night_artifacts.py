"""What a night shows in Prefect: its findings, its picture and its summary as artifacts."""

from __future__ import annotations

import base64
from pathlib import Path

from prefect import get_run_logger
from prefect.artifacts import create_image_artifact, create_markdown_artifact, create_table_artifact

from pipelines.night_summary import findings_table, read_night, sentence, small_picture, summary
from pipelines.workspace import Workspace

FINDINGS_KEY = "painpoints-findings"
SUMMARY_KEY = "painpoints-summary"
PICTURE_KEY = "painpoints-map"


def show_night(workspace: Workspace, written: Path) -> None:
    """The findings as a table, the map as a picture, the night in short; ``written`` is the journey map."""
    night = read_night(workspace.published)
    create_table_artifact(
        key=FINDINGS_KEY, table=findings_table(night), description="Open pain points, the costliest first."
    )
    links = {"all findings": f"/artifacts/key/{FINDINGS_KEY}"}
    if workspace.settings.alerts.link:
        links["journey map"] = workspace.settings.alerts.link
    picture = small_picture(workspace.reports / "pictures")
    if picture is not None:
        links["picture"] = f"/artifacts/key/{PICTURE_KEY}"
        data = base64.b64encode(picture.read_bytes()).decode()
        create_image_artifact(
            f"data:image/png;base64,{data}", key=PICTURE_KEY, description=picture.stem.replace("-", " ")
        )
    create_markdown_artifact(
        key=SUMMARY_KEY, markdown=summary(night, written, links), description="The night in short."
    )
    get_run_logger().info("%s", sentence(night))
