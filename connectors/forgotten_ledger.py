"""Who was forgotten, as keyed hashes: enough to know them again in what a vendor sends, never their ids.

``lake/_forgotten.json`` holds a random key and HMAC-SHA256 values of ids. Whoever has the file can check
whether an id they already know is in it; nobody can read an id out of it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from connectors.durable_files import sync_file
from connectors.errors import LakeDamaged

LEDGER = "_forgotten.json"
REMEMBERED_ANSWERS = 200_000

USER, DEVICE, SESSION, PARTLY, REFUSED = "user", "device", "session", "partly", "refused"

Entry = tuple[str, ...]
"""(USER, id), (DEVICE, source, id), (SESSION, source, its device or user, the vendor's session id),
(PARTLY, source, id): a device of others too, of which single sessions were forgotten, or (REFUSED, id): a
user id that names nobody, as strangers share it."""


@dataclass(frozen=True)
class Ledger:
    """The hashes of all entries; ``is_swept`` once nothing that landed before holds any of them."""

    key: bytes
    hashes: frozenset[str] = frozenset()
    is_swept: bool = True
    _answers: dict[Entry, bool] = field(default_factory=dict, compare=False, repr=False)

    def holds(self, *entry: str) -> bool:
        """Whether ``entry`` was forgotten."""
        if not self.hashes:
            return False
        answer = self._answers.get(entry)
        if answer is None:
            if len(self._answers) >= REMEMBERED_ANSWERS:
                self._answers.clear()
            answer = self._answers[entry] = self._hash(entry) in self.hashes
        return answer

    def with_entries(self, entries: Iterable[Entry]) -> Ledger:
        """The ledger with further entries, which are then still to be swept."""
        hashes = self.hashes | {self._hash(entry) for entry in entries}
        return Ledger(self.key, hashes, self.is_swept and hashes == self.hashes)

    def swept(self) -> Ledger:
        return replace(self, is_swept=True)

    def _hash(self, entry: Entry) -> str:
        # lengths keep ("a", "bc") and ("ab", "c") apart
        text = "".join(f"{len(part)}:{part}" for part in entry).encode("utf-8", "surrogatepass")
        return hmac.new(self.key, text, hashlib.sha256).hexdigest()[:40]


def read_ledger(lake: Path) -> Ledger:
    """The ledger of a lake, an empty one where nobody was forgotten. Raises LakeDamaged."""
    path = lake / LEDGER
    try:
        body = json.loads(path.read_text("utf-8"))
        return Ledger(bytes.fromhex(body["key"]), frozenset(body["hashes"]), bool(body["is_swept"]))
    except FileNotFoundError:
        return Ledger(secrets.token_bytes(32))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LakeDamaged(
            f"the ledger of forgotten people cannot be read ({error})",
            where=path,
            remedy="Bring it back from a backup: without it they would come back with the next pull",
        ) from error


def write_ledger(lake: Path, ledger: Ledger) -> None:
    """Put the ledger in its place, whole or not at all, for its owner's eyes only."""
    path = lake / LEDGER
    part = path.with_name(path.name + ".part")
    lake.mkdir(parents=True, exist_ok=True)
    body = {"key": ledger.key.hex(), "is_swept": ledger.is_swept, "hashes": sorted(ledger.hashes)}
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        json.dump(body, file, indent=1)
    sync_file(part)
    os.replace(part, path)
