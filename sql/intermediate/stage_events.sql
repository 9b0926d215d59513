-- One row per event and journey stage it belongs to, of people.
-- materialized: view
select
    j.journey_number, k.event_number, c.source, k.source_number, k.user_number, k.vendor_session_number,
    k.event_us, k.event_seq, k.name_number, k.profile_number, k.origin_number, k.page_number,
    (k.stage_class // j.class_factor) % j.class_base as stage_number
from intermediate.keyed_events as k
inner join config.sources as c on k.source_number = c.source_number
cross join config.journeys as j
where k.stage_class > 0 and k.user_number is not null and (k.stage_class // j.class_factor) % j.class_base > 0
union all
select
    s.journey_number, s.event_number, c.source, s.source_number, s.user_number,
    s.session_number as vendor_session_number, s.event_us, s.event_seq,
    s.name_number, s.profile_number, s.origin_number, s.page_number, s.stage_number
from intermediate.session_stage_events as s
inner join config.sources as c on s.source_number = c.source_number
