"""The vendor's own counts and funnels beside ours: which difference is excused, and by what."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from connectors.errors import LakeDamaged
from connectors.ga4_export import COUNTS_DATASET, FUNNEL_DATASET
from connectors.landing import Incoming
from pipelines import steps
from pipelines.workspace import Workspace, open_workspace

FIRST = date(2026, 3, 1)
OURS = 20  # events of each day, one name
CONFIG = 'timezone = "Asia/Kolkata"\n[sources.ga4]\nfiles = "ga4.jsonl"\n'
JOURNEY = """\
journey: {name}
stages:
  - {{name: see, match: [{{event: view_item}}]}}
  - {{name: buy, match: [{{event: purchase}}]}}
"""


def shop(folder: Path, days: int) -> Workspace:
    """Twenty people who see something on each of ``days`` days; the first of them buys."""
    (folder / "journeys").mkdir()
    for name in ("shop", "shop again", "long"):
        (folder / "journeys" / f"{name}.yaml").write_text(JOURNEY.format(name=name), "utf-8")
    (folder / "painpoints.toml").write_text(CONFIG, "utf-8")
    lines = []
    for day in range(days):
        at = datetime(2026, 3, 1 + day, 8, tzinfo=UTC)
        for who in range(OURS + 1):
            lines.append(
                {
                    "event_date": f"{FIRST + timedelta(days=day):%Y%m%d}",
                    "event_timestamp": int(at.timestamp() + who) * 1_000_000,
                    "event_name": "view_item" if who < OURS else "purchase",
                    "user_pseudo_id": f"{day}-{who % OURS}",
                    "event_params": [{"key": "ga_session_id", "value": {"int_value": 1}}],
                }
            )
    (folder / "ga4.jsonl").write_text("".join(json.dumps(each) + "\n" for each in lines), "utf-8")
    workspace = open_workspace(folder)
    steps.pull(workspace)
    return workspace


def report(
    workspace: Workspace,
    day: int,
    counts: Mapping[str, int] | bytes,
    *,
    dataset: str = COUNTS_DATASET,
    lines: Sequence[Mapping[str, Any]] | None = None,
    **flags: str,
) -> None:
    """Land a report of the n-th day, as a pull of the Data API does."""
    lake = workspace.source_lake("ga4")
    if lines is None and not isinstance(counts, bytes):
        lines = [{"event_name": name, "event_count": count} for name, count in counts.items()]
    text = (
        counts if isinstance(counts, bytes) else "".join(json.dumps(e) + "\n" for e in lines or ()).encode()
    )
    path = lake.incoming_folder() / "report.jsonl.gz"
    path.write_bytes(gzip.compress(text, mtime=0) if text else b"")
    day_of_it = FIRST + timedelta(days=day)
    incoming = [Incoming(day_of_it, dataset, path, len(lines or ()))]
    lake.land_day(day_of_it, dataset, incoming, origin="test", seen_at=datetime.now(UTC), flags=flags)


def built(workspace: Workspace) -> duckdb.DuckDBPyConnection:
    steps.build(workspace, publishes=False)
    steps.detect(workspace)
    return duckdb.connect(str(workspace.published), read_only=True)


HOME = {"time_zone": "Asia/Kolkata"}
CASES: list[tuple[str, dict[str, int], dict[str, str], dict[str, str]]] = [
    ("as many", {"view_item": OURS, "purchase": 1}, HOME, {"view_item": "equal"}),
    (
        "a zone by its old name",
        {"view_item": 90},
        {"time_zone": "Asia/Calcutta"},
        {"view_item": "unexplained"},
    ),
    ("another zone", {"view_item": 90}, {"time_zone": "Europe/Madrid"}, {"view_item": "zone"}),
    ("a zone nobody knows", {"view_item": 90}, {"time_zone": "Mars/Phobos"}, {"view_item": "zone"}),
    (
        "what is not named does not explain what we lost",
        {"view_item": 90, "(other)": 4},
        HOME | {"other_row": "true"},
        {"view_item": "unexplained", "(other)": "(other)"},
    ),
    ("but what we have more", {"view_item": 9}, HOME | {"other_row": "true"}, {"view_item": "(other)"}),
    ("cut short", {"a": 1}, HOME | {"truncated": "true"}, {"view_item": "truncated", "a": "unexplained"}),
    ("empty for a reason", {}, HOME | {"empty_reason": "NO_DATA"}, {"view_item": "empty: NO_DATA"}),
]


def test_a_difference_is_excused_by_what_the_vendor_says_of_its_report(tmp_path: Path) -> None:
    workspace = shop(tmp_path, len(CASES))
    for day, (_, counts, flags, _) in enumerate(CASES):
        report(workspace, day, counts, **flags)
    with built(workspace) as db:
        for day, (name, _, _, expected) in enumerate(CASES):
            found = db.execute(
                "select event_name, reason from marts.reconciliation "
                "where day = ? and event_name <> 'purchase'",
                [FIRST + timedelta(days=day)],
            ).fetchall()
            assert dict(found) == expected, name
        told = db.execute(
            "select day - date '2026-03-01', detail from marts.tracking_health "
            "where check_name = 'counts_differ' order by day"
        ).fetchall()
        assert [day for day, _ in told] == [1, 4, 6, 7]
        assert told[-1][1].startswith("ours 21 events, the vendor 0, empty: NO_DATA; ")


def test_reports_that_never_hold_anything_are_compared_too(tmp_path: Path) -> None:
    workspace = shop(tmp_path, 2)
    for day in (0, 1):
        report(workspace, day, {}, **HOME)
    with built(workspace) as db:
        found = db.execute(
            "select distinct event_name, our_count, vendor_count, reason from marts.reconciliation "
            "order by all"
        ).fetchall()
        assert found == [("purchase", 1, 0, "unexplained"), ("view_item", OURS, 0, "unexplained")]
        warned = "select count(*) from marts.tracking_health where check_name = 'counts_differ'"
        assert db.execute(warned).fetchall() == [(2,)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"event_name": "view_item"}\n', "line 1 .*event_count"),
        (b'{"event_name": "view_item", "event_count": "many"}\n', "line 1 .*many"),
        (b'{"event_name": "a", "event_count": 1}\n{"event_na', "line 2"),
    ],
)
def test_a_damaged_report_is_told_and_heals_by_pulling_again(tmp_path: Path, line: bytes, said: str) -> None:
    workspace = shop(tmp_path, 1)
    report(workspace, 0, line, **HOME)
    with pytest.raises(LakeDamaged, match=said) as caught:
        steps.build(workspace, publishes=False)
    assert "date=2026-03-01" in str(caught.value)
    assert "Delete its folder and the source's files.json, then pull again" in str(caught.value)
    report(workspace, 0, {"view_item": OURS, "purchase": 1}, **HOME)
    with built(workspace) as db:
        assert db.execute("select distinct reason from marts.reconciliation").fetchall() == [("equal",)]


def funnel(journey: str, first: date) -> list[dict[str, Any]]:
    return [
        {
            "funnel": journey,
            "first_day": first.isoformat(),
            "step_number": number,
            "step": stage,
            "active_users": 50,
        }
        for number, stage in ((1, "see"), (2, "buy"))
    ]


def test_a_funnel_is_compared_only_where_its_days_have_landed(tmp_path: Path) -> None:
    workspace = shop(tmp_path, 3)
    lines = [
        *funnel("shop", FIRST),
        *funnel("shop again", FIRST),
        *funnel("long", FIRST - timedelta(days=25)),
    ]
    report(workspace, 2, {}, dataset=FUNNEL_DATASET, lines=lines, sampled="long: 5/9, shop: 40/100")
    with built(workspace) as db:
        found = db.execute(
            "select journey, min(reason), max(our_users) from marts.vendor_funnels "
            "group by journey order by 1"
        ).fetchall()
        assert found == [
            ("long", "only 3 of 28 days have landed", 60),
            ("shop", "sampled", 60),
            (
                "shop again",
                "the vendor counts users by its own reporting identity, modelled ones included",
                60,
            ),
        ]
