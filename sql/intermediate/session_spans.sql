-- One row per session: when it starts and ends, over all its events.
select
    session_number,
    min(event_us) as started_us,
    max(event_us) as ended_us
from intermediate.keyed_events
where session_number is not null
group by session_number
