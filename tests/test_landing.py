"""The landing zone: a day is there whole or not at all, and landing twice changes nothing."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from conftest import Painpoints, crm_lines, make_workspace, run_steps

from connectors import landing
from connectors.day_range import DayRange
from connectors.errors import LakeDamaged
from connectors.landing import Incoming, SourceLake
from pipelines import steps
from pipelines.workspace import open_workspace

MONDAY, TUESDAY = date(2026, 3, 2), date(2026, 3, 3)


def incoming(folder: Path, day: date, text: str) -> Incoming:
    path = folder / f"events-{day}.jsonl.gz"
    path.write_text(text)
    return Incoming(day, "events", path, text.count("\n"))


def contents(lake: SourceLake) -> dict[date, list[str]]:
    return {
        day: sorted(path.read_text() for path in lake.part_paths(manifest, "events"))
        for day, manifest in lake.days().items()
    }


def test_a_file_exported_again_replaces_what_it_brought(tmp_path: Path) -> None:
    lake = SourceLake(tmp_path, "crm")
    lake.land("a.csv", [incoming(lake.incoming_folder(), MONDAY, "1\n")])
    lake.land("b.csv", [incoming(lake.incoming_folder(), MONDAY, "2\n")])
    changed = lake.land("a.csv", [incoming(lake.incoming_folder(), TUESDAY, "3\n")])
    assert changed == [MONDAY, TUESDAY]
    assert contents(lake) == {MONDAY: ["2\n"], TUESDAY: ["3\n"]}


def test_the_same_content_keeps_the_version(tmp_path: Path) -> None:
    lake = SourceLake(tmp_path, "crm")
    lake.land("a.csv", [incoming(lake.incoming_folder(), MONDAY, "1\n")])
    version = lake.days()[MONDAY].version
    assert lake.land("a.csv", [incoming(lake.incoming_folder(), MONDAY, "1\n")]) == []
    assert lake.days()[MONDAY].version == version
    lake.land("a.csv", [incoming(lake.incoming_folder(), MONDAY, "1\n2\n")])
    assert lake.days()[MONDAY].version != version


def test_only_days_of_the_range_are_touched(tmp_path: Path) -> None:
    lake = SourceLake(tmp_path, "crm")
    folder = lake.incoming_folder()
    lake.land("a.csv", [incoming(folder, MONDAY, "1\n"), incoming(folder, TUESDAY, "2\n")])
    folder = lake.incoming_folder()
    again = [incoming(folder, MONDAY, "x\n"), incoming(folder, TUESDAY, "y\n")]
    assert lake.land("a.csv", again, DayRange(TUESDAY, TUESDAY)) == [TUESDAY]
    assert contents(lake) == {MONDAY: ["1\n"], TUESDAY: ["y\n"]}


@pytest.mark.parametrize(("where", "step"), [(SourceLake, "_adopt"), (landing, "write_manifest")])
@pytest.mark.parametrize("call", [1, 2])
def test_killed_while_landing_the_old_day_stays_and_the_next_pull_completes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: object, step: str, call: int
) -> None:
    lake = SourceLake(tmp_path, "crm")
    folder = lake.incoming_folder()
    lake.land("a.csv", [incoming(folder, MONDAY, "1\n"), incoming(folder, TUESDAY, "2\n")])

    calls = 0
    real = getattr(where, step)

    def dying(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return real(*arguments)

    folder = lake.incoming_folder()
    new = [incoming(folder, MONDAY, "10\n"), incoming(folder, TUESDAY, "20\n")]
    with monkeypatch.context() as patched:
        patched.setattr(where, step, dying)
        with pytest.raises(KeyboardInterrupt):
            lake.land("a.csv", new)
    for day, texts in contents(lake).items():
        assert texts in ([["1\n"], ["10\n"]] if day == MONDAY else [["2\n"], ["20\n"]])
    folder = lake.incoming_folder()
    lake.land("a.csv", [incoming(folder, MONDAY, "10\n"), incoming(folder, TUESDAY, "20\n")])
    assert contents(lake) == {MONDAY: ["10\n"], TUESDAY: ["20\n"]}
    left = {path.name for path in (tmp_path / "crm" / f"date={MONDAY}").iterdir()}
    assert len(left) == 2, "a part and the manifest, no left-overs"


def test_a_pull_reads_only_what_is_new(crm_workspace: Path) -> None:
    workspace = open_workspace(crm_workspace)
    (first,) = steps.pull(workspace)
    assert (first.files_read, len(first.changed_days)) == (1, 12)
    (again,) = steps.pull(workspace)
    assert (again.files_read, again.files_skipped, again.changed_days) == (0, 1, ())
    later = crm_workspace / "exports" / "crm2.csv"
    later.write_text("when,what,who,device,amount\n2026-03-13 09:00:00,visit,new,mobile,\n")
    (third,) = steps.pull(workspace)
    assert (third.files_read, third.changed_days) == (1, (date(2026, 3, 13),))


def test_a_file_that_is_gone_keeps_its_days(crm_workspace: Path) -> None:
    workspace = open_workspace(crm_workspace)
    steps.pull(workspace)
    (crm_workspace / "exports" / "crm.csv").rename(crm_workspace / "exports" / "crm-new.csv")
    steps.pull(workspace)
    run_steps(crm_workspace).close()
    assert len(workspace.source_lake("crm").days()) == 12


def test_from_and_to_land_part_of_a_file_and_the_rest_later(tmp_path: Path, painpoints: Painpoints) -> None:
    folder = make_workspace(tmp_path / "w")
    done = painpoints("pull", "--workspace", folder, "--from", "2026-03-02", "--to", "2026-03-04")
    assert done.code == 0, done.err
    lake = open_workspace(folder).source_lake("crm")
    assert list(lake.days()) == [date(2026, 3, day) for day in (2, 3, 4)]
    assert painpoints("pull", "--workspace", folder).code == 0
    assert len(lake.days()) == 12
    wrong = painpoints("pull", "--workspace", folder, "--from", "2026-03-05", "--to", "2026-03-04")
    assert wrong.code == 2


def test_a_manifest_says_what_landed_and_from_where(crm_workspace: Path) -> None:
    steps.pull(open_workspace(crm_workspace))
    manifest = json.loads((crm_workspace / "lake/crm/date=2026-03-02/manifest.json").read_text())
    assert manifest["rows"] == 45
    (part,) = manifest["parts"]
    assert part["origin"] == "exports/crm.csv"
    assert len(part["sha256"]) == 64


def test_days_are_those_of_the_source_s_zone(tmp_path: Path) -> None:
    """On 29 March 2026 Madrid's day has 23 hours; its midnight is 22:00 or 23:00 UTC."""
    folder = make_workspace(
        tmp_path / "w",
        lines=[
            "2026-03-28T22:59:00Z,visit,a,mobile,",
            "2026-03-28T23:00:00Z,visit,b,mobile,",
            "2026-03-29T21:59:00Z,cart,b,mobile,",
            "2026-03-29T22:00:00Z,buy,b,mobile,1",
            *crm_lines(1),
        ],
    )
    with run_steps(folder) as db:
        days = db.execute(
            "select session_date::varchar, count(*) from marts.sessions "
            "where started_at > '2026-03-20' group by 1 order by 1"
        ).fetchall()
        # the purchase a minute after midnight belongs to the session that began before it
        assert days == [("2026-03-28", 1), ("2026-03-29", 2)]
    lake = open_workspace(folder).source_lake("crm")
    assert [manifest.rows for day, manifest in lake.days().items() if day.day >= 28] == [1, 2, 1]


def test_files_that_bring_a_day_take_the_place_of_what_a_vendor_gave_of_it(tmp_path: Path) -> None:
    lake = SourceLake(tmp_path, "ga4")
    seen_at = datetime(2026, 3, 9, tzinfo=UTC)

    def live(day: date, dataset: str) -> None:
        part = incoming(lake.incoming_folder(), day, f"live {dataset}\n")
        given = [Incoming(day, dataset, part.path, 1)]
        lake.land_day(day, dataset, given, origin="BigQuery shop.x", seen_at=seen_at)

    for day in (MONDAY, TUESDAY):
        live(day, "events")
        live(day, "vendor_counts")
    # only a live pull ever lands responses, as files do, one origin a survey
    lake.land("Hotjar survey 1", [_response(lake, "one")])
    lake.land("Hotjar survey 2", [_response(lake, "two")])
    lake.land("a.jsonl", [incoming(lake.incoming_folder(), MONDAY, "1\n")])
    assert contents(lake) == {MONDAY: ["1\n"], TUESDAY: ["live events\n"]}
    parts = [(part.dataset, part.origin) for part in lake.days()[MONDAY].parts]
    assert sorted(parts) == [
        ("events", "a.jsonl"),
        ("responses", "Hotjar survey 1"),
        ("responses", "Hotjar survey 2"),
        ("vendor_counts", "BigQuery shop.x"),
    ]


def _response(lake: SourceLake, text: str) -> Incoming:
    part = incoming(lake.incoming_folder(), MONDAY, text + "\n")
    return Incoming(MONDAY, "responses", part.path, 1)


@pytest.mark.parametrize("garbage", [b"\xff\xfe\x00garbage", b"{", b"[1]", b'{"exports/crm.csv": 3}'])
def test_a_damaged_memory_of_the_files_reads_them_again(crm_workspace: Path, garbage: bytes) -> None:
    workspace = open_workspace(crm_workspace)
    steps.pull(workspace)
    (crm_workspace / "lake/crm/files.json").write_bytes(garbage)
    (again,) = steps.pull(workspace)
    assert (again.files_read, again.changed_days) == (1, ())


def test_a_part_whose_bytes_changed_is_not_staged(crm_workspace: Path) -> None:
    workspace = open_workspace(crm_workspace)
    steps.pull(workspace)
    lake = workspace.source_lake("crm")
    (part,) = lake.part_paths(lake.days()[MONDAY], "events")
    # still gzip of as many bytes, and still JSON: only the digest tells
    flipped = bytearray(part.read_bytes())
    flipped[4] ^= 1  # the time in the header, which nobody reads
    part.write_bytes(bytes(flipped))
    with pytest.raises(LakeDamaged, match="not as it was landed") as damaged:
        steps.build(workspace)
    assert str(part) in str(damaged.value)
    assert "Delete its folder and the source's files.json, then pull again" in str(damaged.value)
    (crm_workspace / "lake/crm/files.json").unlink()
    part.with_name("manifest.json").unlink()
    steps.pull(workspace)
    assert steps.build(workspace).events == 540


@pytest.mark.parametrize("left", [0, 4, 200])
def test_a_staged_day_that_was_cut_is_staged_again(published_workspace: Path, left: int) -> None:
    workspace = open_workspace(published_workspace)
    cut = sorted((workspace.staged / "crm").glob("*.parquet"))[3]
    cut.write_bytes(cut.read_bytes()[:left])
    again = steps.build(workspace)
    assert (again.staged_days, again.events) == (1, len(crm_lines()))
    assert steps.build(workspace).staged_days == 0
