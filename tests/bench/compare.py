"""Hold the per-session results of two contenders side by side: how many sessions differ."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import duckdb
from contract import STEPS
from world import device_bound

_DIFFER = """
select count(*)
from (select * from read_parquet($mine) where $bound is null or device_id < $bound) as a
full outer join read_parquet($theirs) as b
    on a.device_id = b.device_id and a.session_start_us = b.session_start_us
where a.depth is null or b.depth is null or a.depth <> b.depth
"""


def compare(mine: Path, theirs: Path, share: float) -> dict[str, object]:
    """Sessions that only one has or whose depth differs, and per step how many of theirs reached it.

    Of ``mine``, only the share of the users that ``theirs`` was given is compared.
    """
    connection = duckdb.connect(config={"threads": 2, "memory_limit": "6GB"})
    given = {"mine": str(mine), "theirs": str(theirs), "bound": None if share >= 1 else device_bound(share)}
    differing = connection.execute(_DIFFER, given).fetchall()[0][0]
    counts = connection.execute(
        "select depth, count(*) from read_parquet(?) group by depth", [str(theirs)]
    ).fetchall()
    reached = [sum(n for depth, n in counts if depth >= step) for step in range(1, len(STEPS) + 1)]
    return {"differing": differing, "sessions": sum(n for _, n in counts), "reached": reached}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mine", type=Path)
    parser.add_argument("theirs", type=Path)
    parser.add_argument("--share", type=float, default=1.0)
    asked = parser.parse_args()
    print(json.dumps(compare(asked.mine, asked.theirs, asked.share)))
