"""Look for names (ids) in files of any kind: their bytes, and inside gzip, Parquet and DuckDB."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.warehouse import literal, quoted

CHUNK_BYTES = 1 << 24
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
        forms = sorted({form for each in self.searched for form in _forms(each)}, key=len, reverse=True)
        if not forms:
            return None
        any_of = b"|".join(re.escape(form.encode("utf-8", "surrogatepass")) for form in forms)
        return re.compile(b"(?<![0-9A-Za-z_])(?:" + any_of + b")(?![0-9A-Za-z_])")

    def redacted(self, text: bytes) -> bytes:
        """``text`` with every one of the ids replaced."""
        pattern = self.pattern()
        return text if pattern is None else pattern.sub(b"(forgotten)", text)

    def engine_pattern(self) -> str | None:
        """The same for DuckDB's regexp_replace, whose groups 1 and 3 are what stands around an id."""
        if not self.searched:
            return None
        forms = sorted({form for each in self.searched for form in _forms(each)}, key=len, reverse=True)
        any_of = "|".join(_engine_escaped(form) for form in forms)
        return f"(^|[^0-9A-Za-z_])({any_of})($|[^0-9A-Za-z_])"


def _forms(name: str) -> tuple[str, ...]:
    """An id as it is, and as JSON writes it."""
    return name, json.dumps(name)[1:-1], json.dumps(name, ensure_ascii=False)[1:-1]


def _engine_escaped(text: str) -> str:
    # RE2 takes a backslash before ASCII punctuation only
    return re.sub(r"([!-/:-@\[-^`{-~])", r"\\\1", text)


def found_in(path: Path, names: Names) -> int:
    """How often a file holds one of the names, packed or not; counts of places, not of rows."""
    pattern = names.pattern()
    if pattern is None:
        return 0
    with path.open("rb") as file:
        magic = file.read(16)
        file.seek(0)
        found = sum(len(pattern.findall(chunk)) for chunk in _pieces(file))
    try:
        if magic[:2] == b"\x1f\x8b":
            with gzip.open(path, "rb") as zipped:
                found += sum(len(pattern.findall(chunk)) for chunk in _pieces(zipped))
        elif magic[:4] == b"PAR1":
            found += sum(len(pattern.findall(text)) for text in _parquet_texts(path))
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
    """The texts in a column of any nesting."""
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
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        yield array
    elif pa.types.is_integer(kind):
        yield array.cast(pa.string())


def _joined(texts: pa.Array) -> bytes:
    kept = pc.unique(texts.drop_null())
    return b"\n".join(
        each if isinstance(each, bytes) else each.encode("utf-8", "surrogatepass")
        for each in kept.to_pylist()
    )


def _found_in_duckdb(path: Path, names: Names) -> int:
    with duckdb.connect() as connection:
        connection.execute(f"attach {literal(path)} as searched (read_only)")
        found = 0
        for schema, table, column in connection.execute(
            "select schema_name, table_name, column_name from duckdb_columns() "
            "where database_name = 'searched' and not internal "
            "and data_type not in ('DOUBLE', 'BOOLEAN', 'DATE', 'TIMESTAMP')"
        ).fetchall():
            target = f"searched.{quoted(schema)}.{quoted(table)}"
            query = (
                f"select count(*) from {target} where regexp_matches({quoted(column)}::varchar, "
                f"{literal(names.engine_pattern() or '')})"
            )
            try:
                found += connection.execute(query).fetchall()[0][0]
            except duckdb.Error:
                continue  # a view on what only the program's own connection has: it holds nothing itself
        return found


def files_below(root: Path, without: Collection[Path] = ()) -> Iterable[Path]:
    """Every file of a folder, links not followed."""
    return (
        path
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink() and path not in without
    )
