-- One row per attempt: its first event, and what it says of the visitor.
-- materialized: view
select
    f.journey_number, f.attempt_number, f.event_number,
    g.page,
    v.device, v.os, v.browser, v.country, v.is_new_user,
    w.source_name, w.medium, w.campaign, w.channel
from intermediate.opening_events as f
inner join intermediate.profiles as v on f.profile_number = v.profile_number
inner join intermediate.edge_origins as w
    on f.origin_number = w.origin_number and f.told_origin_number is not distinct from w.told_origin_number
left join intermediate.pages as g on f.page_number = g.page_number
