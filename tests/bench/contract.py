"""What every contender is asked for, how it answers, and the six steps that all of them count."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

STEPS = ("view_list", "view_item", "add_to_cart", "begin_checkout", "add_payment_info", "purchase")
"""Ordered steps. A session's depth is the longest prefix of them that occurs in it in order: each step
at or after the one before it, equal times in the order of the steps."""

INACTIVITY_US = 30 * 60 * 1_000_000
"""A gap longer than this (microseconds) starts a new session."""

RESULT_COLUMNS = ("device_id", "session_start_us", "depth")
"""One row per session: user's text id, time of its first event (microseconds since 1970, UTC), 0..6."""


@dataclass(frozen=True)
class Task:
    """Read ``events`` (a folder of Parquet files), write ``result`` (one Parquet file).

    ``memory_gb`` (1e9 bytes) bounds an engine that can be bounded; ``keys``: whether an engine that
    profits from it keys users by a hash, or keeps to text. For ours alone: ``journeys`` are by session,
    user, both, or two by session; ``whole``: every table and check of a build instead of the question;
    ``core``: of the question only what the others answer too.
    """

    events: Path
    result: Path
    scratch: Path
    threads: int
    memory_gb: float
    keys: str = "hash"
    journeys: str = "session"
    whole: bool = False
    core: bool = False

    @property
    def files(self) -> str:
        """The Parquet files as a glob."""
        return str(self.events / "*.parquet")


@dataclass
class Stopwatch:
    """Wall seconds of named parts, in the order they ended."""

    parts: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.perf_counter)
    lapped: float = field(default_factory=time.perf_counter)

    def lap(self, name: str) -> None:
        """The time since the last lap goes to ``name``."""
        now = time.perf_counter()
        self.parts[name] = self.parts.get(name, 0.0) + now - self.lapped
        self.lapped = now

    @property
    def seconds(self) -> float:
        return self.lapped - self.started


def read_task(arguments: Sequence[str] | None = None) -> Task:
    """The task of the command line; afterwards this process uses no more than its threads' cores."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=Path, required=True)
    parser.add_argument("--result", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-gb", type=float, default=6.0)
    parser.add_argument("--keys", choices=("hash", "text"), default="hash")
    parser.add_argument("--journeys", choices=("session", "user", "both", "two"), default="session")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--core", action="store_true")
    task = Task(**vars(parser.parse_args(arguments)))
    # a library inside a library has no option for its threads
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: task.threads])
    task.scratch.mkdir(parents=True, exist_ok=True)
    task.result.unlink(missing_ok=True)
    return task


def answer(
    watch: Stopwatch,
    versions: Mapping[str, str],
    tables: Sequence[tuple[str, float, int]] = (),
    seconds: float | None = None,
) -> None:
    """Print the answer as JSON on the last line.

    ``seconds`` is the sum of the parts unless given; ``tables`` are (name, seconds, rows).
    """
    told = {
        "seconds": watch.seconds if seconds is None else seconds,
        "parts": watch.parts,
        "versions": dict(versions),
        "tables": [list(each) for each in tables],
    }
    print(json.dumps(told), flush=True)
