"""Run one contender as a process of its own: its answer, its peak memory, its processor time."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contenders import Contender

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Limits:
    """What each contender may use. ``memory_gb`` binds those engines that take such a limit."""

    threads: int
    memory_gb: float


@dataclass
class Measured:
    """``seconds``: wall time of the work without imports, divided by the share of users.

    ``peak_gb``: largest resident memory of the process, 1e9 bytes; ``cpu_seconds``: of the whole process
    with its imports, not scaled;
    ``differing``: sessions whose result is not ours; ``problem``: why there is nothing else.
    """

    name: str
    share: float = 1.0
    seconds: float | None = None
    cpu_seconds: float | None = None
    peak_gb: float | None = None
    differing: int | None = None
    sessions: int | None = None
    reached: list[int] = field(default_factory=list)
    parts: dict[str, float] = field(default_factory=dict)
    tables: list[list[Any]] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    problem: str | None = None


def is_installed(python: str, library: str) -> bool:
    code = "import importlib.util, sys; sys.exit(importlib.util.find_spec(sys.argv[1]) is None)"
    return subprocess.run([python, "-c", code, library], check=False).returncode == 0


def measure(
    name: str, contender: Contender, python: str, events: Path, result: Path, limits: Limits
) -> Measured:
    """Let a contender do its task in an empty scratch folder, which is removed afterwards."""
    scratch = result.with_name(f"{name}.scratch")
    shutil.rmtree(scratch, ignore_errors=True)
    command = [
        *(python, str(HERE / contender.script), *contender.arguments),
        *("--events", str(events), "--result", str(result), "--scratch", str(scratch)),
        *("--threads", str(limits.threads), "--memory-gb", str(limits.memory_gb)),
    ]
    output = result.with_name(f"{name}.txt")
    measured = Measured(name, contender.share)
    with output.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment())
        # unlike the usage of all children, this is the usage of this one
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    shutil.rmtree(scratch, ignore_errors=True)
    measured.peak_gb = usage.ru_maxrss * _MAXRSS_BYTES / 1e9
    measured.cpu_seconds = usage.ru_utime + usage.ru_stime
    lines = output.read_text("utf-8", errors="replace").splitlines() or [""]
    if process.returncode != 0:
        said = (line for line in reversed(lines) if re.match(r"[\w.]+: ", line))
        measured.problem = f"failed ({process.returncode}): {next(said, lines[-1])}"
        return measured
    told = json.loads(lines[-1])
    measured.seconds = told["seconds"] / contender.share
    measured.parts, measured.tables, measured.versions = told["parts"], told["tables"], told["versions"]
    return measured


def compared(mine: Path, theirs: Path, share: float) -> dict[str, Any]:
    """What compare.py says, from a process of its own: memory used here would count as a contender's."""
    command = [sys.executable, str(HERE / "compare.py"), str(mine), str(theirs), "--share", str(share)]
    told: dict[str, Any] = json.loads(subprocess.check_output(command, text=True, env=environment()))
    return told


def environment() -> dict[str, str]:
    # an interpreter of another folder imports the repository's packages too
    return os.environ | {"PYTHONPATH": str(HERE.parent.parent)}


# macOS counts bytes where Linux counts kilobytes
_MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024
