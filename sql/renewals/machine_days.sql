-- One row per device of which events changed: the first day (UTC, of 1970 or later) of which they did.
select device_number, min(event_us // 86400000000 * 86400000000) as since_us
from changed.staged_events
where device_number is not null
group by device_number
