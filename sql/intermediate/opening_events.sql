-- One row per attempt: the event that opened it, of those of its stage at that moment the one with the least digest.
select o.attempt_number, min(e.event_number) as event_number
from intermediate.attempt_openings as o
inner join intermediate.stage_events as e
    on o.journey_number = e.journey_number and o.user_number = e.user_number
    and o.entered_us = e.event_us and o.entered_seq = e.event_seq
    and o.stage_number = e.stage_number and o.source_number = e.source_number
    and coalesce(e.vendor_session_number, o.session_number) = o.session_number
group by o.attempt_number
