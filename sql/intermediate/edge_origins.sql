-- One row per pair of what an event at the edge of a session or at the opening of an attempt says of where its
-- visitor came from, and what its session tells: where that is.
-- source_name, medium, campaign, channel: as in intermediate.events
-- grows: whole
with paired as (
    select origin_number, told_origin_number from intermediate.session_edges
    union
    select origin_number, told_origin_number from intermediate.opening_events
),
sourced as (
    select
        p.origin_number, p.told_origin_number,
        coalesce(o.given_channel, t.given_channel) as given_channel,
        of_visit(o.is_named, o.standing_source_name, t.is_told, t.source_name) as source_name,
        of_visit(o.is_named, o.standing_medium, t.is_told, t.medium) as medium,
        of_visit(o.is_named, o.standing_campaign, t.is_told, t.campaign) as campaign
    from paired as p
    inner join intermediate.origins as o on p.origin_number = o.origin_number
    left join intermediate.origins as t on p.told_origin_number = t.origin_number
)
select
    s.origin_number, s.told_origin_number, s.source_name, s.medium, s.campaign,
    coalesce(s.given_channel, c.channel) as channel
from sourced as s
left join intermediate.channels as c
    on s.source_name is not distinct from c.source_name
    and s.medium is not distinct from c.medium
    and s.campaign is not distinct from c.campaign
