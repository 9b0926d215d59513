"""Look for names (ids) in files of any kind: their bytes, and inside gzip, Parquet and DuckDB."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.warehouse import literal, quoted

CHUNK_BYTES = 1 << 24
_SEARCHED_KINDS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_integer)
LEAST_SEARCHABLE = 6
"""Shorter ids ("42") are in every file as something else: they are only looked for in columns of ids."""


@dataclass(frozen=True)
class Names:
    """Ids to look for, each as a word of its own: ``user-1`` is not found in ``user-12``."""

    ids: tuple[str, ...]

    @property
    def searched(self) -> tuple[str, ...]:
        return tuple(each for each in self.ids if len(each) >= LEAST_SEARCHABLE)

    @property
    def too_short(self) -> tuple[str, ...]:
        return tuple(each for each in self.ids if len(each) < LEAST_SEARCHABLE)

    def pattern(self) -> re.Pattern[bytes] | None:
        return _pattern(self.searched) if self.searched else None

    def redacted(self, text: bytes) -> bytes:
        """``text`` with every one of the ids replaced."""
        pattern = self.pattern()
        return text if pattern is None else pattern.sub(b"(forgotten)", text)

    def found(self, text: bytes) -> int:
        """How often ``text`` holds one of the ids."""
        pattern = self.pattern()
        # plain texts are found much faster than a pattern, and most of what is searched holds none
        if pattern is None or not any(form in text for form in _all_bytes(self.searched)):
            return 0
        return len(pattern.findall(text))

    def engine_pattern(self) -> str | None:
        """The same for DuckDB's regexp_replace, whose groups 1 and 3 are what stands around an id."""
        return _engine_pattern(self.searched) if self.searched else None

    def engine_forms(self) -> tuple[str, ...]:
        """What stands literally in every text that ``engine_pattern`` finds something in."""
        return _all_forms(self.searched)


def _forms(name: str) -> tuple[str, ...]:
    """An id as it is, and as JSON writes it."""
    return name, json.dumps(name)[1:-1], json.dumps(name, ensure_ascii=False)[1:-1]


@lru_cache(maxsize=8)
def _all_forms(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        sorted({form for each in names for form in _forms(each)}, key=lambda form: (-len(form), form))
    )


@lru_cache(maxsize=8)
def _all_bytes(names: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(form.encode("utf-8", "surrogatepass") for form in _all_forms(names))


@lru_cache(maxsize=8)
def _pattern(names: tuple[str, ...]) -> re.Pattern[bytes]:
    any_of = b"|".join(re.escape(form) for form in _all_bytes(names))
    return re.compile(b"(?<![0-9A-Za-z_])(?:" + any_of + b")(?![0-9A-Za-z_])")


@lru_cache(maxsize=8)
def _engine_pattern(names: tuple[str, ...]) -> str:
    any_of = "|".join(_engine_escaped(form) for form in _all_forms(names))
    return f"(^|[^0-9A-Za-z_])({any_of})($|[^0-9A-Za-z_])"


def _engine_escaped(text: str) -> str:
    # RE2 takes a backslash before ASCII punctuation only
    return re.sub(r"([!-/:-@\[-^`{-~])", r"\\\1", text)


def found_in(path: Path, names: Names) -> int:
    """How often a file holds one of the names, packed or not: places, of a database rows; 0 where none."""
    if not names.searched:
        return 0
    with path.open("rb") as file:
        magic = file.read(16)
        file.seek(0)
        found = sum(names.found(chunk) for chunk in _pieces(file))
    try:
        if magic[:2] == b"\x1f\x8b":
            with gzip.open(path, "rb") as zipped:
                found += sum(names.found(chunk) for chunk in _pieces(zipped))
        elif magic[:4] == b"PAR1":
            found += sum(names.found(text) for text in _parquet_texts(path))
        elif magic[8:12] == b"DUCK":
            found += _found_in_duckdb(path, names)
    except (OSError, EOFError, zlib.error, pa.ArrowException, duckdb.Error):
        pass  # it is not what it looks like; its bytes have been looked through
    return found


def _pieces(file: Any) -> Iterator[bytes]:
    """The bytes of a file in pieces that end at a line, or overlap where there is none."""
    rest = b""
    while chunk := file.read(CHUNK_BYTES):
        body = rest + chunk
        cut = body.rfind(b"\n") + 1 or max(len(body) - 4096, 0)
        yield body[:cut] if body[cut - 1 : cut] == b"\n" else body
        rest = body[cut:]
    if rest:
        yield rest


def _parquet_texts(path: Path) -> Iterator[bytes]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=131_072):
            for column in batch.columns:
                for leaf in _leaves(column):
                    yield _joined(leaf)


def _leaves(array: pa.Array) -> Iterator[pa.Array]:
    """The texts and whole numbers in a column of any nesting."""
    kind = array.type
    if pa.types.is_dictionary(kind):
        yield from _leaves(array.dictionary)
    elif pa.types.is_struct(kind):
        for each in array.flatten():
            yield from _leaves(each)
    elif pa.types.is_map(kind):
        yield from _leaves(array.keys)
        yield from _leaves(array.items)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _leaves(array.flatten())
    elif any(is_kind(kind) for is_kind in _SEARCHED_KINDS):
        yield array


def _joined(texts: pa.Array) -> bytes:
    kept = pc.unique(texts.drop_null())
    if pa.types.is_integer(kept.type):
        kept = kept.cast(pa.string())
    between = pa.scalar(b"\n", pa.binary()).cast(kept.type)
    rows = pa.ListArray.from_arrays([0, len(kept)], kept)
    joined: bytes = pc.binary_join(rows, between)[0].as_buffer().to_pybytes()
    return joined


def _found_in_duckdb(path: Path, names: Names) -> int:
    with duckdb.connect() as connection:
        connection.execute(f"attach {literal(path)} as searched (read_only)")
        found = 0
        columns: dict[str, list[str]] = {}
        for schema, table, column in connection.execute(
            "select schema_name, table_name, column_name from duckdb_columns() "
            "where database_name = 'searched' and not internal "
            "and data_type not in ('DOUBLE', 'BOOLEAN', 'DATE', 'TIMESTAMP')"
        ).fetchall():
            columns.setdefault(f"searched.{quoted(schema)}.{quoted(table)}", []).append(column)
        for target, searched in columns.items():
            with suppress(duckdb.Error):  # a view on what only the program's own connection has holds nothing
                query = f"select count(*) from {target} where {_named_in(searched, names)}"
                found += connection.execute(query).fetchall()[0][0]
        return found


def _named_in(columns: Iterable[str], names: Names) -> str:
    """Whether a row names one of them, as SQL; plain texts are compared much faster than a pattern."""
    said = ", ".join(f"{quoted(each)}::varchar" for each in columns)
    text = f"concat_ws(chr(10), {said})"
    holds = " or ".join(f"contains({text}, {literal(form)})" for form in names.engine_forms())
    pattern = literal(names.engine_pattern() or "")
    return f"case when {holds or 'false'} then regexp_matches({text}, {pattern}) else false end"


def files_below(root: Path, without: Collection[Path] = ()) -> Iterable[Path]:
    """Every file of a folder, links not followed."""
    return (
        path
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink() and path not in without
    )
