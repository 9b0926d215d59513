-- One row per event: the traffic source of its session, else of the user's first visit, else direct.
select
    e.event_number,
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
from staging.events as e
inner join intermediate.keyed_events as k on e.event_number = k.event_number
left join intermediate.session_traffic as t on k.session_number = t.session_number
