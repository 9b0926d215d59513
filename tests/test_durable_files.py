"""A copy of a file is one to the byte, whatever the kernel does of it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from connectors.durable_files import copy_file

CONTENT = os.urandom(300_000)


def test_a_copy_holds_the_same_bytes_and_goes_its_own_way(tmp_path: Path) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(CONTENT)
    target.write_bytes(CONTENT * 2)  # what was there before is gone
    copy_file(source, target)
    assert target.read_bytes() == CONTENT
    with target.open("r+b") as file:
        file.write(b"another")
    assert source.read_bytes() == CONTENT


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="this system has no such call")
@pytest.mark.parametrize("tells", [True, False])
@pytest.mark.parametrize("done", [0, 100_001])
def test_the_rest_is_copied_where_the_kernel_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: int, tells: bool
) -> None:
    source, target = tmp_path / "a", tmp_path / "b"
    source.write_bytes(CONTENT)
    parts = [done] if done else []
    real = os.copy_file_range

    def stops(read: int, written: int, count: int) -> int:
        if not parts and not tells:
            return 0
        if not parts:
            raise OSError(errno.EXDEV, "another filesystem")
        return real(read, written, parts.pop())

    monkeypatch.setattr(os, "copy_file_range", stops)
    copy_file(source, target)
    assert target.read_bytes() == CONTENT


@pytest.mark.skipif(not hasattr(os, "copy_file_range"), reason="this system has no such call")
def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def is_full(*_: int) -> int:
        raise OSError(errno.ENOSPC, "no space left on device")

    (tmp_path / "a").write_bytes(CONTENT)
    monkeypatch.setattr(os, "copy_file_range", is_full)
    with pytest.raises(OSError, match="no space"):
        copy_file(tmp_path / "a", tmp_path / "b")
