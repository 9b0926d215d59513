-- One row per event that counts: the canonical event with integer keys, and where its session came from.
-- A view: who asks for few events or few columns pays for those.
-- materialized: view
with sourced as (
    select
        e.* exclude (source_name, medium, campaign, given_channel),
        coalesce(o.given_channel, t.given_channel) as given_channel,
        of_visit(o.is_named, o.standing_source_name, t.is_told, t.source_name) as source_name,
        of_visit(o.is_named, o.standing_medium, t.is_told, t.medium) as medium,
        of_visit(o.is_named, o.standing_campaign, t.is_told, t.campaign) as campaign
    from intermediate.valued_events as e
    inner join intermediate.origins as o on e.origin_number = o.origin_number
    left join intermediate.session_edges as s on e.session_number = s.session_number
    left join intermediate.origins as t on s.told_origin_number = t.origin_number
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
