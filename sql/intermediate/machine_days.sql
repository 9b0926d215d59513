-- One row per device and day (UTC) with more events than a person makes.
-- renewed by: device_number of staging.events, since
with counted as (
    select device_number, count(*) as events
    from staging.events
    where device_number is not null
    group by device_number
),
busy as (
    -- few devices send so many in all their days together
    select c.device_number, s.events_per_day_limit
    from counted as c
    cross join config.settings as s
    where c.events > s.events_per_day_limit
)
select
    e.device_number,
    e.event_us // 86400000000 as day_number,
    e.event_us // 86400000000 * 86400000000 as started_us,
    count(*) as events
from staging.events as e
inner join busy as b on e.device_number = b.device_number
group by e.device_number, e.event_us // 86400000000, b.events_per_day_limit
having count(*) > b.events_per_day_limit
