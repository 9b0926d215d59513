"""What happens when the input is wrong: a clear error with its place, and nothing loaded is lost."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import SHOP_JOURNEY, Painpoints, crm_lines, make_workspace, run_steps

from connectors.errors import SourceError
from models.journey_file import JourneyError, parse_journey
from pipelines import steps
from pipelines.errors import CheckFailed, PainpointsError
from pipelines.settings import read_settings
from pipelines.workspace import open_workspace


def digests(folder: Path) -> dict[str, bytes]:
    """The published file and the landed days, byte by byte."""
    paths = [folder / "painpoints.duckdb", *sorted((folder / "lake").rglob("*.jsonl.gz"))]
    return {str(path): path.read_bytes() for path in paths}


GA4 = '[sources.ga4]\nfiles = "exports/{}"\n'
MIXPANEL = '[sources.mixpanel]\nfiles = "exports/{}"\n'
HOTJAR = '[sources.hotjar]\nrecordings = "exports/{}"\n'

FILES: dict[str, tuple[str, str, bytes, list[str]]] = {
    "empty file": (GA4, "e.parquet", b"", ["e.parquet", "empty"]),
    "no parquet at all": (GA4, "f.parquet", b"hello there", ["f.parquet", "no Parquet file"]),
    "parquet cut short": (GA4, "g.parquet", b"PAR1" + b"\0" * 500, ["g.parquet", "damaged or cut short"]),
    "half a line": (
        MIXPANEL,
        "h.jsonl",
        b'{"event": "a", "properties": {"time": 1700000000}}\n{"event": "b", "prop',
        ["h.jsonl", "line 2", "not whole JSON"],
    ),
    "gzip cut short": (
        MIXPANEL,
        "i.jsonl.gz",
        gzip.compress(b'{"event": "a", "properties": {"time": 1700000000}}\n' * 50)[:-12],
        ["i.jsonl.gz", "cut short"],
    ),
    "an array, not lines": (MIXPANEL, "j.jsonl", b'[{"event": "a"}]', ["j.jsonl", "line 1", "JSONL"]),
    "another vendor's lines": (MIXPANEL, "k.jsonl", b'{"name": "a"}\n', ["k.jsonl", "line 1", "event"]),
    "a csv of another layout": (HOTJAR, "l.csv", b"a,b\n1,2\n", ["l.csv", "'Created'", "missing"]),
    "a row with too few fields": (
        HOTJAR,
        "m.csv",
        b"Created,Hotjar User ID,Country,Device,Exit Page URL,Rage Clicks,U-Turns\n2026-01-01,a\n",
        ["m.csv", "line 2", "fewer fields"],
    ),
    "no file": (GA4, "nothing*.parquet", b"", ["sources.ga4.files", "nothing*.parquet", "no file matches"]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_named_and_nothing_loaded_is_lost(published_workspace: Path, name: str) -> None:
    section, file, content, words = FILES[name]
    before = digests(published_workspace)
    if "*" not in file:
        (published_workspace / "exports" / file).write_bytes(content)
    with (published_workspace / "painpoints.toml").open("a") as config:
        config.write(section.format(file))
    with pytest.raises(PainpointsError) as caught:
        steps.pull(open_workspace(published_workspace))
    for word in words:
        assert word in str(caught.value)
    assert digests(published_workspace) == before


def test_a_parquet_without_a_needed_column(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "w", config=GA4.format("*.parquet"))
    table = pa.table({"event_date": ["20260101"], "event_name": ["a"], "event_params": [None]})
    pq.write_table(table, folder / "exports" / "x.parquet")
    with pytest.raises(PainpointsError, match=r"x\.parquet: the column event_timestamp is missing"):
        steps.pull(open_workspace(folder))


def test_a_time_that_is_none_is_named_by_line(tmp_path: Path) -> None:
    folder = make_workspace(tmp_path / "w", lines=["2026-03-01 10:00:00,visit,u,m,", "noon,visit,u,m,"])
    with pytest.raises(PainpointsError, match=r"crm\.csv: line 3: when = 'noon' is no point in time"):
        steps.pull(open_workspace(folder))


def test_a_copied_file_changes_no_count(published_workspace: Path) -> None:
    before = attempts(published_workspace)
    exports = published_workspace / "exports"
    shutil.copy(exports / "crm.csv", exports / "crm (1).csv")
    run_steps(published_workspace).close()
    assert attempts(published_workspace) == before
    with duckdb.connect(str(published_workspace / "painpoints.duckdb"), read_only=True) as db:
        told = db.execute(
            "select count(*) from marts.tracking_health "
            "where check_name = 'duplicates' and status = 'warning'"
        ).fetchall()
    assert told == [(12,)], "every day says that half its rows came twice"


def attempts(folder: Path) -> list[tuple[object, ...]]:
    copy = folder / "copy.duckdb"
    copy.unlink(missing_ok=True)
    shutil.copy(folder / "painpoints.duckdb", copy)
    with duckdb.connect(str(copy), read_only=True) as db:
        return db.execute(
            "select stage, sum(reached), sum(advanced), sum(lost) from marts.stage_funnel "
            "group by stage order by stage"
        ).fetchall()


CONFIGS = {
    "zone": ('timezone = "Europe/Madird"\n[sources.ga4]\nfiles = "x"\n', ["line 1", "timezone", "Madird"]),
    "unknown key": ('[sources.ga4]\nfiles = "x"\nfile = "y"\n', ["line 3", "sources.ga4.file", "unknown"]),
    "unknown kind": ('[sources.web]\nfiles = "x"\n', ["line 1", "sources.web", "'web' is no kind"]),
    "no source": ('timezone = "UTC"\n', ["sources", "at least one source"]),
    "not toml": ("timezone = UTC\n", ["not TOML", "line 1"]),
    "duration": ('[sessions]\ninactivity = "30"\n[sources.ga4]\nfiles="x"\n', ["line 2", "no duration"]),
    "table without time": (
        '[sources.crm]\nkind = "table"\nfiles = "x"\ncolumns = {event_name = "a", user_id = "b"}\n',
        ["sources.crm", "event_at"],
    ),
    "source name": ('[sources."A b"]\nkind = "ga4"\nfiles = "x"\n', ["small letters"]),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_wrong_config_names_file_line_and_key(tmp_path: Path, name: str) -> None:
    text, words = CONFIGS[name]
    path = tmp_path / "painpoints.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(PainpointsError) as caught:
        read_settings(path)
    for word in [str(path), *words]:
        assert word in str(caught.value)


HEAD = "journey: shop\nstages:\n  - name: a\n    match: [{event: a}]\n"
JOURNEYS = {
    "unknown key": (HEAD + "  - name: b\n    mach: [{event: b}]\n", 6, "stages.1.mach", "unknown"),
    "duplicate stage": (HEAD + "  - name: a\n    match: [{event: b}]\n", 5, "stages.1.name", "twice"),
    "one stage": (HEAD, 2, "stages", "two stages"),
    "only optional stages": (
        HEAD + "  - name: b\n    optional: true\n    match: [{event: b}]\n",
        2,
        "stages",
        "two stages",
    ),
    "key twice": ("journey: shop\njourney: other\n", 2, "journey", "twice"),
    "no yaml": ("journey: [\n", 2, "", "not YAML"),
    "a list": ("- a\n", 1, "", "starts with"),
    "share over 1": (HEAD + "    ideal: {conversion: 45}\n", 5, "stages.0.ideal.conversion", "0.45"),
    "unknown field": (HEAD + "  - name: b\n    match: [{evnt: b}]\n", 6, "stages.1.match.0", "no field"),
    "yaml's own truth": (HEAD + "  - name: b\n    match: [{event: no}]\n", 6, "stages.1.match.0", "quotes"),
    "persona's stage": (
        HEAD + "  - {name: b, match: [{event: b}]}\npersonas:\n  p: {where: {device: m}, without: [z]}\n",
        7,
        "personas.p",
        "no stage 'z'",
    ),
    "persona without goal": (
        HEAD + "  - {name: b, match: [{event: b}]}\npersonas:\n  p: {where: {device: m}, without: [b]}\n",
        7,
        "personas.p.without",
        "every persona",
    ),
    "window": ("journey: shop\nwindow: week\nstages: []\n", 2, "window", "no duration"),
}


@pytest.mark.parametrize("name", JOURNEYS)
def test_a_wrong_journey_names_file_line_and_key(name: str) -> None:
    text, line, key, word = JOURNEYS[name]
    with pytest.raises(JourneyError) as caught:
        parse_journey(text, "journeys/shop.yaml")
    assert (caught.value.path, caught.value.line, caught.value.key) == ("journeys/shop.yaml", line, key)
    assert word in caught.value.what


def test_a_stage_that_no_event_matches_stops_before_publishing(published_workspace: Path) -> None:
    before = digests(published_workspace)
    path = published_workspace / "journeys" / "shop.yaml"
    path.write_text(SHOP_JOURNEY.replace("event: cart", "event: carts"), "utf-8")
    with pytest.raises(JourneyError, match=r"shop\.yaml, line 7, stages\.1\.match: .*'cart'.*near: cart"):
        run_steps(published_workspace)
    assert digests(published_workspace) == before


def test_a_failing_check_shows_its_rows_and_publishes_nothing(
    published_workspace: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = digests(published_workspace)
    broken = tmp_path / "sql"
    shutil.copytree(Path(steps.__file__).parent.parent / "sql", broken)
    (broken / "checks" / "nobody_is_called_u0.sql").write_text(
        "-- A check of this test.\nselect user_id, count(*) as events from marts.events"
        " where user_id = 'u0-0' group by user_id\n"
    )
    monkeypatch.setattr("pipelines.sql_models.SQL_FOLDER", broken)
    with pytest.raises(CheckFailed) as caught:
        run_steps(published_workspace)
    assert "nobody is called u0" in str(caught.value)
    assert "('u0-0', 3)" in str(caught.value)
    assert digests(published_workspace) == before


def test_a_damaged_landed_day_is_told_and_heals_by_pulling_again(published_workspace: Path) -> None:
    before = attempts(published_workspace)
    part = next((published_workspace / "lake" / "crm" / "date=2026-03-03").glob("events-*"))
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(SourceError, match="cannot be read"):
        steps.build(open_workspace(published_workspace))
    shutil.rmtree(part.parent)
    (published_workspace / "lake" / "crm" / "files.json").unlink()
    run_steps(published_workspace).close()
    assert attempts(published_workspace) == before


def test_a_read_only_workspace(crm_night: Path, painpoints: Painpoints) -> None:
    """Root may write everywhere, so as root the command runs with the rights of nobody."""
    with TemporaryDirectory(dir=tempfile.gettempdir()) as name:
        top = Path(name)
        folder = shutil.copytree(crm_night, top / "shop")
        before = digests(folder)
        lock = folder / ".painpoints.lock"
        lock.unlink(missing_ok=True)
        top.chmod(0o755)
        folder.chmod(0o555)
        am_root = os.geteuid() == 0
        if am_root:
            os.seteuid(65534)
        try:
            done = painpoints("run", "--workspace", folder)
        finally:
            if am_root:
                os.seteuid(0)
            folder.chmod(0o755)
        assert done.code == 1
        assert f"{lock}: cannot be written" in done.err
        assert digests(folder) == before


def test_a_published_file_that_cannot_be_replaced(
    published_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digests(published_workspace)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipelines.publishing.os.replace", full)
    with pytest.raises(PainpointsError, match=r"painpoints\.duckdb: cannot be written .*No space left"):
        steps.build(open_workspace(published_workspace))
    assert digests(published_workspace) == before


def test_hostile_names_go_through_everything_unharmed(tmp_path: Path, painpoints: Painpoints) -> None:
    names = ["""o'brien "page"; --""", "🛒 <script>alert(1)</script>", "x" * 10_000]
    csv = ["when,what,who,device,amount"]
    for day in range(12):
        for number in range(8):
            for minute, name in enumerate(names[: 3 if number % 2 else 2]):
                quoted = name.replace('"', '""')
                who = f"'; drop table {day}-{number}"
                csv.append(f'2026-03-{day + 1:02d} 10:{minute:02d}:00,"{quoted}","{who}",<b>&mobile,1')
    stages = [
        # a stage's name may not hold ">", which separates stages in paths; an event's may
        {
            "name": name[:60].replace(">", "›"),
            "owner": "<u>me</u>",
            "match": [{"event": name}],
            "ideal": {"conversion": 0.9},
        }
        for name in names
    ]
    journey = {"journey": "o'journey <i", "window": "1d", "stages": stages, "segments": ["device"]}
    folder = make_workspace(
        tmp_path / "w", journey=yaml.safe_dump(journey, allow_unicode=True), lines=csv[1:]
    )
    done = painpoints("run", "--workspace", folder)
    assert done.code == 0, done.err
    with duckdb.connect(str(folder / "painpoints.duckdb"), read_only=True) as db:
        found = {row[0] for row in db.execute("select distinct event_name from marts.events").fetchall()}
        assert found == set(names)
        (finding,) = db.execute("select pain_point_id, sql, attempts from marts.pain_points").fetchall()
        assert db.execute("select distinct device from marts.attempts").fetchall() == [("<b>&mobile",)]
        assert db.execute(finding[1]).fetchall()[0][0] == finding[2]
    page = (folder / "reports" / "journey-map.html").read_text("utf-8")
    assert "<script>alert" not in page
    assert "<u>me</u>" not in page
    explained = painpoints("explain", finding[0], "--workspace", folder)
    assert explained.code == 0, explained.err


def test_lines_are_the_shop_that_the_other_tests_think_it_is() -> None:
    assert len(crm_lines()) == 12 * (30 + 10 + 5)


def test_detect_refuses_tables_of_a_build_that_failed(published_workspace: Path) -> None:
    before = digests(published_workspace)
    path = published_workspace / "journeys" / "shop.yaml"
    path.write_text(SHOP_JOURNEY.replace("event: buy", "event: by"), "utf-8")
    workspace = open_workspace(published_workspace)
    with pytest.raises(JourneyError):
        steps.build(workspace)
    with pytest.raises(PainpointsError, match="painpoints build"):
        steps.detect(workspace)
    assert digests(published_workspace) == before


@pytest.mark.parametrize("setting", ['memory_limit = "lots"', "threads = 0"])
def test_an_engine_setting_that_makes_no_sense(
    published_workspace: Path, painpoints: Painpoints, setting: str
) -> None:
    with (published_workspace / "painpoints.toml").open("a") as config:
        config.write(f"[engine]\n{setting}\n")
    done = painpoints("build", "--workspace", published_workspace)
    assert done.code == 1
    assert "engine" in done.err


def test_a_damaged_published_file_is_told(published_workspace: Path, painpoints: Painpoints) -> None:
    published = published_workspace / "painpoints.duckdb"
    published.unlink()
    published.write_bytes(b"no database")
    done = painpoints("list", "--workspace", published_workspace)
    assert done.code == 1
    assert f"{published}: cannot be opened" in done.err
    assert painpoints("build", "--workspace", published_workspace).code == 0
    assert painpoints("list", "--workspace", published_workspace).code == 0
