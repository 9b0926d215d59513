-- One row per UTC day of marts.events: how many rows it has, and a digest of all in them that is not in the staged
-- files: who a person is, which session it was, where its visit came from, and money. What is in those files is as
-- it was while they are the same.
with gathered as (
    select
        k.event_us // 86400000000 as day_number,
        k.origin_number,
        s.told_origin_number,
        count(*) as event_count,
        sum(hash(k.event_number, k.user_number, k.session_number, m.value, m.currency)) as event_digest
    from intermediate.keyed_sessions as k
    left join intermediate.session_edges as s on k.session_number = s.session_number
    left join intermediate.event_money as m on k.event_number = m.event_number
    group by k.event_us // 86400000000, k.origin_number, s.told_origin_number
),
sourced as (
    select
        g.day_number, g.event_count, g.event_digest,
        coalesce(o.given_channel, t.given_channel) as given_channel,
        of_visit(o.is_named, o.standing_source_name, t.is_told, t.source_name) as source_name,
        of_visit(o.is_named, o.standing_medium, t.is_told, t.medium) as medium,
        of_visit(o.is_named, o.standing_campaign, t.is_told, t.campaign) as campaign
    from gathered as g
    inner join intermediate.origins as o on g.origin_number = o.origin_number
    left join intermediate.origins as t on g.told_origin_number = t.origin_number
)
select
    s.day_number,
    sum(s.event_count)::bigint as row_count,
    sum(hash(
        s.event_digest, s.source_name, s.medium, s.campaign, coalesce(s.given_channel, c.channel)
    ))::varchar as digest
from sourced as s
left join intermediate.channels as c
    on s.source_name is not distinct from c.source_name
    and s.medium is not distinct from c.medium
    and s.campaign is not distinct from c.campaign
group by s.day_number
