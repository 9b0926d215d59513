"""Generate the world of the benchmark once: staged events as Parquet, a file per day."""

from __future__ import annotations

import argparse
import json
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from world_columns import Columns
from world_draw import DAY_US, Drawn, draw

FIRST_DAY = date(2026, 1, 5)
FORMAT = 1
"""Counts up when the same seed gives other events, so that older files are not taken for them."""


def make_world(folder: Path, events: int, days: int, seed: int) -> Path:
    """The folder of a world of about ``events`` events in ``days``, generated unless it is there.

    It holds ``events/*.parquet`` and ``world.json`` (events, users, days).
    """
    world = folder / f"world-{events}-{days}-{seed}-{FORMAT}"
    if (world / "world.json").exists():
        return world
    part = world.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    (part / "events").mkdir(parents=True)
    drawn = draw(events, days, seed)
    write_days(drawn, days, part / "events", seed)
    told = {"events": len(drawn.at_us), "users": drawn.users, "days": days, "seed": seed}
    (part / "world.json").write_text(json.dumps(told) + "\n", "utf-8")
    part.rename(world)
    return world


def make_share(world: Path, share: float) -> Path:
    """A folder like ``events`` with only a part of the users, all their events in it; made once."""
    folder = world / f"events-{share:g}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        for path in sorted((world / "events").glob("*.parquet")):
            table = pq.read_table(path, filters=[("device_id", "<", device_bound(share))])
            pq.write_table(table, part / path.name, compression="zstd", row_group_size=122_880)
        part.rename(folder)
    return folder


def device_bound(share: float) -> str:
    """The text before which the ids of a share of the users sort; they are hexadecimal digits of digests."""
    return f"{int(share * 2**32):08x}"


def write_days(drawn: Drawn, days: int, folder: Path, seed: int) -> None:
    """One file a day (UTC), its rows in order of time, compressed as staging does it."""
    columns = Columns(drawn, seed, epoch_us(FIRST_DAY))
    bounds = np.searchsorted(drawn.at_us, np.arange(days + 1) * DAY_US)
    for number in range(days):
        table = columns.table(int(bounds[number]), int(bounds[number + 1]))
        path = folder / f"{FIRST_DAY + timedelta(days=number)}.parquet"
        pq.write_table(table, path, compression="zstd", row_group_size=122_880)


def epoch_us(day: date) -> int:
    """Midnight UTC of a day, in microseconds since 1970."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return (midnight - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events", type=lambda text: int(float(text)), default=18_000_000)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--share", type=float, default=1.0)
    given = parser.parse_args()
    made = make_world(given.folder, given.events, given.days, given.seed)
    if given.share < 1:
        make_share(made, given.share)
    print(made)
