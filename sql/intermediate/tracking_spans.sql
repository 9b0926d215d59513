-- One row per source: its whole days in the workspace's time zone, the first and the last.
-- A day counts once the source's landed days reach over all of it; what came first may have begun at noon.
with bounds as (
    select
        source,
        min(day) filter (where not coalesce(is_to_come, false)) as first_landed,
        max(ends_us) filter (where is_complete) as ends_us
    from lake.days
    group by source
),
seen as (
    select source, min(day) as first_day
    from intermediate.tracking_event_counts
    group by source
)
select
    b.source,
    s.first_day,
    local_day(b.ends_us, c.timezone) - 1 as last_day
from bounds as b
inner join seen as s on b.source = s.source
cross join config.settings as c
where b.ends_us is not null
