-- One row per source and day of the workspace: how many events came and what is to be said of them.
select
    e.source,
    local_day(e.event_us, s.timezone) as day,
    count(*) as events,
    sum(e.copies - 1) as duplicates,
    count(*) filter (where k.found_by = 'user') as named,
    count(*) filter (where k.found_by in ('session', 'owner')) as joined,
    count(*) filter (where k.found_by = 'device') as device_only,
    count(*) filter (where k.found_by = 'nobody') as nobody,
    -- a user id that names nobody: a placeholder, or a kiosk's
    count(*) filter (where e.user_id is not null and k.found_by <> 'user') as refused_ids,
    min(e.user_id) filter (where k.found_by <> 'user') as refused_id,
    count(*) filter (
        where e.value is not null and e.currency is not null and e.currency <> s.currency
            and x.currency is null
    ) as foreign_values
from staging.events as e
inner join intermediate.event_users as k on e.event_number = k.event_number
cross join config.settings as s
left join config.fx as x on e.currency = x.currency
group by e.source, local_day(e.event_us, s.timezone)
