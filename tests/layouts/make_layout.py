"""Makes the small workspace of a released layout that tests/test_layouts.py opens with later programs.

Run it with the program of the release whose layout is to be kept, before the layout changes:

    python tests/layouts/make_layout.py tests/layouts/layout-1.tar.xz

It is then committed and never made again: what a release wrote cannot be known afterwards.
"""

from __future__ import annotations

import sys
import tarfile
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pipelines import marks, steps
from pipelines.explore import pain_points
from pipelines.workspace import open_workspace

FIRST, DAYS, VISITORS = date(2026, 3, 1), 12, 16
NOW = datetime(2026, 3, 13, 6, tzinfo=UTC)

CONFIG = """\
timezone = "Europe/Madrid"
currency = "EUR"
[sources.till]
kind = "table"
files = "exports/till*.csv"
columns = {event_at = "when", event_name = "what", user_id = "customer", device_id = "tablet", value = "amount"}
[detection]
replay_nights = 3
[engine]
threads = 1
"""  # noqa: E501
JOURNEY = """\
journey: purchase
window: 2d
stages:
  - name: look
    match: [{event: look}]
    owner: Shop
  - name: buy
    match: [{event: buy}]
    value: value
    ideal: {conversion: 0.9}
segments: [device]
"""


def rows() -> list[str]:
    """A visitor a line: looks, and one in three buys; every other one is known by name."""
    lines = ["when,what,customer,tablet,amount"]
    for day in range(DAYS):
        for visitor in range(VISITORS):
            at = datetime(2026, 3, 1, 9) + timedelta(days=day, minutes=7 * visitor)
            name = f"customer-{day}-{visitor}" if visitor % 2 else ""
            lines.append(f"{at.isoformat()},look,{name},tablet-{day}-{visitor},")
            if visitor % 3 == 0:
                at += timedelta(minutes=4)
                lines.append(f"{at.isoformat()},buy,{name},tablet-{day}-{visitor},12.5")
    return lines


def write_inputs(root: Path) -> None:
    """The files a person would bring: config, journey and export."""
    (root / "exports").mkdir(parents=True)
    (root / "journeys").mkdir()
    (root / "painpoints.toml").write_text(CONFIG)
    (root / "journeys" / "purchase.yaml").write_text(JOURNEY)
    (root / "exports" / "till.csv").write_text("\n".join(rows()) + "\n")


def make(root: Path) -> None:
    """The whole workspace after one night, with a finding that somebody has marked."""
    write_inputs(root)
    workspace = open_workspace(root, clock=lambda: NOW)
    with workspace.locked():
        steps.run(workspace)
        found = pain_points(root)
        marks.mark(workspace, found["pain_point_id"][0], "acknowledged", note="the till is slow")


def main() -> None:
    target = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "workspace"
        make(root)
        with tarfile.open(target, "w:xz") as archive:
            for path in sorted(root.rglob("*")):
                if path.is_file() and path.name != ".painpoints.lock" and "reports" not in path.parts:
                    archive.add(path, path.relative_to(root).as_posix())


if __name__ == "__main__":
    main()
