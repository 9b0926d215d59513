"""Who is one person: logins, merges of the vendors, and the guards that keep people apart."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
from conftest import run_steps
from hypothesis import given
from hypothesis import strategies as st

from models.clusters import cluster_ids
from pipelines import journey_tables

JOURNEY = """\
journey: shop
stages:
  - {name: see, match: [{event: "Product Viewed"}]}
  - {name: buy, match: [{event: "Order Completed"}]}
"""
START = 1773140400  # 2026-03-10 11:00 UTC
OLD_DEVICE, NEW_DEVICE = "17a2b3c4d5e6f-0a1b2c3d4e5f6a-1f2e3d4c", "18ffeeddccbbaa-99887766554433-aa"


def line(name: str, second: int, **properties: Any) -> str:
    place = {"time": START + second, "$insert_id": f"i{second}-{name}-{sorted(properties.items())}"}
    return json.dumps({"event": name, "properties": place | properties})


def publish(folder: Path, lines: list[str], config: str = "") -> duckdb.DuckDBPyConnection:
    (folder / "journeys").mkdir(parents=True)
    (folder / "exports").mkdir()
    (folder / "journeys" / "shop.yaml").write_text(JOURNEY, "utf-8")
    # the goal needs an event, by somebody who is nobody of the test
    lines = [*lines, line("Order Completed", 99, distinct_id="$device:else")]
    (folder / "exports" / "day.jsonl").write_text("\n".join(lines), "utf-8")
    text = '[sources.mixpanel]\nfiles = "exports/*.jsonl"\n' + config
    (folder / "painpoints.toml").write_text(text, "utf-8")
    return run_steps(folder)


def people(db: duckdb.DuckDBPyConnection) -> set[frozenset[str]]:
    """The names of the pages seen, grouped by who saw them: each event below names itself by its page."""
    found = db.execute(
        "select user_key, list(page order by page) from marts.events where page is not null group by user_key"
    ).fetchall()
    return {frozenset(pages) for _, pages in found}


def test_identify_of_the_original_merge_gives_the_steps_before_it_to_the_user(tmp_path: Path) -> None:
    lines = [
        line("Product Viewed", 0, distinct_id=OLD_DEVICE, page="/before"),
        line(
            "$identify",
            10,
            distinct_id="anna",
            **{"$identified_id": "anna", "$anon_id": OLD_DEVICE},
        ),
        line("Order Completed", 20, distinct_id="anna", page="/after"),
        line("Product Viewed", 30, distinct_id=NEW_DEVICE, page="/somebody-else"),
    ]
    with publish(tmp_path, lines) as db:
        assert people(db) == {frozenset({"/before", "/after"}), frozenset({"/somebody-else"})}
        outcome = db.execute("select outcome, path from marts.attempts order by 1, 2").fetchall()
        assert ("converted", "see>buy") in outcome


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_merges_and_aliases_join_users_and_devices_whatever_their_order(tmp_path: Path, seed: int) -> None:
    lines = [
        line("Product Viewed", 0, distinct_id=OLD_DEVICE, page="/a-device"),
        line("Product Viewed", 1, distinct_id="anna", page="/anna"),
        line("Product Viewed", 2, distinct_id="anna@shop.example", page="/anna-mail"),
        line("Product Viewed", 3, distinct_id="A-77", page="/anna-number"),
        line("Product Viewed", 4, distinct_id="ben", page="/ben"),
        line("Product Viewed", 5, distinct_id="null", page="/nobody"),
        line("$merge", 6, **{"$distinct_ids": ["anna", OLD_DEVICE]}),
        line("$create_alias", 7, distinct_id="anna@shop.example", alias="anna"),
        line("$merge", 8, **{"$distinct_ids": ["A-77", "anna@shop.example"]}),
        # placeholders glue nobody together
        line("$merge", 9, **{"$distinct_ids": ["ben", "null"]}),
        line("$merge", 10, **{"$distinct_ids": ["null", "anna"]}),
    ]
    random.Random(seed).shuffle(lines)
    with publish(tmp_path, lines) as db:
        anna = frozenset({"/a-device", "/anna", "/anna-mail", "/anna-number"})
        assert anna in people(db)
        assert frozenset({"/ben"}) in people(db)
        keys = db.execute("select user_key from marts.events where page = '/anna'").fetchall()
    digests = (hashlib.md5(f"user|{each}".encode()).hexdigest()[:15] for each in ANNA)
    assert keys == [(min(digests),)]


ANNA = ("anna", "anna@shop.example", "A-77")


def test_a_chain_of_merges_longer_than_a_person_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journey_tables, "IDS_PER_PERSON_LIMIT", 4)
    names = [f"user{n}" for n in range(6)]
    lines = [line("Product Viewed", n, distinct_id=name, page=f"/{name}") for n, name in enumerate(names)]
    lines += [
        line("$merge", 100 + n, **{"$distinct_ids": [names[n], names[n + 1]]}) for n in range(len(names) - 1)
    ]
    lines += [
        line("Product Viewed", 50, distinct_id="carl", page="/carl"),
        line("Product Viewed", 51, distinct_id="carla", page="/carla"),
        line("$merge", 200, **{"$distinct_ids": ["carl", "carla"]}),
    ]
    with publish(tmp_path, lines) as db:
        apart = {frozenset({f"/{name}"}) for name in names}
        assert people(db) == apart | {frozenset({"/carl", "/carla"})}
        told = db.execute(
            "select status, detail from marts.tracking_health where check_name = 'merge_too_large'"
        ).fetchall()
        assert len(told) == 1
        assert told[0][0] == "warning"
        assert "up to 6 ids" in told[0][1]


def test_a_person_is_one_across_tools_and_devices_and_a_shared_device_joins_nobody(tmp_path: Path) -> None:
    lines = [
        line("Product Viewed", 0, distinct_id="$device:d1", page="/phone", **{"$device_id": "d1"}),
        line(
            "Product Viewed",
            60,
            distinct_id="anna",
            page="/phone-in",
            **{"$device_id": "d1", "$user_id": "anna"},
        ),
        line(
            "Product Viewed",
            120,
            distinct_id="anna",
            page="/laptop",
            **{"$device_id": "d2", "$user_id": "anna"},
        ),
    ]
    for n in range(7):  # seven people on the computer of a library
        who = {"$device_id": "kiosk", "$user_id": f"reader{n}"}
        lines.append(line("Product Viewed", 9000 + n, distinct_id=f"reader{n}", page=f"/r{n}", **who))
    lines.append(
        line("Product Viewed", 20_000, distinct_id="$device:kiosk", page="/kiosk", **{"$device_id": "kiosk"})
    )
    config = (
        '[sources.crm]\nkind = "table"\nfiles = "exports/*.csv"\n'
        'columns = {event_at = "at", event_name = "what", user_id = "who", page = "page"}\n'
    )
    folder = tmp_path / "w"
    (tmp_path / "w" / "exports").mkdir(parents=True)
    (folder / "exports" / "crm.csv").write_text(
        "at,what,who,page\n2026-03-10 15:00:00,call,anna,/call\n", "utf-8"
    )
    (folder / "journeys").mkdir()
    (folder / "journeys" / "shop.yaml").write_text(JOURNEY.replace("Order Completed", "call"), "utf-8")
    (folder / "exports" / "day.jsonl").write_text("\n".join(lines), "utf-8")
    (folder / "painpoints.toml").write_text(
        '[sources.mixpanel]\nfiles = "exports/*.jsonl"\n' + config, "utf-8"
    )
    with run_steps(folder) as db:
        found = people(db)
        assert frozenset({"/phone", "/phone-in", "/laptop", "/call"}) in found
        assert {frozenset({f"/r{n}"}) for n in range(7)} <= found
        assert frozenset({"/kiosk"}) in found


def test_the_coverage_of_identities_is_told_for_each_day(tmp_path: Path) -> None:
    lines = [
        line("Product Viewed", 0, distinct_id="anna", page="/1", **{"$user_id": "anna", "$device_id": "d1"}),
        line("Order Completed", 1, distinct_id="anna", page="/2", **{"$user_id": "anna", "$device_id": "d1"}),
        line("Product Viewed", 2, distinct_id="$device:d1", page="/3", **{"$device_id": "d1"}),
        line("Product Viewed", 3, distinct_id="$device:d9", page="/4", **{"$device_id": "d9"}),
        line("Product Viewed", 4, distinct_id="guest", page="/5", **{"$user_id": "guest"}),
    ]
    with publish(tmp_path, lines) as db:
        told = dict(db.execute("select check_name, detail from marts.tracking_health").fetchall())
        assert told["identity_coverage"] == (
            "33 % of events name a user, 17 % are joined to one by session or device, 50 % have only a device"
        )
        assert told["user_id_refused"].startswith("1 of 6 events carry a user id that is a placeholder")
        assert '"guest"' in told["user_id_refused"]


LINKS = st.lists(
    st.tuples(st.integers(0, 14), st.integers(0, 14)).filter(lambda p: p[0] != p[1]), max_size=20
)


@given(links=LINKS, limit=st.integers(2, 8), seed=st.integers(0, 99))
def test_clusters_equal_those_of_a_plain_search_and_ignore_the_order(
    links: list[tuple[int, int]], limit: int, seed: int
) -> None:
    """Ids below 5 are devices; the oracle walks the links from each id."""
    turned = [pair if random.Random(f"{seed} {pair}").random() < 0.5 else pair[::-1] for pair in links]
    random.Random(seed).shuffle(turned)
    frames = [clustered(links, limit), clustered(turned, limit)]
    expected = {}
    for start in {each for pair in links for each in pair}:
        seen, waiting = {start}, [start]
        while waiting:
            here = waiting.pop()
            near = {b for a, b in links if a == here} | {a for a, b in links if b == here}
            waiting += near - seen
            seen |= near
        users = sorted(each for each in seen if each >= 5)
        expected[start] = (users[0] if users else min(seen), len(seen), len(seen) > limit)
    for frame in frames:
        assert {
            row.id_number: (row.person_number, row.members, row.is_too_large) for row in frame.itertuples()
        } == expected


def clustered(links: list[tuple[int, int]], limit: int) -> pd.DataFrame:
    columns = {
        "first_number": pd.Series([a for a, _ in links], dtype="int64"),
        "first_is_device": pd.Series([a < 5 for a, _ in links], dtype="bool"),
        "second_number": pd.Series([b for _, b in links], dtype="int64"),
        "second_is_device": pd.Series([b < 5 for _, b in links], dtype="bool"),
    }
    return cluster_ids(pd.DataFrame(columns), limit)
