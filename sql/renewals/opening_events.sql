-- One row per attempt at whose opening some event of the person changed, and per attempt whose session begins otherwise.
with touched as (
    select user_number, event_us from changed.keyed_events
    union
    select user_number, event_us from changed.session_stage_events
)
select o.attempt_number
from intermediate.attempt_openings as o
inner join touched as t on o.user_number = t.user_number and o.entered_us = t.event_us
union
select attempt_number
from intermediate.attempt_openings
where session_number in (select session_number from changed.session_edges)
