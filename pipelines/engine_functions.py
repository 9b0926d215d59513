"""The few functions in which the models differ from engine to engine: SQL functions on each of them."""

from __future__ import annotations

from pipelines.placeholders import PLACEHOLDER_IDS

_PLACEHOLDERS = ", ".join("'" + each.replace("'", "''") + "'" for each in PLACEHOLDER_IDS)

# A moment is an event as one number: its time (microseconds since 1970, UTC), its order within that time,
# its stage in every journey, and two flags. Numbers sort several times faster than rows, and lists of them
# are cut and filtered without looking anything up.
MOST_CLASSES = 2**41
_CLASS, _SEQ, _TIME = 2, 43, 67
_HAS_TRAFFIC, _HAS_PAGE = 1, 2

STAGING_FUNCTIONS = (
    # 60 bits of an MD5 as an integer: a portable digest, fast to join; collisions are checked
    "create or replace macro key_of(text) as ('0x' || substr(md5(text), 1, 15))::bigint",
    "create or replace macro key_number(key) as ('0x' || key)::bigint",
    "create or replace macro moment(us) as make_timestamp(us::bigint)",
    "create or replace macro local_day(us, zone) as "
    "(make_timestamp(us::bigint) at time zone 'UTC' at time zone zone)::date",
    "create or replace macro utc_of_wall(us, zone) as epoch_us(make_timestamp(us::bigint) at time zone zone)",
    # an id that a tool made up for a device (Mixpanel's "$device:" ids, UUIDs), rather than a person's
    "create or replace macro is_device_id(id) as "
    "starts_with(id, '$device:') or regexp_matches(id, '^[0-9a-fA-F]{6,}-[0-9a-fA-F-]{10,}$')",
    # an id as sent, NULL where it is empty or a placeholder that strangers share
    "create or replace macro real_id(id) as "
    f"case when lower(trim(id)) not in ({_PLACEHOLDERS}) then trim(id) end",
    # money is a number: NaN, and what is beyond all numbers, would spoil every sum
    "create or replace macro money_of(cell) as "
    "case when isfinite(try_cast(cell as double)) then try_cast(cell as double) end",
    # a key may hold any character: a JSON pointer (RFC 6901), in which none is a wildcard
    "create or replace macro property(properties, name) as json_extract_string("
    "properties::json, '/' || replace(replace(name, '~', '~0'), '/', '~1'))",
)

# What only models ask; a change of these stages no day anew.
_MODEL_FUNCTIONS = (
    # a key as it is shown: 15 hexadecimal digits; to_base fills them up in half the time of lpad
    "create or replace macro key_text(number) as lower(to_base(number::bigint, 16, 15))",
    # how far the clocks of a zone are ahead of UTC at a moment; the day of a moment by what is known of that
    # (NULL: by the rules of the zone)
    "create or replace macro zone_offset_us(us, zone) as "
    "epoch_us(make_timestamp(us::bigint) at time zone 'UTC' at time zone zone) - us",
    "create or replace macro local_day_at(us, offset_us, zone) as case when offset_us is null "
    "then local_day(us, zone) else date '1970-01-01' + ((us + offset_us) // 86400000000)::integer end",
    # where an event's visit came from: what it says itself, else what its session tells, else what stands
    "create or replace macro of_visit(is_named, standing, session_tells, told) as "
    "case when is_named or session_tells is null then standing else told end",
    # --- moments
    "create or replace macro moment_of(us, seq, class, has_page, has_traffic) as "
    f"(us::hugeint << {_TIME}) | (seq::hugeint << {_SEQ}) | ((class::bigint << {_CLASS}) | "
    f"(case when has_page then {_HAS_PAGE} else 0 end) | "
    f"(case when has_traffic then {_HAS_TRAFFIC} else 0 end))::hugeint",
    f"create or replace macro moment_us(moment) as (moment >> {_TIME})::bigint",
    f"create or replace macro moment_seq(moment) as ((moment >> {_SEQ}) & {2 ** (_TIME - _SEQ) - 1})::bigint",
    f"create or replace macro moment_class(moment) as ((moment >> {_CLASS}) & {MOST_CLASSES - 1})::bigint",
    # the same moment with its stage in one journey for a class
    "create or replace macro moment_in_journey(moment, factor, base) as "
    f"((moment >> {_SEQ}) << {_SEQ}) | (((moment_class(moment) // factor) % base) << {_CLASS})::hugeint",
    "create or replace macro moments_with_page(moments) as "
    f"list_filter(moments, lambda moment: moment & {_HAS_PAGE} <> 0)",
    "create or replace macro moments_with_traffic(moments) as "
    f"list_filter(moments, lambda moment: moment & {_HAS_TRAFFIC} <> 0)",
    "create or replace macro moments_in_stages(moments) as "
    "list_filter(moments, lambda moment: moment_class(moment) > 0)",
    "create or replace macro moments_in_journey(moments, factor, base) as "
    "list_transform(moments, lambda moment: moment_in_journey(moment, factor, base))",
    "create or replace macro is_any_in_journey(moments, factor, base) as len(list_filter(moments, "
    "lambda moment: (moment_class(moment) // factor) % base > 0)) > 0",
    # places (from 1) in an ordered list at which a new part starts, and the list cut there
    "create or replace macro starts_after_gaps(moments, gap_us) as list_filter(range(1, len(moments) + 1), "
    "lambda place: place = 1 or moment_us(moments[place]) - moment_us(moments[place - 1]) > gap_us)",
    "create or replace macro starts_of_runs(moments) as list_filter(range(1, len(moments) + 1), "
    "lambda place: place = 1 or moment_class(moments[place]) <> moment_class(moments[place - 1]))",
    "create or replace macro cut_at(items, starts) as list_transform(starts, "
    "lambda start, n: items[start : coalesce(starts[n + 1] - 1, len(items))])",
    "create or replace macro first_of_parts(items, starts) as "
    "list_transform(starts, lambda start: items[start])",
    "create or replace macro last_of_parts(items, starts) as list_transform(starts, "
    "lambda start, n: items[coalesce(starts[n + 1] - 1, len(items))])",
    "create or replace macro lengths_of_parts(items, starts) as list_transform(starts, "
    "lambda start, n: (coalesce(starts[n + 1], len(items) + 1) - start)::integer)",
    "create or replace macro stages_of_moments(moments) as "
    "list_transform(moments, lambda moment: moment_class(moment)::integer)",
    "create or replace macro times_of_moments(moments) as "
    "list_transform(moments, lambda moment: moment_us(moment))",
    # how many of the ordered moments are not after a time
    "create or replace macro moments_until(moments, us) as "
    "len(list_filter(moments, lambda moment: moment_us(moment) <= us))",
    # the first place (from 1) of an item in a list, at or after a place; NULL where it is not there
    "create or replace macro place_in(items, item) as nullif(list_position(items, item), 0)",
    "create or replace macro place_from(items, place, item) as "
    "nullif(list_position(items[place:], item), 0) + place - 1",
    # the items after a place; how often a list comes to an item anew; the lowest, the highest of those wanted
    "create or replace macro items_after(items, place) as items[place + 1:]",
    "create or replace macro runs_of(items, item) as len(list_filter(range(1, len(items) + 1), "
    "lambda place: items[place] = item and (place = 1 or items[place - 1] <> item)))",
    "create or replace macro lowest_of(items) as list_min(items)",
    "create or replace macro highest_among(items, wanted) as "
    "list_max(list_filter(items, lambda each: list_contains(wanted, each)))",
    # a step of an attempt: which visit, to which stage, when; a list of them sorts by visit
    "create or replace macro step_of(visit_number, stage_number, us) as "
    "(visit_number::hugeint << 76) | (stage_number::hugeint << 60) | us::hugeint",
    "create or replace macro stages_of_steps(steps) as "
    "list_transform(steps, lambda step: ((step >> 60) & 65535)::integer)",
    f"create or replace macro times_of_steps(steps) as "
    f"list_transform(steps, lambda step: (step & {2**60 - 1})::bigint)",
    # an event's order among those of one time: the vendor's, then the digest
    "create or replace macro place_of(seq, event_number) as (seq::hugeint << 60) | event_number::hugeint",
    f"create or replace macro number_in(place) as (place & {2**60 - 1})::bigint",
)

FUNCTIONS = (*STAGING_FUNCTIONS, *_MODEL_FUNCTIONS)
