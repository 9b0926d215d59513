"""When memory or disk runs out: which of them, what to do, and what was published is as it was."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from conftest import CRM_CONFIG, CRM_HEADER, Painpoints, crm_lines, make_workspace

from pipelines.engine_limits import machine_memory_bytes, memory_limit
from pipelines.engine_settings import EngineSettings
from pipelines.exhausted import MachineExhausted, query_failed
from pipelines.warehouse import open_warehouse
from pipelines.workspace import open_workspace

# more than fits in the memory given below, and does not shrink when it is packed
WIDE_TABLE = (
    "create temp table wide as select md5(range::varchar) || md5((-range)::varchar) as t from range({})"
)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.slow
def test_too_little_memory_is_told_with_its_key_and_more_of_it_goes_on(
    tmp_path: Path, painpoints: Painpoints
) -> None:
    folder = make_workspace(tmp_path / "shop")
    config = folder / "painpoints.toml"
    assert painpoints("run", "--workspace", folder).code == 0
    before = digest(folder / "painpoints.duckdb")
    (folder / "exports" / "crm-more.csv").write_text(
        f"{CRM_HEADER}\n2026-03-14 10:00:00,visit,late,mobile,\n", "utf-8"
    )
    config.write_text(CRM_CONFIG + '[engine]\nthreads = 2\nmemory_limit = "3MB"\n', "utf-8")
    done = painpoints("run", "--workspace", folder)
    assert done.code == 1
    assert "memory is used up" in done.err
    assert "memory_limit in [engine]" in done.err
    assert "SET " not in done.err, "advice for another program's shell"
    assert digest(folder / "painpoints.duckdb") == before
    config.write_text(CRM_CONFIG, "utf-8")
    assert painpoints("run", "--workspace", folder).code == 0
    assert digest(folder / "painpoints.duckdb") != before
    assert not list(folder.glob("*.part"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = shutil.which("mount") and os.geteuid() == 0
    if not mounted or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", place]).returncode:
        pytest.skip("a small disk can be mounted by root only")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


# left free: nothing for what lands; enough for that, and not for the tables
@pytest.mark.slow
@pytest.mark.parametrize("free_kib", [0, 3000])
def test_a_full_disk_is_told_and_room_on_it_goes_on(
    small_disk: Path, painpoints: Painpoints, free_kib: int
) -> None:
    folder = make_workspace(small_disk / "shop")
    assert painpoints("run", "--workspace", folder).code == 0
    before = digest(folder / "painpoints.duckdb")
    (folder / "warehouse.duckdb").unlink()  # it is made anew, and needs room
    more = [each.replace("2026-03", "2026-04") for each in crm_lines()]
    (folder / "exports" / "crm-more.csv").write_text(
        "\n".join(["when,what,who,device,amount", *more]), "utf-8"
    )
    filler = small_disk / "filler"
    room = shutil.disk_usage(small_disk).free - free_kib * 1024
    filler.write_bytes(b"\0" * room)
    done = painpoints("run", "--workspace", folder)
    assert done.code == 1
    assert f"{folder}" in done.err
    assert "the disk is full. Make room there and run again" in done.err
    assert "Delete" not in done.err, "nothing is wrong with what landed"
    assert digest(folder / "painpoints.duckdb") == before
    assert not list(folder.glob("*.part"))
    filler.unlink()
    assert painpoints("run", "--workspace", folder).code == 0
    assert digest(folder / "painpoints.duckdb") != before


def test_what_does_not_fit_in_memory_goes_where_the_config_says(tmp_path: Path) -> None:
    folder = make_workspace(
        tmp_path / "shop", config=CRM_CONFIG + '[engine]\nmemory_limit = "50MB"\ntemp_directory = "spilled"\n'
    )
    engine = open_workspace(folder).settings.engine
    with open_warehouse(None, engine) as db:
        db.execute(WIDE_TABLE.format(1_500_000))
        spilled = [path for path in (folder / "spilled").rglob("*") if path.is_file()]
        own = {path.relative_to(folder / "spilled").parts[0] for path in spilled}
        assert [each[:11] for each in own] == ["painpoints-"], "other workspaces use it too"
        assert sum(path.stat().st_size for path in spilled) > 10_000_000
    assert list((folder / "spilled").iterdir()) == []


def test_more_than_may_be_spilled_is_told_with_its_key(tmp_path: Path) -> None:
    engine = EngineSettings(memory_limit="50MB", temp_directory=tmp_path / "spilled", temp_limit="10MB")
    with (
        pytest.raises(MachineExhausted, match=r"temp_limit in \[engine\].*temp_directory"),
        open_warehouse(None, engine) as db,
    ):
        db.execute(WIDE_TABLE.format(3_000_000))


def test_what_a_killed_run_has_spilled_goes_with_the_next(tmp_path: Path, painpoints: Painpoints) -> None:
    folder = make_workspace(tmp_path / "shop")
    left = folder / ".spill" / "spill-dead"
    left.mkdir(parents=True)
    (left / "duckdb_temp_storage-0.tmp").write_bytes(b"\0" * 1000)
    assert painpoints("run", "--workspace", folder).code == 0
    assert not (folder / ".spill").exists()


@pytest.mark.parametrize("key", ["memory_limit", "temp_limit"])
def test_an_amount_without_a_unit_is_named_by_line(tmp_path: Path, painpoints: Painpoints, key: str) -> None:
    folder = make_workspace(tmp_path / "shop", config=CRM_CONFIG + f'[engine]\n{key} = "8"\n')
    done = painpoints("run", "--workspace", folder)
    assert done.code == 1
    assert f"painpoints.toml, line {len(CRM_CONFIG.splitlines()) + 2}" in done.err
    assert key in done.err
    assert "8GB" in done.err


@pytest.mark.parametrize(
    ("file", "text"),
    [("memory.max", "500000000\n"), ("memory/memory.limit_in_bytes", "500000000\n")],
)
def test_a_container_s_limit_is_the_machine_s_memory(tmp_path: Path, file: str, text: str) -> None:
    assert machine_memory_bytes(tmp_path) > 500_000_000
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text, "ascii")
    assert machine_memory_bytes(tmp_path) == 500_000_000
    (tmp_path / file).write_text("max\n", "ascii")
    assert machine_memory_bytes(tmp_path) > 500_000_000


def test_those_who_work_side_by_side_share_the_memory() -> None:
    assert memory_limit(EngineSettings(memory_limit="8GB"), workers=2) == "4.000GB"
    own, shared = (memory_limit(EngineSettings(), workers=n) for n in (1, 4))
    assert int(own.removesuffix("MiB")) // 4 == pytest.approx(int(shared.removesuffix("MiB")), abs=1)


def test_an_error_inside_the_engine_is_told_in_a_line_without_its_addresses() -> None:
    error = duckdb.InternalException("INTERNAL Error: a dictionary changed\n\nStack Trace:\n\nx.so+0x4b")
    told = str(query_failed(error, "sql/intermediate/paths.sql"))
    assert told.startswith("sql/intermediate/paths.sql: an error inside DuckDB")
    assert "INTERNAL Error: a dictionary changed. Run again with" in told
    assert "0x4b" not in told
    assert "What was published before is as it was" in told
