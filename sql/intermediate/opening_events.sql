-- One row per attempt: the event that opened it, of those of its stage at that moment the one with the least digest;
-- and what is said of the visitor there. told_origin_number: what the session tells of where the visit came from
-- renewed by: attempt_number of session_stages, user_attempts
-- asks events: of persons
with first_events as (
    select
        o.journey_number,
        o.attempt_number,
        any_value(o.session_number) as session_number,
        min(e.event_number) as event_number,
        arg_min(e.profile_number, e.event_number) as profile_number,
        arg_min(e.origin_number, e.event_number) as origin_number,
        arg_min(e.page_number, e.event_number) as page_number
    from intermediate.attempt_openings as o
    inner join intermediate.stage_events as e
        on o.journey_number = e.journey_number and o.user_number = e.user_number
        and o.entered_us = e.event_us and o.entered_seq = e.event_seq
        and o.stage_number = e.stage_number and o.source_number = e.source_number
        and coalesce(e.vendor_session_number, o.session_number) = o.session_number
    group by o.journey_number, o.attempt_number
)
select
    f.journey_number, f.attempt_number, f.event_number, f.profile_number, f.page_number,
    f.origin_number, s.told_origin_number
from first_events as f
inner join intermediate.session_edges as s on f.session_number = s.session_number
