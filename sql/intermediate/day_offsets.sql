-- One row per UTC day on which a session starts or ends: how far the workspace's clocks are ahead of UTC on it; NULL
-- where that changes from its beginning to its end. A day is told by it several times faster than by the rules of a
-- time zone, which are asked for all other days.
-- grows: whole
with days as (
    select started_us // 86400000000 as utc_day from intermediate.session_spans
    union
    select ended_us // 86400000000 as utc_day from intermediate.session_spans
),
told as (
    select
        d.utc_day,
        zone_offset_us(d.utc_day * 86400000000, s.timezone) as first_offset_us,
        zone_offset_us((d.utc_day + 1) * 86400000000, s.timezone) as last_offset_us
    from days as d
    cross join config.settings as s
    -- before, clocks behind UTC count days backwards; what comes after 2200 is no time
    where d.utc_day between 2 and 84006
)
select utc_day, case when first_offset_us = last_offset_us then first_offset_us end as offset_us from told
