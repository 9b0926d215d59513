"""Declared formats, nested columns and row conditions of table sources, and what is said of a misfit."""

from __future__ import annotations

import gzip
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import build_steps

from connectors.cell_formats import declared_moment, declared_text
from connectors.nested_cells import MISSING, lookup
from pipelines import steps
from pipelines.errors import PainpointsError
from pipelines.settings import read_settings
from pipelines.workspace import open_workspace

JOURNEY = """\
journey: shop
stages:
  - {name: see, match: [{event: seen}]}
  - {name: buy, match: [{event: bought}]}
"""
HEADER = 'timezone = "Europe/Madrid"\ncurrency = "EUR"\n[sources.crm]\nkind = "table"\nfiles = "crm*"\n'
COLUMNS = "columns = {event_at = 'when', event_name = 'what', user_id = 'who', value = 'amount'}\n"


def workspace(folder: Path, config: str, file: str, content: bytes | str) -> Path:
    (folder / "journeys").mkdir(exist_ok=True)
    (folder / "journeys" / "shop.yaml").write_text(JOURNEY, "utf-8")
    (folder / "painpoints.toml").write_text(HEADER + config, "utf-8")
    (folder / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def events(folder: Path) -> list[tuple[Any, ...]]:
    """Pulls and builds; time, name, user and value of each event."""
    build_steps(folder).close()
    copy = folder / "read.duckdb"
    shutil.copy(folder / "painpoints.duckdb", copy)
    with duckdb.connect(str(copy), read_only=True) as db:
        found = db.execute(
            "select event_at, event_name, user_id, value from marts.events order by event_at, event_name"
        ).fetchall()
    copy.unlink()
    return found


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


DECLARED = """\
formats = {event_at = "%d/%m/%Y %H:%M", value = "decimal comma"}
revenue_events = ["bought"]
"""


def test_a_spreadsheet_of_a_european_locale_is_read_as_declared(tmp_path: Path) -> None:
    text = "when;what;who;amount\n10/03/2026 09:00;seen;u;\n03/04/2026 10:30;bought;u;1.234,56 €\n"
    workspace(tmp_path, COLUMNS + DECLARED, "crm.csv", text)
    assert events(tmp_path) == [
        (at("2026-03-10 08:00"), "seen", "u", None),
        (at("2026-04-03 08:30"), "bought", "u", 1234.56),
    ]


BROKEN = {
    "time": (
        "31.03.2026 09:00,seen,u,1",
        ["crm.csv", "line 3", "when = '31.03.2026 09:00'", "no point in time", "formats.event_at"],
    ),
    "empty time": (",seen,u,1", ["crm.csv", "line 3", "when = ''", "formats.event_at"]),
    "money": (
        '10/03/2026 09:00,bought,u,"1,234.56"',
        ["crm.csv", "line 3", "amount = '1,234.56'", "formats.value = 'decimal comma'"],
    ),
    "words for money": ("10/03/2026 09:00,bought,u,free", ["line 3", "amount = 'free'", "formats.value"]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_cell_that_is_not_what_was_declared_is_named(tmp_path: Path, name: str) -> None:
    line, words = BROKEN[name]
    good = "when,what,who,amount\n10/03/2026 08:00,seen,u,\n"
    folder = workspace(tmp_path, COLUMNS + DECLARED, "crm.csv", good + line + "\n")
    with pytest.raises(PainpointsError) as caught:
        steps.pull(open_workspace(folder))
    for word in words:
        assert word in str(caught.value)
    assert not list(folder.rglob("manifest.json")), "nothing of the file has landed"
    (folder / "crm.csv").write_text(good + "10/03/2026 09:00,bought,u,\n", "utf-8")
    assert [event[1] for event in events(folder)] == ["seen", "bought"]


@pytest.mark.parametrize("cell", ["12,50", "€ 99.00", '"1,234.50"', "free", "inf", "1e400", "(5)"])
def test_money_that_is_no_plain_number_has_to_be_declared(tmp_path: Path, cell: str) -> None:
    good = "when;what;who;amount\n2026-03-10 08:00;seen;u;\n"
    folder = workspace(tmp_path, COLUMNS, "crm.csv", f"{good}2026-03-10 09:00;bought;u;{cell}\n")
    with pytest.raises(PainpointsError) as caught:
        steps.pull(open_workspace(folder))
    shown = cell.strip('"')
    words = ["crm.csv", "line 3", f"amount = {shown!r}", 'formats = {value = "decimal comma"}']
    for word in [*words, '"decimal point"']:
        assert word in str(caught.value)
    assert not list(folder.rglob("manifest.json")), "nothing of the file has landed"


def test_plain_numbers_and_words_for_no_value_need_no_declaration(tmp_path: Path) -> None:
    cells = ["", "n/a", "NA", "null", "None", "-", " nan ", "12.50", "-3", ".5", "1e3"]
    rows = [f"2026-03-10 09:{n:02d},bought,u,{cell}" for n, cell in enumerate(cells)]
    text = "\n".join(["when,what,who,amount", "2026-03-10 08:00,seen,u,", *rows])
    folder = workspace(tmp_path, COLUMNS, "crm.csv", text)
    assert [event[3] for event in events(folder)] == [*[None] * 8, 12.5, -3.0, 0.5, 1000.0]


def test_a_date_at_which_nothing_happens_is_a_broken_date(tmp_path: Path) -> None:
    good = "when,what,who,amount\n2026-03-10 08:00,seen,u,\n"
    for cell, config in [
        ("1970-01-01 00:00:00", ""),
        ("9999-12-31", ""),
        ("0", "formats = {event_at = 'seconds'}\n"),
        ("01/01/0001", "formats = {event_at = '%d/%m/%Y'}\n"),
    ]:
        if config:
            good = "when,what,who,amount\n"
        text = f"{good}{cell},bought,u,5\n"
        folder = workspace(tmp_path, COLUMNS + config, "crm.csv", text)
        with pytest.raises(PainpointsError, match=f"line {text.count(chr(10))}.*when = '{cell}'"):
            steps.pull(open_workspace(folder))


def test_a_date_and_time_in_digits_only_has_to_be_declared(tmp_path: Path) -> None:
    text = "when,what,who,amount\n20260310100000,seen,u,\n20260310100500,bought,u,5\n"
    folder = workspace(tmp_path, COLUMNS, "crm.csv", text)
    hint = 'formats = {event_at = "%Y%m%d%H%M%S"}'
    with pytest.raises(PainpointsError) as caught:
        steps.pull(open_workspace(folder))
    assert "line 2: when = '20260310100000'" in str(caught.value)
    assert hint in str(caught.value)
    (folder / "painpoints.toml").write_text(f"{HEADER}{COLUMNS}{hint}\n", "utf-8")
    assert [event[0] for event in events(folder)] == [at("2026-03-10 09:00"), at("2026-03-10 09:05")]


IDS = "columns = {event_at = 'at', event_name = 'what', user_id = 'who', transaction_id = 'cart.order'}\n"


def test_ids_that_became_floats_are_the_integers_they_were(tmp_path: Path) -> None:
    """As pandas writes a column of integers with an empty cell; text is what somebody wrote."""
    cells: list[tuple[float | None, float | None]] = [
        (1001.0, None),
        (1001.0, 7.0),
        (None, 2.0**53),
        (1.5, 1.5),
    ]
    records = [
        {
            "at": f"2026-03-10T09:0{n}:00Z",
            "what": "seen" if n else "bought",
            "who": who,
            "cart": {"order": order},
        }
        for n, (who, order) in enumerate(cells)
    ]
    folder = workspace(tmp_path, IDS, "crm.parquet", b"")
    pq.write_table(pa.Table.from_pylist(records), folder / "crm.parquet")
    text = '{"at": "2026-03-10T09:09:00Z", "what": "seen", "who": "1001.0", "cart": {"order": "7.0"}}\n'
    (folder / "crm2.jsonl").write_text(text, "utf-8")
    with build_steps(folder) as db:
        found = db.execute("select user_id, transaction_id from marts.events order by event_at").fetchall()
    assert found == [
        ("1001", None),
        ("1001", "7"),
        (None, "9007199254740992"),
        ("1.5", "1.5"),
        ("1001.0", "7.0"),
    ]


def test_a_corrected_declaration_reads_the_files_again(tmp_path: Path) -> None:
    lines = ["when,what,who,amount", "2026-03-04 10:00,seen,u,1", "2026-03-04 11:00,bought,u,2500"]
    folder = workspace(tmp_path, COLUMNS, "crm.csv", "\n".join(lines))
    assert [event[3] for event in events(folder)] == [1.0, 2500.0]
    config = COLUMNS + 'formats = {value = "cents", event_at = "%Y-%d-%m %H:%M"}\n'
    (folder / "painpoints.toml").write_text(HEADER + config, "utf-8")
    assert [(event[0], event[3]) for event in events(folder)] == [
        (at("2026-04-03 08:00"), 0.01),
        (at("2026-04-03 09:00"), 25.0),
    ]


CONFIGS = {
    "unknown field": ('formats = {size = "x"}', ["sources.crm", "formats.size", "no size in columns"]),
    "text field": ('formats = {user_id = "text"}', ["formats.user_id", "text", "event_at, value"]),
    "unknown money": ('formats = {value = "decimal koma"}', ["formats.value", "koma", "decimal comma"]),
    "unknown time": ('formats = {event_at = "minutes"}', ["formats.event_at", "minutes", "milliseconds"]),
    "no pattern": ('formats = {event_at = "%d/%m/%Q"}', ["formats.event_at", "no pattern", "%Q"]),
    "half a date": ('formats = {event_at = "%d/%m %H:%M"}', ["formats.event_at", "leaves out the year"]),
    "mapped or not": ('formats = {is_new_user = "yes/no"}', ["formats.is_new_user", "no is_new_user in"]),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_wrong_declaration_names_its_key(tmp_path: Path, name: str) -> None:
    line, words = CONFIGS[name]
    path = tmp_path / "painpoints.toml"
    path.write_text(f"{HEADER}{COLUMNS}{line}\n", "utf-8")
    with pytest.raises(PainpointsError) as caught:
        read_settings(path)
    for word in [str(path), *words]:
        assert word in str(caught.value)


def test_the_words_for_yes_and_no_have_to_be_two(tmp_path: Path) -> None:
    columns = COLUMNS.replace("value =", "is_new_user =")
    path = tmp_path / "painpoints.toml"
    for declared in ("yes", "yes/", "yes/yes", "a/b/c"):
        path.write_text(f'{HEADER}{columns}formats = {{is_new_user = "{declared}"}}\n', "utf-8")
        with pytest.raises(PainpointsError, match=r"formats\.is_new_user: .*yes/no"):
            read_settings(path)


MONEY = [
    ("decimal comma", "1.234,56", "1234.56"),
    ("decimal comma", "-12,5", "-12.5"),
    ("decimal comma", "1.234.567", "1234567"),
    ("decimal comma", "1 234,50 zł", "1234.50"),
    ("decimal comma", "€ 12,00", "12.00"),
    ("decimal comma", "−3,10", "-3.10"),
    ("decimal point", "1,234.56", "1234.56"),
    ("decimal point", "$-5", "-5"),
    ("decimal point", "-$1'000.5", "-1000.5"),
    ("decimal point", ".5", "0.5"),
    ("decimal point", 12.25, "12.25"),
    ("decimal comma", 12.25, "12.25"),
    ("decimal comma", "(12,50)", "-12.50"),
    ("decimal comma", "(1.234,50 €)", "-1234.50"),
    ("decimal point", "($ 12.50)", "-12.50"),
    ("decimal point", "EUR (12)", "-12"),
    ("cents", "1999", "19.99"),
    ("cents", 5, "0.05"),
]
NO_MONEY = [
    ("decimal comma", "1.5"),
    ("decimal comma", "1,234.56"),
    ("decimal comma", "1.23.4"),
    ("decimal point", "1.234,56"),
    ("decimal point", "12,5"),
    ("decimal point", "1e5"),
    ("decimal point", "12-"),
    ("decimal point", "--1"),
    ("decimal point", "EUR"),
    ("decimal point", "."),
    ("decimal point", float("inf")),
    ("decimal comma", "()"),
    ("decimal comma", "(-5)"),
    ("decimal comma", "(5"),
    ("cents", "ten"),
]


def test_money_is_what_it_is_declared_to_be() -> None:
    assert [declared_text("value", cell, declared) for declared, cell, _ in MONEY] == [
        text for _, _, text in MONEY
    ]
    for cell in (None, "", "  ", "n/a", " NA", "null", "None", "-", "NaN", float("nan")):
        assert declared_text("value", cell, "decimal comma") is None
    for declared, cell in NO_MONEY:
        with pytest.raises(ValueError, match="no "):
            declared_text("value", cell, declared)


def test_yes_and_no_in_the_words_of_the_file() -> None:
    words = [declared_text("is_new_user", cell, "New/Returning") for cell in ("new", " Returning ", True, "")]
    assert words == ["true", "false", "true", None]
    with pytest.raises(ValueError, match="neither 'new' nor 'returning'"):
        declared_text("is_new_user", "maybe", "New/Returning")


def test_declared_times_to_the_microsecond() -> None:
    madrid = ZoneInfo("Europe/Madrid")
    expected = datetime(2026, 3, 10, 8, 50, 26, 123457, UTC)
    microseconds = 1773132626123457
    for value, declared in [
        (microseconds, "microseconds"),
        (str(microseconds), "microseconds"),
        ("1773132626123.457", "milliseconds"),
        ("1773132626.123457", "seconds"),
        ("2026-03-10T09:50:26.123457", "iso"),
        ("2026-03-10T08:50:26.123457Z", "iso"),
        ("10.03.26 09h50:26.123457", "%d.%m.%y %Hh%M:%S.%f"),
        ("2026-03-10 03:50:26.123457 -0500", "%Y-%m-%d %H:%M:%S.%f %z"),
        (expected, "%d/%m/%Y"),
    ]:
        assert declared_moment(value, declared, madrid) == expected
    # 02:30 happens twice on this day: the first is meant
    repeated = declared_moment("25/10/2026 02:30", "%d/%m/%Y %H:%M", madrid)
    assert repeated == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    with pytest.raises(ValueError, match="1970-01-21 when read as milliseconds"):
        declared_moment(1773132626, "milliseconds", madrid)
    with pytest.raises(OverflowError):
        declared_moment(microseconds, "seconds", madrid)


def test_a_column_of_that_name_comes_before_a_path_of_that_name() -> None:
    row = {
        "a.b": "top",
        "a": {"b": "inside", "c": {"d": 1, "e.f": 2}, "g": '{"h": [3]}', "i": "{no json"},
        "x.y": {"z": 4},
        "nothing": None,
    }
    found = {name: lookup(row, name) for name in ("a.b", "a.c.d", "a.c.e.f", "a.g.h", "x.y.z", "nothing")}
    assert found == {"a.b": "top", "a.c.d": 1, "a.c.e.f": 2, "a.g.h": [3], "x.y.z": 4, "nothing": None}
    for name in ("a.c.x", "a.i.j", "b", "a.b.c", "nothing.more", "x.z", "a."):
        assert lookup(row, name) is MISSING


def lines(*records: dict[str, Any]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


NESTED = "columns = {event_at = 'at', event_name = 'name', user_id = 'user.id', value = 'order.total'}\n"


@pytest.mark.parametrize("file", ["crm.jsonl", "crm.parquet", "crm_0001.gz"])
def test_nested_columns_of_lines_and_of_parquet(tmp_path: Path, file: str) -> None:
    records: list[dict[str, Any]] = [
        {"at": "2026-03-10T09:00:00Z", "name": "seen", "user": {"id": 7}, "order": {"total": None}},
        {"at": "2026-03-10T09:05:00Z", "name": "bought", "user": {"id": 7}, "order": {"total": 20.5}},
    ]
    text = lines(*records).encode()
    folder = workspace(tmp_path, NESTED, file, gzip.compress(text) if file.endswith(".gz") else text)
    if file.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(records), folder / file)
    assert events(folder) == [
        (at("2026-03-10 09:00"), "seen", "7", None),
        (at("2026-03-10 09:05"), "bought", "7", 20.5),
    ]


def test_json_may_leave_out_what_has_no_value(tmp_path: Path) -> None:
    config = NESTED.replace("user_id = 'user.id'", "user_id = 'user.id', device_id = 'device'")
    config += "constants = {event_name = 'seen'}\n"
    text = lines(
        {"at": "2026-03-10T09:00:00Z", "device": "d"},
        {"at": "2026-03-10T09:01:00Z", "device": "d", "name": None, "user": None, "order": {}},
        {"at": "2026-03-10T09:05:00Z", "name": "bought", "user": {"id": "u"}, "device": "d"},
    )
    folder = workspace(tmp_path, config, "crm.jsonl", text)
    assert [event[1:3] for event in events(folder)] == [("seen", None), ("seen", None), ("bought", "u")]


LAYOUTS = {
    "a header lacks a column": (
        NESTED,
        "crm.csv",
        "at,name,user.id\n2026-03-10,seen,u\n",
        "'order.total' is missing",
    ),
    "a header lacks a condition's column": (
        NESTED + "where = {type = 'order'}\n",
        "crm.csv",
        "at,name,user.id,order.total\n2026-03-10,seen,u,\n",
        "'type' is missing",
    ),
    "no object names its event": (
        NESTED,
        "crm.jsonl",
        lines({"at": "2026-03-10", "event": "seen", "user": {"id": 1}}),
        "none of 1 rows has the column 'name'",
    ),
    "no object names anybody": (
        NESTED,
        "crm.jsonl",
        lines(*({"at": "2026-03-10", "name": "seen", "user": {"key": n}} for n in range(3))),
        "none of 3 rows has the column 'user.id'",
    ),
    "no object has a condition's column": (
        NESTED + "where = {type = 'order'}\n",
        "crm.jsonl",
        lines({"at": "2026-03-10", "name": "seen", "user": {"id": 1}}),
        "none of 1 rows has the column 'type'",
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_file_of_another_layout_is_named_with_the_column(tmp_path: Path, name: str) -> None:
    config, file, text, words = LAYOUTS[name]
    folder = workspace(tmp_path, config, file, text)
    with pytest.raises(PainpointsError) as caught:
        steps.pull(open_workspace(folder))
    assert file in str(caught.value)
    assert words in str(caught.value)


def test_only_rows_that_meet_the_conditions_are_events(tmp_path: Path) -> None:
    config = COLUMNS + "where = {kind = ['sale', 'view']}\nwhere_present = ['who', 'meta.shop']\n"
    rows = [
        {"when": f"2026-03-10 10:0{n}:00", "what": what, "who": who, "kind": kind, "meta": {"shop": shop}}
        for n, (what, who, kind, shop) in enumerate(
            [
                ("seen", "u1", "view", "es"),
                ("bought", "u1", "sale", "es"),
                ("seen", "", "view", "es"),
                ("seen", "u2", "test", "es"),
                ("seen", "u3", "view", None),
                ("seen", "u4", "View", "es"),
            ]
        )
    ]
    # a row that is no event needs no time either
    folder = workspace(tmp_path, config, "crm.jsonl", lines(*rows, {"kind": "test", "when": "soon"}))
    assert [event[1:3] for event in events(folder)] == [("seen", "u1"), ("bought", "u1")]


def test_a_changed_condition_reads_the_files_again(tmp_path: Path) -> None:
    text = "when,what,who,amount\n2026-03-10,seen,u,\n2026-03-10,bought,u,\n2026-03-11,seen,,\n"
    folder = workspace(tmp_path, COLUMNS, "crm.csv", text)
    assert len(events(folder)) == 3
    (folder / "painpoints.toml").write_text(HEADER + COLUMNS + "where_present = ['who']\n", "utf-8")
    assert len(events(folder)) == 2
