"""How long the scan of one night takes: at the benchmark's grid, and for a million rows of the cube.

python tests/detection/scan_time.py [--rows 1e6]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import date, timedelta
from itertools import product
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(1, str(Path(__file__).resolve().parents[2]))

import numpy as np
import pandas as pd

from detection.grid import SCORED_NIGHTS
from detection.ours import cohort_cubes as cubes_of_view
from detection.world import make_world
from models.cohort_table import cohort_cubes
from models.detector import DetectorSettings, find_pain_points

_DAYS, _TRANSITIONS, _AGES = 84, 5, 4
_VALUES = {"device": 3, "channel": 8, "country": 12, "browser": 6, "is_new_user": 2}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=lambda text: int(float(text)), default=1_000_000)
    asked = parser.parse_args()
    cubes = cubes_of_view(make_world("pain", 20_000, 1000).view(SCORED_NIGHTS[-1]))
    began, used = time.perf_counter(), time.process_time()
    find_pain_points(cubes, {}, [], DetectorSettings())
    print(
        f"one night, {len(cubes)} transitions x 180 leaves: {time.perf_counter() - began:.2f} s, "
        f"{time.process_time() - used:.2f} of the processor"
    )
    frame, last = _table(asked.rows), _day(_DAYS - 1)
    began = time.perf_counter()
    cubes = cohort_cubes(
        frame,
        {"shop": tuple(_VALUES)},
        {"shop": last},
        lambda journey, stage, columns, leaves, days: np.ones((len(leaves), len(days)), dtype=np.bool_),
    )
    read = time.perf_counter() - began
    find_pain_points(cubes, {}, [], DetectorSettings())
    leaves = max(len(each.leaf_values) for each in cubes)
    whole = time.perf_counter() - began
    print(
        f"one night, {len(frame):,} rows of the cube, {leaves:,} leaves, {len(cubes[0].slices(3).slices):,} "
        f"segments: {whole:.1f} s, {read:.1f} of them reading"
    )


def _table(rows: int) -> pd.DataFrame:
    """Rows as of marts.stage_cohorts: random counts in as many leaves as make so many rows."""
    rng = np.random.default_rng(7)
    leaves = np.array(list(product(*(range(count) for count in _VALUES.values()))))
    leaves = leaves[rng.permutation(len(leaves))[: max(rows // (_DAYS * _TRANSITIONS * _AGES), 1)]]
    index = np.indices((_TRANSITIONS, len(leaves), _DAYS, _AGES)).reshape(4, -1)
    columns = {
        name: np.char.add(name, leaves[index[1], place].astype(str)) for place, name in enumerate(_VALUES)
    }
    columns["is_new_user"] = leaves[index[1], len(_VALUES) - 1] == 0
    stages = np.array([f"stage {number}" for number in range(_TRANSITIONS + 1)])
    # the last age stands for those who have not come
    ages = np.where(index[3] == _AGES - 1, np.nan, index[3])
    attempts = rng.poisson(np.array([60, 20, 8, 90])[index[3]])
    return pd.DataFrame(
        {
            "journey": "shop",
            "persona": "default",
            "stage": stages[index[0]],
            "next_stage": stages[index[0] + 1],
            "reached_date": pd.to_datetime(_day(0)) + pd.to_timedelta(index[2], unit="D"),
            "age_days": ages,
            "attempts": attempts,
            "converted": np.where(np.isnan(ages), 0, attempts // 2),
            "value": 0.0,
        }
        | columns
    )


def _day(number: int) -> date:
    return date(2026, 1, 5) + timedelta(days=number)


if __name__ == "__main__":
    main()
