"""Write lines in an order that only depends on what they say, in bounded memory.

A vendor may give out the same lines in another order the next time. Sorted and compressed without a
date, the same lines always make the same bytes, hence the same version of a landed day.
"""

from __future__ import annotations

import gzip
import heapq
import io
import os
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

CHUNK_BYTES = 48_000_000
OBJECT_BYTES = 41  # what a bytes object and its place in a list take beside its text


def write_sorted(lines: Iterable[bytes], target: Path, *, chunk_bytes: int = CHUNK_BYTES) -> int:
    """Write ``lines``, sorted, to the gzipped file ``target``; returns how many they are.

    Lines without a newline get one. Holds ``chunk_bytes`` of lines at a time, the rest waits on disk
    beside ``target``, which is there only once it is whole.
    """
    part = target.with_name(target.name + ".part")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="sorting-") as folder, ExitStack() as stack:
        chunks: list[Path] = []
        pending: list[bytes] = []
        rows = waiting = 0
        for line in lines:
            pending.append(line if line.endswith(b"\n") else line + b"\n")
            rows += 1
            waiting += len(line) + OBJECT_BYTES
            if waiting >= chunk_bytes:
                chunks.append(_write_chunk(pending, Path(folder) / f"{len(chunks)}.jsonl"))
                pending, waiting = [], 0
        pending.sort()
        runs = [stack.enter_context(chunk.open("rb")) for chunk in chunks]
        _write_gzip(heapq.merge(pending, *runs) if runs else pending, part)
    os.replace(part, target)
    return rows


def _write_chunk(lines: list[bytes], path: Path) -> Path:
    lines.sort()
    with path.open("wb") as file:
        file.writelines(lines)
    lines.clear()
    return path


def _write_gzip(lines: Iterable[bytes], path: Path) -> None:
    with (
        path.open("wb") as file,
        # neither a name nor a date in the header
        gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=file, mtime=0) as zipped,
        io.BufferedWriter(zipped, 1 << 20) as buffered,  # one line a write is slow
    ):
        buffered.writelines(lines)
