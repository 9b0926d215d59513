"""Days that have not ended, and dates that cannot be: they land, or are refused, and judge nothing."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest
from conftest import CRM_CONFIG, crm_lines, make_workspace

from pipelines import steps
from pipelines.config_tables import write_days
from pipelines.engine_settings import EngineSettings
from pipelines.errors import PainpointsError
from pipelines.warehouse import open_warehouse
from pipelines.workspace import Workspace

MIXPANEL = '[sources.app]\nkind = "mixpanel"\nfiles = "app.jsonl"\n'


def run_at(folder: Path, now: datetime) -> duckdb.DuckDBPyConnection:
    workspace = Workspace(folder, clock=lambda: now)
    steps.pull(workspace)
    steps.build(workspace, publishes=False)
    steps.detect(workspace)
    return duckdb.connect(str(workspace.published), read_only=True)


def told(db: duckdb.DuckDBPyConnection, check_name: str) -> list[tuple[str, date, str, str]]:
    query = "select source, day, status, detail from marts.tracking_health where check_name = ? order by all"
    return db.execute(query, [check_name]).fetchall()


def test_a_row_of_the_far_future_changes_nothing_that_is_judged(tmp_path: Path) -> None:
    now = datetime(2026, 3, 20, tzinfo=UTC)
    wrong = ["2099-01-01 10:00:00,visit,late,mobile,", "2098-01-01 10:00:00,buy,late,mobile,7"]
    with (
        run_at(make_workspace(tmp_path / "clean"), now) as clean,
        run_at(make_workspace(tmp_path / "wrong", lines=[*crm_lines(), *wrong]), now) as db,
    ):
        assert db.execute("select count(*) from marts.events where user_id = 'late'").fetchall() == [(2,)]
        ((source, day, status, detail),) = told(db, "day_to_come")
        assert (source, str(day), status) == ("crm", "2098-01-01", "warning")
        assert detail.startswith("2 rows are dated on days that are still to come, up to 2099-01-01")
        for query in (
            "select * from marts.tracking_health where day < date '2090-01-01' order by all",
            "select * from marts.stage_funnel where entry_date < date '2090-01-01' order by all",
            "select outcome, entered_at from marts.attempts where entered_at < timestamp '2090-01-01' "
            "order by all",
            "select journey, stage, status from marts.pain_points order by all",
        ):
            assert db.execute(query).fetchall() == clean.execute(query).fetchall(), query
        assert db.execute("select count(*) from marts.tracking_health").fetchall()[0][0] < 30


def test_the_day_that_is_still_running_is_not_judged_before_it_ends(tmp_path: Path) -> None:
    """An export made at noon holds half of 12 March (Madrid); its journeys take two days."""
    folder = make_workspace(tmp_path / "w")
    matured = (
        "select sum(matured) from marts.stage_funnel where entry_date = '2026-03-10' and stage = 'visit'"
    )
    with run_at(folder, datetime(2026, 3, 12, 12, tzinfo=UTC)) as db:
        assert [(str(day), status) for _, day, status, _ in told(db, "day_partial")] == [
            ("2026-03-12", "info")
        ]
        assert told(db, "day_to_come") == []
        assert db.execute(matured).fetchall() == [(0,)]
    with run_at(folder, datetime(2026, 3, 12, 23, tzinfo=UTC)) as db:
        assert told(db, "day_partial") == [], "midnight of Madrid has passed"
        assert db.execute(matured).fetchall() == [(30,)]


def test_a_source_is_behind_where_its_whole_days_are(tmp_path: Path) -> None:
    config = CRM_CONFIG + MIXPANEL
    folder = make_workspace(tmp_path / "w", config=config)
    noon = datetime(2026, 3, 4, 12, tzinfo=UTC)
    lines = [
        {"event": "visit", "properties": {"time": at.timestamp(), "distinct_id": "x", "$insert_id": str(at)}}
        for at in (noon, datetime(2030, 3, 4, 12, tzinfo=UTC))
    ]
    (folder / "app.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    with run_at(folder, datetime(2026, 3, 20, tzinfo=UTC)) as db:
        # a wrong row of 2030 does not make the app look as if it were ahead, nor the other behind
        assert [(source, str(day)) for source, day, *_ in told(db, "source_behind")] == [
            ("app", "2026-03-04")
        ]
        assert told(db, "day_missing") == []


@pytest.mark.parametrize("seconds", [0, 86_400, 600_000_000, 253_402_290_000])
def test_a_mixpanel_event_that_cannot_be_is_named_with_its_line(tmp_path: Path, seconds: int) -> None:
    (tmp_path / "journeys").mkdir()
    (tmp_path / "painpoints.toml").write_text(MIXPANEL, "utf-8")
    lines = [{"event": "a", "properties": {"time": at, "distinct_id": "x"}} for at in (1773140400, seconds)]
    (tmp_path / "app.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    with pytest.raises(PainpointsError, match=r"app\.jsonl: line 2: .* (is before 1990|means never)"):
        steps.pull(Workspace(tmp_path))
    assert not list(tmp_path.rglob("manifest.json"))


def test_one_row_of_another_century_makes_no_calendar_of_decades() -> None:
    whole = {"source": "crm", "ends_us": 0, "rows": 1, "is_complete": True, "is_settled": True}
    days = [date(1995, 1, 1), date(2026, 3, 1), date(2026, 3, 5)]
    with open_warehouse(None, EngineSettings()) as connection:
        write_days(connection, [whole | {"day": day} for day in days])
        assert connection.execute("select min(day), count(*) from config.calendar").fetchall() == [
            (days[1], 5)
        ]
