-- One row per source, quarter of an hour and user id that names nobody (a placeholder's, or a kiosk's; NULL for all
-- other events): how many events came and what is to be said of them.
-- The zone is asked once a quarter, the least by which zones differ, not once an event.
-- adds up: events, duplicates, named, joined, device_only, nobody, foreign_values of identified_events
select
    e.source,
    e.event_us // 900000000 as quarter,
    case when e.found_by <> 'user' then e.user_id end as refused_id,
    count(*) as events,
    sum(e.copies - 1)::bigint as duplicates,
    count(*) filter (where e.found_by = 'user') as named,
    count(*) filter (where e.found_by in ('session', 'owner')) as joined,
    count(*) filter (where e.found_by = 'device') as device_only,
    count(*) filter (where e.found_by = 'nobody') as nobody,
    count(*) filter (
        where e.value is not null and e.currency is not null and e.currency <> s.currency
            and x.currency is null
    ) as foreign_values
from intermediate.identified_events as e
cross join config.settings as s
left join config.fx as x on e.currency = x.currency
group by e.source, e.event_us // 900000000, case when e.found_by <> 'user' then e.user_id end
