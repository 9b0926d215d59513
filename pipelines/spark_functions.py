"""Spark's forms of the functions in which the models differ from engine to engine.

One form for each macro of ``engine_functions``, of the same arguments. A moment is a struct that sorts as
the number does on DuckDB; no model shows one. The forms are put in the place of the calls
(``spark_dialect``) rather than made as functions of a session: Spark takes no SQL function in a lambda.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.placeholders import PLACEHOLDER_IDS

_PLACEHOLDERS = ", ".join("'" + each.replace("'", "''") + "'" for each in PLACEHOLDER_IDS)
_PAGE, _TRAFFIC = 2, 1


def _moment(us: str, seq: str, stage_class: str, flags: str) -> str:
    return f"named_struct('us', {us}, 'seq', {seq}, 'class', {stage_class}, 'flags', {flags})"


# name -> (parameters, expression). Names of lambdas begin with "_", as no column does; fields of a parameter
# are asked as (parameter).field, since parameter.field would be a column of a table.
SPARK_FUNCTIONS: Mapping[str, tuple[str, str]] = {
    "key_of": ("text", "cast(conv(substr(md5(text), 1, 15), 16, 10) as bigint)"),
    "key_text": ("number", "lpad(lower(hex(number)), 15, '0')"),
    "key_number": ("key", "cast(conv(key, 16, 10) as bigint)"),
    "moment": ("us", "cast(timestamp_micros(us) as timestamp_ntz)"),
    "local_day": ("us, zone", "cast(from_utc_timestamp(timestamp_micros(us), zone) as date)"),
    "utc_of_wall": ("us, zone", "unix_micros(to_utc_timestamp(timestamp_micros(us), zone))"),
    "zone_offset_us": ("us, zone", "unix_micros(from_utc_timestamp(timestamp_micros(us), zone)) - us"),
    "local_day_at": (
        "us, offset_us, zone",
        "case when offset_us is null then cast(from_utc_timestamp(timestamp_micros(us), zone) as date) "
        "else date_add(date '1970-01-01', cast((us + offset_us) div 86400000000 as int)) end",
    ),
    "is_device_id": (
        "id",
        "(startswith(id, '$device:') or id rlike '^[0-9a-fA-F]{6,}-[0-9a-fA-F-]{10,}$')",
    ),
    "real_id": ("id", f"case when lower(trim(id)) not in ({_PLACEHOLDERS}) then trim(id) end"),
    # Java reads "7d" and "7f" as numbers
    "money_of": (
        "cell",
        "case when abs(try_cast(cell as double)) < double('infinity') "
        "and not cast(cell as string) rlike '[dDfF] *$' then try_cast(cell as double) end",
    ),
    # a key may hold any character, which no JSON path of Spark's allows
    "property": ("properties, name", "try_element_at(from_json(properties, 'map<string,string>'), name)"),
    "of_visit": (
        "is_named, standing, session_tells, told",
        "case when is_named or session_tells is null then standing else told end",
    ),
    "moment_of": (
        "us, seq, class, has_page, has_traffic",
        _moment(
            "us",
            "cast(seq as bigint)",
            "cast(class as bigint)",
            f"(case when has_page then {_PAGE} else 0 end) "
            f"+ (case when has_traffic then {_TRAFFIC} else 0 end)",
        ),
    ),
    "moment_us": ("moment", "(moment).us"),
    "moment_seq": ("moment", "(moment).seq"),
    "moment_class": ("moment", "(moment).class"),
    "moment_in_journey": (
        "moment, factor, base",
        _moment("(moment).us", "(moment).seq", "((moment).class div factor) % base", "0"),
    ),
    "moments_with_page": ("moments", f"filter(moments, _m -> _m.flags >= {_PAGE})"),
    "moments_with_traffic": ("moments", f"filter(moments, _m -> _m.flags % {_PAGE} = {_TRAFFIC})"),
    "moments_in_stages": ("moments", "filter(moments, _m -> _m.class > 0)"),
    "moments_in_journey": (
        "moments, factor, base",
        f"transform(moments, _m -> {_moment('_m.us', '_m.seq', '(_m.class div factor) % base', '0')})",
    ),
    "is_any_in_journey": (
        "moments, factor, base",
        "exists(moments, _m -> (_m.class div factor) % base > 0)",
    ),
    "starts_after_gaps": (
        "moments, gap_us",
        "filter(sequence(1, size(moments)), _p -> _p = 1 or (element_at(moments, _p)).us "
        "- (element_at(moments, greatest(_p - 1, 1))).us > gap_us)",
    ),
    "starts_of_runs": (
        "moments",
        "filter(sequence(1, size(moments)), _p -> _p = 1 or (element_at(moments, _p)).class "
        "<> (element_at(moments, greatest(_p - 1, 1))).class)",
    ),
    "cut_at": (
        "items, starts",
        "transform(starts, (_s, _n) -> slice(items, _s, "
        "coalesce(try_element_at(starts, _n + 2), size(items) + 1) - _s))",
    ),
    "first_of_parts": ("items, starts", "transform(starts, _s -> element_at(items, _s))"),
    "last_of_parts": (
        "items, starts",
        "transform(starts, (_s, _n) -> element_at(items, "
        "coalesce(try_element_at(starts, _n + 2) - 1, size(items))))",
    ),
    "lengths_of_parts": (
        "items, starts",
        "transform(starts, (_s, _n) -> coalesce(try_element_at(starts, _n + 2), size(items) + 1) - _s)",
    ),
    "stages_of_moments": ("moments", "transform(moments, _m -> cast(_m.class as int))"),
    "times_of_moments": ("moments", "transform(moments, _m -> _m.us)"),
    "moments_until": ("moments, us", "size(filter(moments, _m -> _m.us <= us))"),
    "place_in": ("items, item", "nullif(array_position(items, item), 0)"),
    "place_from": (
        "items, place, item",
        "nullif(array_position(slice(items, cast(place as int), size(items)), item), 0) + place - 1",
    ),
    "items_after": (
        "items, place",
        "slice(items, cast(place + 1 as int), size(items))",
    ),
    "runs_of": (
        "items, item",
        "size(filter(sequence(1, size(items)), _p -> element_at(items, _p) = item "
        "and (_p = 1 or element_at(items, greatest(_p - 1, 1)) <> item)))",
    ),
    "lowest_of": ("items", "array_min(items)"),
    "highest_among": ("items, wanted", "array_max(filter(items, _i -> array_contains(wanted, _i)))"),
    "step_of": (
        "visit_number, stage_number, us",
        "named_struct('visit', visit_number, 'stage', stage_number, 'us', us)",
    ),
    "stages_of_steps": ("steps", "transform(steps, _t -> cast(_t.stage as int))"),
    "times_of_steps": ("steps", "transform(steps, _t -> _t.us)"),
    "place_of": ("seq, event_number", "named_struct('seq', cast(seq as bigint), 'number', event_number)"),
    "number_in": ("place", "(place).number"),
}
