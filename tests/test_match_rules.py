"""Match rules in SQL against a plain reading of the rule, and what a user writes stays data."""

from __future__ import annotations

import json

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from models.journey import Condition, Rule
from models.journey_schema import glob_pattern, parse_rule, unescaped
from pipelines.engine_settings import EngineSettings
from pipelines.finding_sql import segment_filter
from pipelines.match_sql import like_pattern, rule_expression, with_properties
from pipelines.warehouse import open_warehouse

TEXT = st.text(st.sampled_from("ab*%_\\'\"/;-é🛒 ."), max_size=7)


def plain_match(glob: str, text: str) -> bool:
    """Only an unescaped star is special: recursion instead of patterns."""
    if not glob:
        return not text
    if glob.startswith("\\*"):
        return text.startswith("*") and plain_match(glob[2:], text[1:])
    if glob[0] == "*":
        return any(plain_match(glob[1:], text[n:]) for n in range(len(text) + 1))
    return bool(text) and text[0] == glob[0] and plain_match(glob[1:], text[1:])


@settings(max_examples=300)
@given(TEXT, st.lists(TEXT, min_size=1, max_size=6))
def test_globs_in_sql_equal_the_plain_reading(glob: str, texts: list[str]) -> None:
    condition = rule_expression([Rule((Condition("page", (glob,)),))], "e").sql("duckdb")
    rows = duckdb.execute(
        f"select page, coalesce({condition}, false) from (select unnest(?) as page) as e", [texts]
    ).fetchall()
    assert dict(rows) == {text: plain_match(glob, text) for text in texts}


@given(TEXT)
def test_text_without_a_star_is_literal(text: str) -> None:
    if glob_pattern(text) is None:
        assert unescaped(text) == text.replace("\\*", "*")
    else:
        assert like_pattern(text).count("%") >= 1


@given(st.dictionaries(TEXT.filter(bool), TEXT, min_size=1, max_size=4), TEXT.filter(bool))
def test_properties_of_any_name_are_found(properties: dict[str, str], wanted: str) -> None:
    with_sql = properties_matcher(wanted, "a")
    with open_warehouse(None, EngineSettings(threads=1, memory_limit="200MB")) as db:
        db.execute("create table intermediate.events as select 1 as event_number")
        db.execute(
            "create table staging.events as select 1 as event_number, ?::varchar as properties",
            [json.dumps(properties)],
        )
        found = bool(db.execute(with_sql).fetchall())
    assert found == (properties.get(wanted) == "a")


def properties_matcher(name: str, value: str) -> str:
    rule = Rule((Condition(f"properties.{name}", (value,)),))
    query = exp.select(exp.column("event_number", "e")).from_(
        exp.alias_(exp.table_("events", "intermediate"), "e", table=True)
    )
    return with_properties(query.where(rule_expression([rule], "e"))).sql("duckdb")


def test_keys_are_anded_and_lists_are_ored() -> None:
    rule = parse_rule({"event": ["a", "b*"], "device": "mobile", "is_new_user": True, "value": 5})
    condition = rule_expression([rule], "e").sql("duckdb")
    events = [
        ("a", "mobile", True, 5.0, True),
        ("bcd", "mobile", True, 5.0, True),
        ("a", "desktop", True, 5.0, False),
        ("a", "mobile", False, 5.0, False),
        ("a", "mobile", None, 5.0, False),
        ("a", "mobile", True, 6.0, False),
        (None, "mobile", True, 5.0, False),
    ]
    for name, device, new, value, expected in events:
        (row,) = duckdb.execute(
            f"select coalesce({condition}, false) from (select ?::varchar as event_name, "
            "?::varchar as device, ?::boolean as is_new_user, ?::double as value) as e",
            [name, device, new, value],
        ).fetchall()
        assert row == (expected,), (name, device, new, value)


@pytest.mark.parametrize("value", ["o'brien", "a\\", "'; drop table x; --", "%", None, "é🛒"])
def test_a_segment_s_filter_selects_exactly_its_value(value: str | None) -> None:
    predicate = segment_filter((("device", value),))
    others = ["other", "%%", "", None if value is not None else "x", value]
    rows = duckdb.execute(
        f"select device from (select unnest(?::varchar[]) as device) where {predicate}", [others]
    ).fetchall()
    assert rows == [(value,)]
