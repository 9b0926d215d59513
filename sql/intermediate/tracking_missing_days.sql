-- One row per source that delivers by day and day of the workspace of which it delivered nothing, or at most a part.
-- A day of the source's zone covers the workspace's days of which it is at least six hours.
with missing as (
    select b.source, c.day, k.timezone
    from (
        select source, min(day) as first_day, max(day) as last_day
        from lake.days
        where not coalesce(is_to_come, false)
        group by source
    ) as b
    inner join config.sources as k on b.source = k.source and k.kind in ('ga4', 'mixpanel')
    inner join config.calendar as c on c.day between b.first_day and b.last_day
    left join lake.days as l on b.source = l.source and c.day = l.day
    where l.day is null
),
bounded as (
    select
        source, day as source_day,
        utc_of_wall(epoch_us(day::timestamp), timezone) as starts_us,
        utc_of_wall(epoch_us((day + 1)::timestamp), timezone) as ends_us
    from missing
),
covered as (
    select b.source, b.source_day, local_day(b.starts_us + 21600000000, s.timezone) as day
    from bounded as b
    cross join config.settings as s
    union
    select b.source, b.source_day, local_day(b.ends_us - 21600000000, s.timezone) as day
    from bounded as b
    cross join config.settings as s
)
select distinct source, source_day, day from covered
