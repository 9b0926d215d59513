-- One row per journey, stage, source, event name, day and what an event knows of its visitor.
-- repeats: events of which the same person had sent one of that stage in the same second. worth: events with money.
-- adds up: events, repeats, worth of keyed_events, session_stage_events, stage_repeats, goal_events
with together as (
    select
        journey_number, stage_number, source_number, name_number, profile_number,
        event_us, 1 as events, 0 as repeats, 0 as worth
    from intermediate.stage_events
    union all
    select
        journey_number, stage_number, source_number, name_number, profile_number,
        event_us, 0 as events, repeats, 0 as worth
    from intermediate.stage_repeats
    union all
    select
        journey_number, stage_number, source_number, name_number, profile_number,
        event_us, 0 as events, 0 as repeats, 1 as worth
    from intermediate.goal_events
    where amount <> 0
),
counted as (
    select
        t.journey_number, t.stage_number, t.source_number, t.name_number, t.profile_number, q.day,
        sum(t.events)::bigint as events,
        sum(t.repeats)::bigint as repeats,
        sum(t.worth)::bigint as worth
    from together as t
    inner join intermediate.tracking_quarters as q on t.event_us // 900000000 = q.quarter
    group by t.journey_number, t.stage_number, t.source_number, t.name_number, t.profile_number, q.day
)
select
    c.journey_number, c.stage_number, s.source, n.event_name, c.day,
    v.device, v.os, v.browser, v.country, v.is_new_user,
    c.events, c.repeats, c.worth
from counted as c
inner join config.sources as s on c.source_number = s.source_number
inner join intermediate.event_names as n on c.name_number = n.name_number
inner join intermediate.profiles as v on c.profile_number = v.profile_number
