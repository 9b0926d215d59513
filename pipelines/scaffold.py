"""`painpoints init`: a commented config and journey templates."""

from __future__ import annotations

from pathlib import Path

from pipelines.errors import ConfigError
from pipelines.settings import CONFIG_FILE

TEMPLATES = Path(__file__).parent / "templates"
JOURNEYS = ("shop", "onboarding", "loyalty")


def scaffold(folder: Path) -> list[Path]:
    """Write a new workspace into ``folder``; returns the files. Raises ConfigError where one exists."""
    if (folder / CONFIG_FILE).exists():
        raise ConfigError(
            f"{folder / CONFIG_FILE}: this already is a workspace; nothing was changed. "
            "Name another folder, or edit the file"
        )
    try:
        (folder / "journeys").mkdir(parents=True, exist_ok=True)
        (folder / "exports" / "ga4").mkdir(parents=True, exist_ok=True)
        targets = {folder / CONFIG_FILE: TEMPLATES / CONFIG_FILE}
        targets |= {folder / "journeys" / f"{name}.yaml": TEMPLATES / f"{name}.yaml" for name in JOURNEYS}
        for target, template in targets.items():
            if not target.exists():
                target.write_text(template.read_text("utf-8"), "utf-8")
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return sorted(targets)
