-- One row per event that counts, as in intermediate.keyed_events, with its session: the vendor's, else the one
-- around it; NULL without a person.
-- materialized: view
select
    k.* exclude (vendor_session_number),
    coalesce(k.vendor_session_number, d.session_number) as session_number
from intermediate.keyed_events as k
left join intermediate.session_days as d
    on k.user_number = d.user_number and k.source_number = d.source_number
    and k.event_us // 86400000000 = d.day_number
    and k.event_us between d.started_us and d.ended_us
