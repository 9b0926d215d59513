"""Take a person out of the files of a workspace that are not the lake: tables, exports, reports, logs.

Each file is written anew beside the old one and swapped in: a crash leaves one or the other.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from connectors.durable_files import sync_file
from pipelines.name_search import Names, found_in
from pipelines.person import Person
from pipelines.publishing import publish
from pipelines.warehouse import literal, quoted

_ROW_IDS = {"user_key", "user_id", "device_id", "hotjar_user_id"}


def forget_in_published(path: Path, person: Person, names: Names) -> None:
    """Write a published file, or one exported from it, anew without the person's rows.

    Its counts stay until a build makes them anew: they name nobody. What else mentions the person is
    redacted: findings, notes, marks, and what the events of others say of them.
    """
    with duckdb.connect() as connection:
        connection.execute(f"attach {literal(path)} as old (read_only)")
        connection.execute("create schema marts")
        columns: dict[str, dict[str, str]] = {}
        for table, column, kind in connection.execute(
            "select table_name, column_name, data_type from duckdb_columns() "
            "where database_name = 'old' and schema_name = 'marts' order by table_name, column_index"
        ).fetchall():
            columns.setdefault(table, {})[column] = kind
        for table, kinds in columns.items():
            kept = ", ".join(
                f"{redacted_sql(names, column, kind)} as {quoted(column)}" for column, kind in kinds.items()
            )
            where = f" where not ({_theirs(kinds, person)})" if _ROW_IDS & kinds.keys() else ""
            connection.execute(
                f"create view marts.{quoted(table)} as select {kept} from old.marts.{quoted(table)}{where}"
            )
        mode = path.stat().st_mode
        publish(connection, path)
        path.chmod(mode)


def redacted_sql(names: Names, column: str, kind: str) -> str:
    """A text column without the names, as SQL; other columns as they are."""
    pattern = names.engine_pattern()
    if pattern is None or kind not in ("VARCHAR", "JSON"):
        return quoted(column)
    replaced = f"regexp_replace({quoted(column)}::varchar, {literal(pattern)}, '\\1(forgotten)\\3', 'g')"
    # names side by side share what stands between them: the second is met the second time
    twice = f"regexp_replace({replaced}, {literal(pattern)}, '\\1(forgotten)\\3', 'g')"
    # most rows name nobody: plain texts are compared much faster than a pattern
    holds = " or ".join(
        f"contains({quoted(column)}::varchar, {literal(form)})" for form in names.engine_forms()
    )
    return f"case when {holds} then {twice}::{kind} else {quoted(column)} end"


def _theirs(columns: Collection[str], person: Person) -> str:
    """Whether a row of a published table is the person's; a row of somebody else on their device is not."""
    said = []
    if "user_key" in columns:
        said.append(_one_of("user_key", person.user_keys))
    if "user_id" in columns:
        said.append(_one_of("user_id", person.user_ids))
    for column in {"device_id", "hotjar_user_id"} & set(columns):
        owned = [
            f"(source = {literal(source)} and {column} = {literal(device)})"
            for source, device in person.devices
        ]
        if owned and "source" in columns:
            said.append(f"coalesce({' or '.join(owned)}, false)")
    return " or ".join(said) or "false"


def _one_of(column: str, values: tuple[str, ...]) -> str:
    if not values:
        return "false"
    return f"coalesce({column} in ({', '.join(literal(each) for each in values)}), false)"


def forget_in_file(path: Path, person: Person, names: Names) -> bool:
    """Take the person out of an export, a report or a log; False where the file does not name them.

    What is neither one of our tables nor text is left as it is: the search at the end tells of it.
    """
    if not found_in(path, names):
        return False
    with path.open("rb") as file:
        magic = file.read(16)
    if magic[8:12] == b"DUCK":
        forget_in_published(path, person, names)
        return True
    if magic[:4] == b"PAR1":
        return _forget_in_parquet(path, person, names)
    body = path.read_bytes()
    if b"\0" in body or magic[:2] == b"\x1f\x8b":
        return False
    _swap_in(path, names.redacted(body))
    return True


def _forget_in_parquet(path: Path, person: Person, names: Names) -> bool:
    table = pq.read_table(path)
    if not _ROW_IDS & set(table.column_names):
        return False
    with duckdb.connect() as connection:
        connection.register("given", table)
        kept = ", ".join(
            f"{redacted_sql(names, column, kind)} as {quoted(column)}"
            for column, kind, *_ in connection.execute("describe given").fetchall()
        )
        query = f"select {kept} from given where not ({_theirs(table.column_names, person)})"
        result = connection.sql(query).to_arrow_table().cast(table.schema)
    sink = pa.BufferOutputStream()
    pq.write_table(result, sink, compression="zstd")
    _swap_in(path, sink.getvalue().to_pybytes())
    return True


def _swap_in(path: Path, body: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    part.write_bytes(body)
    part.chmod(path.stat().st_mode)
    sync_file(part)
    os.replace(part, path)
