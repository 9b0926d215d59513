-- One row per source and day of the workspace: how many events came and what is to be said of them.
with quarters as (
    -- the zone is asked once a quarter of an hour, the least by which zones differ, not once an event
    select
        e.source,
        e.event_us // 900000000 as quarter,
        count(*) as events,
        sum(e.copies - 1) as duplicates,
        count(*) filter (where e.found_by = 'user') as named,
        count(*) filter (where e.found_by in ('session', 'owner')) as joined,
        count(*) filter (where e.found_by = 'device') as device_only,
        count(*) filter (where e.found_by = 'nobody') as nobody,
        -- a user id that names nobody: a placeholder, or a kiosk's
        count(*) filter (where e.user_id is not null and e.found_by <> 'user') as refused_ids,
        min(e.user_id) filter (where e.found_by <> 'user') as refused_id,
        count(*) filter (
            where e.value is not null and e.currency is not null and e.currency <> s.currency
                and x.currency is null
        ) as foreign_values
    from intermediate.identified_events as e
    cross join config.settings as s
    left join config.fx as x on e.currency = x.currency
    group by e.source, e.event_us // 900000000
),
daily as (
    select
        q.source,
        d.day,
        sum(q.events)::bigint as events,
        sum(q.duplicates)::bigint as duplicates,
        sum(q.named)::bigint as named,
        sum(q.joined)::bigint as joined,
        sum(q.device_only)::bigint as device_only,
        sum(q.nobody)::bigint as nobody,
        sum(q.refused_ids)::bigint as refused_ids,
        min(q.refused_id) as refused_id,
        sum(q.foreign_values)::bigint as foreign_values
    from quarters as q
    inner join intermediate.tracking_quarters as d on q.quarter = d.quarter
    group by q.source, d.day
)
select * from daily
