# ruff: noqa: E501 - queries
"""A build on a real Spark cluster: a master and two workers on this machine, of which one dies in between."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import Painpoints
from same_tables import differences
from spark_cluster import SparkCluster, spark_cluster
from spark_world import vendor_reports, write_world

from pipelines import staging, steps
from pipelines.engine_settings import EngineSettings
from pipelines.errors import SparkFailed, SqlFailed
from pipelines.spark_dialect import to_spark
from pipelines.spark_session import spark_session
from pipelines.spark_settings import SparkSettings
from pipelines.warehouse import open_warehouse
from pipelines.workspace import open_workspace

MISSING = [
    what
    for what, there in (
        ("Java (a JRE of version 17 or newer)", shutil.which("java")),
        ("pyspark (the extra [spark])", importlib.util.find_spec("pyspark")),
    )
    if not there
]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    with spark_cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory, cluster: SparkCluster) -> tuple[Path, Path]:
    """One world built by DuckDB, and by Spark while it loses a worker: the folders of the workspaces."""
    here, there = (tmp_path_factory.mktemp("both") / name for name in ("duckdb", "spark"))
    here.mkdir()
    write_world(here)
    told: list[str] = []

    def kill_in_the_middle(said: str) -> None:
        told.append(said)
        if said.startswith("Spark: 45 of "):
            cluster.kill_worker(1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staging, "gather_reports", vendor_reports)
        workspace = open_workspace(here)
        with workspace.locked():
            steps.pull(workspace)
            steps.build(workspace)
        shutil.copytree(here, there)
        (there / "painpoints.duckdb").write_text("of yesterday")
        (there / "warehouse.duckdb").unlink()
        steps.build(open_workspace(there), kill_in_the_middle, engine=cluster.url)
    assert any(re.match(r"Spark: (\d+) of \1 ", each) for each in told), told
    assert cluster.workers[1].poll() is not None
    return here, there


def test_every_mart_is_the_one_duckdb_makes_though_a_worker_dies(both: tuple[Path, Path]) -> None:
    here, there = both
    # runs tell when they were
    assert differences(here / "painpoints.duckdb", there / "painpoints.duckdb", but=("marts.runs",)) == []
    with duckdb.connect(str(there / "painpoints.duckdb"), read_only=True) as connection:
        for mart in ("attempts", "stage_funnel", "reconciliation", "vendor_funnels", "page_feedback"):
            assert connection.execute(f"select count(*) from marts.{mart}").fetchall()[0][0] > 0, mart


def test_what_stands_behind_the_marts_is_the_same_too(both: tuple[Path, Path]) -> None:
    here, there = both
    found = differences(here / "warehouse.duckdb", there / "warehouse.duckdb", ("intermediate",))
    # Spark keeps moments as structs, which nobody asks for in DuckDB
    assert found == [
        f"intermediate.{each} is in one file only" for each in ("session_moments", "session_stages")
    ]


def test_events_lie_by_day_and_by_hashed_user(both: tuple[Path, Path]) -> None:
    files = list(
        (both[1] / "lake" / "_spark").glob("*/intermediate.keyed_events/user_part=*/event_day=*/*.parquet")
    )
    assert len({path.parent.name for path in files}) >= 30


def test_detection_and_the_report_go_on_from_there(both: tuple[Path, Path], painpoints: Painpoints) -> None:
    here, there = both
    for root in both:
        for command in ("detect", "report"):
            ended = painpoints(command, "--workspace", root)
            assert ended.code == 0, ended.err
    # evidence has floats in its text
    unlike = ("marts.runs", "marts.pain_points.evidence", "marts.pain_point_history.evidence")
    assert differences(here / "painpoints.duckdb", there / "painpoints.duckdb", but=unlike) == []
    with duckdb.connect(str(there / "painpoints.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from marts.pain_points").fetchall()[0][0] > 0
    assert (there / "reports" / "journey-map.html").exists()


@pytest.fixture
def yesterday(both: tuple[Path, Path], tmp_path: Path) -> Path:
    """A workspace that Spark built, with its published file, to go wrong in."""
    return Path(shutil.copytree(both[1], tmp_path / "shop"))


def test_duckdb_builds_again_what_spark_built(yesterday: Path, both: tuple[Path, Path]) -> None:
    steps.build(open_workspace(yesterday))
    here = both[0] / "warehouse.duckdb"
    reports = (
        "marts.vendor_funnels",
        "marts.reconciliation",
        "marts.tracking_health",
    )  # not given to this build
    found = differences(
        here, yesterday / "warehouse.duckdb", ("intermediate", "marts"), (*reports, "marts.runs")
    )
    assert [
        each for each in found if not each.startswith(("marts.pain", "marts.placebo", "marts.notes"))
    ] == []
    assert not (yesterday / "lake" / "_spark").exists()


def set_engine(root: Path, line: str) -> None:
    config = root / "painpoints.toml"
    text = config.read_text("utf-8").replace("[engine.spark]\nwait_seconds = 120", f"[engine.spark]\n{line}")
    config.write_text(text, "utf-8")


def test_workers_that_do_not_see_the_folder_stop_it_before_anything_changes(
    yesterday: Path, cluster: SparkCluster
) -> None:
    files = [yesterday / "painpoints.duckdb", yesterday / "warehouse.duckdb"]
    before = [path.read_bytes() for path in files]
    set_engine(yesterday, 'workspace = "file:///nowhere"')
    with pytest.raises(
        SparkFailed, match="do not share this folder; they look for it at file:///nowhere/lake"
    ):
        steps.build(open_workspace(yesterday), engine=cluster.url)
    assert [path.read_bytes() for path in files] == before


def test_workers_too_small_for_what_is_asked_are_told_in_time(yesterday: Path, cluster: SparkCluster) -> None:
    set_engine(yesterday, "wait_seconds = 3")
    config = yesterday / "painpoints.toml"
    config.write_text(config.read_text("utf-8").replace('"640m"', '"640g"'), "utf-8")
    with pytest.raises(SparkFailed, match=r"no worker did a task within 3 s.*spark\.executor\.memory"):
        steps.build(open_workspace(yesterday), engine=cluster.url)


def test_a_damaged_day_stops_the_build_and_yesterdays_file_stays(
    yesterday: Path, cluster: SparkCluster
) -> None:
    before = (yesterday / "painpoints.duckdb").read_bytes()
    kept = sorted((yesterday / "lake" / "_spark").iterdir())
    path = max(
        (yesterday / "lake" / "_staged" / "ga4").glob("*.parquet"), key=lambda each: each.stat().st_size
    )
    content = bytearray(path.read_bytes())
    content[100 : len(content) // 2] = bytes(len(content) // 2 - 100)
    path.write_bytes(content)
    with pytest.raises(SqlFailed, match=r"\.sql: Spark: .*What was published before is intact"):
        steps.build(open_workspace(yesterday), engine=cluster.url)
    assert (yesterday / "painpoints.duckdb").read_bytes() == before
    assert sorted((yesterday / "lake" / "_spark").iterdir()) == kept


SAME = [
    "select key_of('a|b'), key_of(''), key_text(255), key_number('0000000000000ff'), key_of(null)",
    "select key_text(0), key_text(1152921504606846975), key_text(null)",
    "select moment(1700000000000001), moment(null)",
    # the hours around both changes of the clock, and a zone with half an hour
    "select local_day(us::bigint * 1000000, zone) from (values (1711846799), (1711846800), (1729990799), (1729990800), "
    "(1711823400), (0)) as u (us) cross join (values ('Europe/Madrid'), ('America/New_York'), ('Asia/Kolkata'), "
    "('Pacific/Auckland'), ('UTC')) as z (zone) order by 1, us, zone",
    "select zone_offset_us(us::bigint * 1000000, zone), local_day_at(us::bigint * 1000000, null, zone), "
    "local_day_at(us::bigint * 1000000, 3600000000, zone), local_day_at(null::bigint, null::bigint, zone) from (values (1711846799), "
    "(1711846800), (1711839600), (1711839599), (0)) as u (us) cross join (values ('Europe/Madrid'), "
    "('America/New_York'), ('Asia/Kolkata')) as z (zone) order by us, zone",
    "select utc_of_wall(us::bigint * 1000000, 'Europe/Madrid') from (values (1711846799), (1729900000)) as u (us)",
    "select is_device_id(id), real_id(id) from (values ('$device:1'), ('0f9a3c-1234567890ab'), ('anna'), (' x '), "
    "('NULL'), ('(not set)'), (''), (null)) as t (id)",
    "select money_of(cell) from (values ('7'), ('7.25'), (' 3 '), ('1e3'), ('-0'), ('7d'), ('7f'), ('x'), ('nan'), "
    "('inf'), ('1e999'), (''), (null)) as t (cell)",
    "select try_cast(cell as integer), try_cast(cell as double) from (values ('7'), ('6.5'), ('-6.5'), ('1e1'), "
    "('7d'), (' 8 '), ('x'), ('99999999999'), (null)) as t (cell)",
    """select property(p, 'a'), property(p, 'b.c'), property(p, 'it''s ~/'), property(p, 'none') from (values
    ('{"a": "x", "b.c": 1, "it''s ~/": true}'), ('{"a": null, "b.c": 1.50, "it''s ~/": "ü \\u00fc"}'), (null),
    ('{"a": 12345678901234567890, "b.c": 1e5}')) as t (p)""",
    "select median(x) over (order by x rows between 3 preceding and 1 preceding), count(*) filter (where x > 1) "
    "over (order by x rows between 1 preceding and current row) from (values (1), (2), (5), (null)) as t (x) order by x",
    "select g, arg_min(a, b), arg_max(a, b), arg_min(a, (b, a)), median(b), string_agg(a, '>' order by b) from "
    "(values (1, 'x', 3), (1, null, 1), (1, 'y', 2), (2, null, 1)) as t (g, a, b) group by g order by g",
    "select 7 / 2, 7 // 2, 1 / 3, 0.1 * 3 <= 0.3, round(2.5)::bigint, round(100.0 * 2 / 3)::integer, 5 % 3",
    "select x[1], x[3], x[9], x[-1], x[2:3], len(x), array_to_string(x, ',') from (select [4, 5, 6] as x)",
    "select date_diff('day', date '2024-02-28', date '2024-03-01'), date '2024-03-01' - 1, 'on ' || date '2024-03-01'",
    "select least(2, null), greatest(1.0, 2), 'a' is not distinct from null, lower('ÀÉ'), trim('  a b '), "
    "'x' || 5, concat_ws('|', 'a', null, 5), starts_with('abc', 'ab'), ends_with('abc', 'bc'), left('abc', 2), "
    "regexp_matches('my-bot/1', 'bot([^a-z]|$)'), replace('a b', ' ', '_'), 'a_%' like 'a\\_\\%' escape '\\'",
    "select a, b from (select unnest([1, 2]) as a, unnest(['x', 'y']) as b) as t order by a",
    "with m as (select list_sort(list(moment_of(us, 0, class, us > 2, us > 3))) as m from (values (1, 4), (2, 4), "
    "(3, 0), (90, 5), (91, 6)) as t (us, class)), s as (select m, starts_after_gaps(m, 10) as s, "
    "starts_of_runs(m) as r from m) select s, r, times_of_moments(first_of_parts(m, r)), "
    "times_of_moments(last_of_parts(m, r)), lengths_of_parts(m, r), stages_of_moments(moments_in_stages(m)), "
    "times_of_moments(moments_with_page(m)), times_of_moments(moments_with_traffic(m)), moments_until(m, 3), "
    "moments_until(m, null), stages_of_moments(moments_in_journey(m, 2, 3)), len(cut_at(m, s)), "
    "place_in(stages_of_moments(m), 5), place_in(stages_of_moments(m), 7), "
    "place_from(stages_of_moments(m), 3, 4), place_from(stages_of_moments(m), 2, 4) from s",
    "select items_after(x, 1), len(items_after(x, 3)), runs_of(x, 4), runs_of(x, 9), lowest_of(x), "
    "lowest_of(items_after(x, 3)), highest_among(x, [4, 5]), highest_among(x, [9]) from (select [4, 5, 4] as x)",
    "select is_any_in_journey(m, 1, 3), is_any_in_journey(m, 3, 3) from (select list_sort(list(moment_of(us, 0, "
    "class, false, false))) as m from (values (1, 2), (2, 0)) as t (us, class))",
    "select stages_of_steps(x), times_of_steps(x), number_in(place_of(3, 77)) from (select list_sort(list(step_of(v, s, "
    "us))) as x from (values (2, 5, 9), (1, 6, 10)) as t (v, s, us))",
]


def plain(value: Any) -> Any:
    """Rows of either engine in the same words: Spark says Row, DuckDB Decimal."""
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return float(value) if type(value).__name__ == "Decimal" else value


def test_functions_and_rules_say_the_same_on_both_engines() -> None:
    conf = {"spark.driver.host": "127.0.0.1", "spark.sql.shuffle.partitions": "1"}
    settings = SparkSettings(conf=conf | {"spark.sql.codegen.wholeStage": "false"})
    with (
        open_warehouse(None, EngineSettings(threads=1)) as duck,
        spark_session("local[1]", settings) as spark,
    ):
        for query in SAME:
            wanted = plain(duck.execute(query).fetchall())
            assert plain([tuple(row) for row in spark.sql(to_spark(query)).collect()]) == wanted, query
