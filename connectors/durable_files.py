"""Files that are there whole or not at all, and what tells whether they still hold what was written."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def replace_json(path: Path, body: Mapping[str, Any]) -> None:
    """Write ``body`` beside ``path`` and rename it into place."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(body, indent=1, ensure_ascii=False), "utf-8")
    sync_file(part)
    os.replace(part, path)


def sync_file(path: Path) -> None:
    """Return when the file's content is on the disk, so that a rename cannot outrun it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Return when the names in a folder are on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def copy_file(source: Path, target: Path) -> None:
    """Make ``target`` a copy; on XFS and Btrfs one that shares its bytes until they change."""
    if not hasattr(os, "copy_file_range"):
        shutil.copyfile(source, target)
        return
    with source.open("rb") as read, target.open("wb") as written:
        left = os.fstat(read.fileno()).st_size
        try:
            while left > 0 and (copied := os.copy_file_range(read.fileno(), written.fileno(), left)):
                left -= copied
        except OSError as error:  # between some filesystems, and in some containers, the kernel does not
            if error.errno not in (errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM):
                raise
        if left > 0:  # some also end early without a word
            shutil.copyfileobj(read, written)
