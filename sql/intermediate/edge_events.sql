-- One row per event at the edge of a session, with what sessions say of it. One pass over the wide columns.
with asked as (
    select first_event_number as event_number from intermediate.session_edges
    union
    select landing_event_number from intermediate.session_edges
    union
    select exit_event_number from intermediate.session_edges
    union
    select told_event_number from intermediate.session_edges
)
select
    e.event_number, e.page, e.device, e.os, e.browser, e.country, e.is_new_user,
    e.given_channel, e.source_name, e.medium, e.campaign,
    e.first_source_name, e.first_medium, e.first_campaign
from asked as a
inner join staging.events as e on a.event_number = e.event_number
