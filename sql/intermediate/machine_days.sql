-- One row per device and day (UTC) with more events than a person makes.
select e.device_number, e.event_us // 86400000000 as day_number, count(*) as events
from staging.events as e
cross join config.settings as s
where e.device_number is not null
group by e.device_number, e.event_us // 86400000000, s.events_per_day_limit
having count(*) > s.events_per_day_limit
