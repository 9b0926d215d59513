"""Bots and internal traffic are left out by rule, everywhere, and counted."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from conftest import CRM_CONFIG, Painpoints, crm_lines, make_workspace, run_steps

CONFIG = CRM_CONFIG.replace('value = "amount"}', 'value = "amount", browser = "browser", page = "page"}')
HEADER = "when,what,who,device,amount,browser,page"


def publish(folder: Path, extra: list[str], rules: str = "") -> duckdb.DuckDBPyConnection:
    make_workspace(folder, config=CONFIG + rules)
    rows = [f"{line},Safari,/" for line in crm_lines()] + extra
    (folder / "exports" / "crm.csv").write_text("\n".join([HEADER, *rows]) + "\n", "utf-8")
    return run_steps(folder)


BOTS = [
    "2026-03-05 09:00:00,visit,b1,desktop,,Googlebot,/",
    "2026-03-05 09:00:01,cart,b1,desktop,,AdsBot-Google (headless),/",
    "2026-03-05 09:00:02,visit,b2,desktop,,HeadlessChrome,/",
    "2026-03-05 09:01:00,visit,p1,mobile,,Cubot Note,/",  # the name of a phone
]
INTERNAL = [
    "2026-03-06 09:00:00,visit,qa-7,desktop,,Chrome,/",
    "2026-03-06 09:00:01,buy,qa-7,desktop,999,Chrome,/",
    "2026-03-06 09:00:02,visit,u3,desktop,,Chrome,/admin/orders",
]
RULES = """
[exclude]
[[exclude.rules]]
name = "our testers"
match = [{user_id = "qa-*"}]
[[exclude.rules]]
name = "back office"
match = [{page = "/admin/*", properties.device = "desktop"}]
"""


def test_crawlers_are_left_out_without_being_asked_and_counted(tmp_path: Path) -> None:
    with publish(tmp_path / "w", BOTS) as db, publish(tmp_path / "without", BOTS[3:]) as clean:
        for table in ("events", "sessions", "attempts", "stage_funnel", "stage_paths"):
            columns = "* exclude (properties)" if table == "events" else "*"
            query = f"select {columns} from marts.{table} order by all"
            assert db.execute(query).fetchall() == clean.execute(query).fetchall(), table
        told = db.execute(
            "select day::varchar, status, detail from marts.tracking_health where check_name = 'excluded'"
        ).fetchall()
        assert told == [("2026-03-05", "info", "3 of 49 events were left out: bots")]


MACHINES = [
    "Googlebot", "googlebot/2.1", "GoogleBot 2.1", "Googlebot-Image", "SemrushBot-BA", "YandexBot;",
    "bingbot", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", "Baiduspider+",
    "GPTBot",
    "AdsBot-Google (+http://www.google.com/adsbot.html)", "HEADLESSCHROME", "facebookexternalhit/1.1",
    "PhantomJS 2", "Chrome-Lighthouse", "UptimeRobot/2.0", "bot",
]  # fmt: skip
PEOPLE = [
    "Chrome",
    "Cubot Note",
    "CUBOT",
    "cubot_x18",
    "Abbott Browser",
    "Botswana Mobile",
    "Safari (in-app)",
]


def test_machines_are_told_by_their_browser_however_it_is_written(tmp_path: Path) -> None:
    lines = [
        f"2026-03-05 09:00:{n:02d},visit,x{n},desktop,,{browser},/x"
        for n, browser in enumerate(MACHINES + PEOPLE)
    ]
    with publish(tmp_path / "w", lines) as db:
        kept = db.execute("select browser from marts.events where page = '/x'").fetchall()
        assert sorted(row[0] for row in kept) == sorted(PEOPLE)


def test_own_rules_come_first_and_each_is_counted(tmp_path: Path) -> None:
    with publish(tmp_path / "w", INTERNAL + BOTS, RULES) as db:
        users = {row[0] for row in db.execute("select distinct user_id from marts.events").fetchall()}
        assert not users & {"qa-7", "b1", "b2"}
        assert db.execute("select max(value) from marts.sessions").fetchall() == [(20.5,)]
        told = db.execute(
            "select detail from marts.tracking_health where check_name = 'excluded' order by detail"
        ).fetchall()
        assert [text.split(": ")[1] for (text,) in told] == ["back office", "our testers", "bots"]


def test_what_is_built_in_can_be_switched_off(tmp_path: Path) -> None:
    with publish(tmp_path / "w", BOTS, "\n[exclude]\nbuilt_in = false\n") as db:
        assert db.execute("select count(*) from marts.events where user_id = 'b1'").fetchall() == [(2,)]


def test_a_device_that_does_too_much_in_a_day_is_a_machine_on_that_day(tmp_path: Path) -> None:
    config = CONFIG.replace('device = "device"', 'device = "device", device_id = "page"')
    rules = "\n[exclude]\nmax_events_per_day = 20\n"
    folder = make_workspace(tmp_path / "w", config=config + rules)
    rows = [f"{line},Safari,{line.split(',')[2]}" for line in crm_lines()]
    rows += [f"2026-03-07 12:00:{n:02d},visit,robot,desktop,,Safari,d-robot" for n in range(21)]
    rows += [f"2026-03-08 12:00:{n:02d},visit,robot,desktop,,Safari,d-robot" for n in range(20)]
    (folder / "exports" / "crm.csv").write_text("\n".join([HEADER, *rows]) + "\n", "utf-8")
    with run_steps(folder) as db:
        kept = db.execute(
            "select count(*), min(event_at::date)::varchar from marts.events where user_id = 'robot'"
        ).fetchall()
        assert kept == [(20, "2026-03-08")]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ('[[exclude.rules]]\nname = "x"\nmatch = [{channel = "Direct"}]\n', "'channel' is not known here"),
        ('[[exclude.rules]]\nname = "x"\nmatch = [{colour = "red"}]\n', "'colour' is no field"),
        ('[[exclude.rules]]\nname = "x"\nmatch = []\n', "exclude.rules"),
        ("[exclude]\nmax_events_per_day = 0\n", "exclude.max_events_per_day"),
    ],
)
def test_a_rule_that_cannot_be_is_told_with_its_place(
    tmp_path: Path, painpoints: Painpoints, rules: str, said: str
) -> None:
    folder = make_workspace(tmp_path / "w", config=CRM_CONFIG + "\n" + rules)
    done = painpoints("build", "--workspace", folder)
    assert done.code == 1
    assert said in done.err
    assert "painpoints.toml, line 1" in done.err
