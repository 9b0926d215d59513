-- One row per event at the edge of a session or at the opening of an attempt, with what is said of those: one
-- pass over the wide columns for both. source_name, medium, campaign, channel: as in intermediate.events
with asked as (
    select
        session_number,
        unnest(list_distinct([first_event_number, landing_event_number, exit_event_number])) as event_number
    from intermediate.session_edges
    union
    select o.session_number, e.event_number
    from intermediate.opening_events as e
    inner join intermediate.attempt_openings as o on e.attempt_number = o.attempt_number
),
sourced as (
    select
        e.event_number, e.page, e.device, e.os, e.browser, e.country, e.is_new_user,
        coalesce(e.given_channel, t.given_channel) as given_channel,
        case when e.medium is not null or e.source_name is not null then e.source_name
            when t.session_number is not null then t.source_name
            else coalesce(e.first_source_name, '(direct)') end as source_name,
        case when e.medium is not null or e.source_name is not null then e.medium
            when t.session_number is not null then t.medium
            else coalesce(e.first_medium, '(none)') end as medium,
        case when e.medium is not null or e.source_name is not null then e.campaign
            when t.session_number is not null then t.campaign
            else e.first_campaign end as campaign
    from asked as a
    inner join staging.events as e on a.event_number = e.event_number
    left join intermediate.session_traffic as t on a.session_number = t.session_number
)
select
    s.event_number, s.page, s.device, s.os, s.browser, s.country, s.is_new_user,
    s.source_name, s.medium, s.campaign,
    coalesce(s.given_channel, c.channel) as channel
from sourced as s
left join intermediate.channels as c
    on s.source_name is not distinct from c.source_name
    and s.medium is not distinct from c.medium
    and s.campaign is not distinct from c.campaign
