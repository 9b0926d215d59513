-- One row per event that counts: the canonical event with integer keys, and where its session came from.
-- A view: who asks for few events or few columns pays for those.
-- materialized: view
with sourced as (
    select
        e.* exclude (source_name, medium, campaign, given_channel),
        coalesce(e.given_channel, t.given_channel) as given_channel,
        -- the event's own traffic source, else its session's, else that of the user's first visit, else direct
        case when e.medium is not null or e.source_name is not null then e.source_name
            when t.session_number is not null then t.source_name
            else coalesce(e.first_source_name, '(direct)') end as source_name,
        case when e.medium is not null or e.source_name is not null then e.medium
            when t.session_number is not null then t.medium
            else coalesce(e.first_medium, '(none)') end as medium,
        case when e.medium is not null or e.source_name is not null then e.campaign
            when t.session_number is not null then t.campaign
            else e.first_campaign end as campaign
    from intermediate.valued_events as e
    left join intermediate.session_traffic as t on e.session_number = t.session_number
),
grouped as (
    select s.*, coalesce(s.given_channel, c.channel) as channel
    from sourced as s
    left join intermediate.channels as c
        on s.source_name is not distinct from c.source_name
        and s.medium is not distinct from c.medium
        and s.campaign is not distinct from c.campaign
)
select * from grouped
