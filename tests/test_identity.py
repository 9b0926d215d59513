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
from conftest import build_steps
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
    return build_steps(folder)


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
    with build_steps(folder) as db:
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
            "33 % of events name a user, 17 % are joined to one by session or device, 33 % have only a device"
        )
        assert told["user_id_refused"].startswith("1 of 6 events carry a user id that is a placeholder")
        assert '"guest"' in told["user_id_refused"]


def test_a_placeholder_in_the_place_of_a_device_is_no_device(tmp_path: Path) -> None:
    zeros = "00000000-0000-0000-0000-000000000000"
    lines = [
        # whoever has no device and no name is nobody, rather than one person with all the others
        *(
            line("Product Viewed", n, distinct_id=each)
            for n, each in enumerate(("null", "", "Guest ", zeros))
        ),
        line("Product Viewed", 5, distinct_id="undefined", **{"$device_id": "undefined"}),
        # the phone's advertising id is off; the tool's own id still tells the devices apart
        *(
            line(
                "Product Viewed", 10 + n, distinct_id=f"$device:x{n}", page=f"/x{n}", **{"$device_id": zeros}
            )
            for n in range(3)
        ),
    ]
    with publish(tmp_path, lines) as db:
        assert people(db) == {frozenset({f"/x{n}"}) for n in range(3)}
        nobody = db.execute("select count(*), count(device_id) from marts.events where user_key is null")
        assert nobody.fetchall() == [(5, 0)]


@pytest.mark.parametrize("kind", ["ga4", "table"])
def test_strangers_of_any_source_are_not_one_device(tmp_path: Path, kind: str) -> None:
    (tmp_path / "journeys").mkdir()
    (tmp_path / "journeys" / "shop.yaml").write_text(JOURNEY, "utf-8")
    devices = ["NULL", " ", "(not set)", "d1", "d2"]
    if kind == "ga4":
        config = '[sources.s]\nkind = "ga4"\nfiles = "a.jsonl"\n'
        rows = [
            {
                "event_date": "20260310",
                "event_timestamp": START * 1_000_000 + n,
                "event_name": name,
                "user_pseudo_id": each,
                "event_params": [{"key": "ga_session_id", "value": {"int_value": 1}}],
            }
            for n, each in enumerate(devices)
            for name in ("Product Viewed", "Order Completed")
        ]
        (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    else:
        config = (
            '[sources.s]\nkind = "table"\nfiles = "a.csv"\n'
            'columns = {event_at = "at", event_name = "what", device_id = "device"}\n'
        )
        cells = [f"2026-03-10 10:00:0{n},{name},{each}" for n, each in enumerate(devices)
                 for name in ("Product Viewed", "Order Completed")]  # fmt: skip
        (tmp_path / "a.csv").write_text("\n".join(["at,what,device", *cells]), "utf-8")
    (tmp_path / "painpoints.toml").write_text(config, "utf-8")
    with build_steps(tmp_path) as db:
        found = db.execute(
            "select device_id, count(distinct user_key), count(session_id), count(*) from marts.events "
            "group by device_id order by device_id nulls first"
        ).fetchall()
        assert found == [(None, 0, 0, 6), ("d1", 1, 2, 2), ("d2", 1, 2, 2)]


A, B = "11111111-aaaa-4aaa-8aaa-000000000001", "22222222-bbbb-4bbb-8bbb-000000000002"
UUID_USER = "33333333-cccc-4ccc-8ccc-000000000003"


def test_a_merge_of_two_devices_leaves_them_with_their_owner(tmp_path: Path) -> None:
    lines = [
        line("Product Viewed", 0, distinct_id=A, page="/a", **{"$device_id": A}),
        line("Product Viewed", 2, distinct_id=B, page="/b", **{"$device_id": B}),
        line("Product Viewed", 5, distinct_id="anna", page="/in", **{"$device_id": B, "$user_id": "anna"}),
        line("Product Viewed", 6, distinct_id="ben", page="/ben", **{"$device_id": A, "$user_id": "ben"}),
        line("$merge", 9, **{"$distinct_ids": [A, B]}),
        # nobody owns these two
        line("Product Viewed", 20, distinct_id=OLD_DEVICE, page="/old"),
        line("Product Viewed", 21, distinct_id=NEW_DEVICE, page="/new"),
        line("$merge", 22, **{"$distinct_ids": [OLD_DEVICE, NEW_DEVICE]}),
    ]
    with publish(tmp_path, lines) as db:
        # anna was the first to say who she is on either of them
        groups = {frozenset({"/a", "/b", "/in"}), frozenset({"/ben"}), frozenset({"/old", "/new"})}
        assert people(db) == groups


def test_a_user_id_that_looks_like_a_device_is_a_user_all_the_same(tmp_path: Path) -> None:
    lines = [
        line("Product Viewed", 0, distinct_id=A, page="/before", **{"$device_id": A}),
        line(
            "Product Viewed",
            60,
            distinct_id=UUID_USER,
            page="/in",
            **{"$device_id": B, "$user_id": UUID_USER},
        ),
        # of an older library: nothing but the distinct id
        line("Product Viewed", 90, distinct_id=UUID_USER, page="/old-library"),
        line("$merge", 99, **{"$distinct_ids": [A, UUID_USER]}),
    ]
    with publish(tmp_path, lines) as db:
        assert people(db) == {frozenset({"/before", "/in", "/old-library"})}
        key = db.execute("select distinct user_key from marts.events where page = '/before'").fetchall()
        assert key == [(hashlib.md5(f"user|{UUID_USER}".encode()).hexdigest()[:15],)]


def test_merges_with_a_kiosk_make_nobody_of_those_who_stood_there(tmp_path: Path) -> None:
    lines = []
    for n in range(101):
        lines += [
            line("Product Viewed", n, distinct_id="till", **{"$device_id": f"till{n}", "$user_id": "till"}),
            line("Product Viewed", 1000 + n, distinct_id=f"$device:till{n}", page=f"/{n}"),
            line("$merge", 2000 + n, **{"$distinct_ids": [f"$device:till{n}", "till"]}),
        ]
    with publish(tmp_path, lines) as db:
        assert people(db) == {frozenset({f"/{n}"}) for n in range(101)}


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
        expected[start] = (users[0] if users else min(seen), bool(users), len(seen), len(seen) > limit)
    for frame in frames:
        assert {
            row.id_number: (row.person_number, row.has_user, row.members, row.is_too_large)
            for row in frame.itertuples()
        } == expected


def clustered(links: list[tuple[int, int]], limit: int) -> pd.DataFrame:
    columns = {
        "first_number": pd.Series([a for a, _ in links], dtype="int64"),
        "first_is_device": pd.Series([a < 5 for a, _ in links], dtype="bool"),
        "second_number": pd.Series([b for _, b in links], dtype="int64"),
        "second_is_device": pd.Series([b < 5 for _, b in links], dtype="bool"),
    }
    return cluster_ids(pd.DataFrame(columns), limit)
