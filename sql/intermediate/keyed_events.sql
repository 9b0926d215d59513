-- One row per event that counts: its person, the vendor's session, its stages, and what is asked of many events,
-- as numbers. Narrow on purpose: this is the one table with a row per event; what else is known
-- of an event stays in staging.events, for the few that are asked for more.
-- stage_class: the event's stage in every journey as one number, 0 where it has none (config.journeys takes it apart)
-- renewed by: event_number of staging.events, repeated_purchases, excluded_events
-- takes over: user_number of identified_events
select
    e.event_number,
    c.source_number,
    e.user_number,
    e.session_number as vendor_session_number,
    e.event_us,
    e.event_seq,
    e.stage_class,
    n.name_number,
    v.profile_number,
    o.origin_number,
    o.is_told as has_traffic,
    p.page_number
from intermediate.classified_events as e
inner join config.sources as c on e.source = c.source
inner join intermediate.profiles as v
    on e.device is not distinct from v.device and e.os is not distinct from v.os
    and e.browser is not distinct from v.browser and e.country is not distinct from v.country
    and e.is_new_user is not distinct from v.is_new_user
inner join intermediate.origins as o
    on e.given_channel is not distinct from o.given_channel
    and e.source_name is not distinct from o.source_name
    and e.medium is not distinct from o.medium
    and e.campaign is not distinct from o.campaign
    and e.first_source_name is not distinct from o.first_source_name
    and e.first_medium is not distinct from o.first_medium
    and e.first_campaign is not distinct from o.first_campaign
inner join intermediate.event_names as n on e.event_name is not distinct from n.event_name
left join intermediate.pages as p on e.page = p.page
left join intermediate.repeated_purchases as r on e.event_number = r.event_number
left join intermediate.excluded_events as x on e.event_number = x.event_number
where r.event_number is null and x.event_number is null
