-- One row per UTC day of the sessions: how far the workspace's clocks are ahead of UTC on it; NULL where that changes
-- from its beginning to its end, and where days are counted backwards. A day is told by it several times faster
-- than by the rules of a time zone.
-- grows: whole
with spans as (
    select min(started_us) as first_us, max(ended_us) as last_us from intermediate.session_spans
),
days as (
    select unnest(generate_series(first_us // 86400000000, last_us // 86400000000)) as utc_day from spans
),
told as (
    select
        d.utc_day,
        zone_offset_us(d.utc_day * 86400000000, s.timezone) as first_offset_us,
        zone_offset_us((d.utc_day + 1) * 86400000000, s.timezone) as last_offset_us
    from days as d
    cross join config.settings as s
)
select
    utc_day,
    -- clocks behind UTC count the first days of 1970 backwards
    case when first_offset_us = last_offset_us and utc_day > 1 then first_offset_us end as offset_us
from told
