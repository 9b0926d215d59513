-- One row per journey, stage, source, event name, day and what an event knows of its visitor.
-- repeats: events of which the same person had sent one of that stage in the same second. worth: events with money.
-- renewed by: day of keyed_events, session_stage_events, goal_events
with hasty as (
    -- few people send two events of stages in a second: only of those it is asked whether the stage is the same
    select user_number, source_number, event_us // 1000000 as second
    from intermediate.keyed_events
    where stage_class > 0 and user_number is not null
    group by user_number, source_number, event_us // 1000000
    having count(*) > 1
    union
    select user_number, source_number, event_us // 1000000 as second
    from intermediate.session_stage_events
),
repeated as (
    select
        e.journey_number, e.stage_number, e.source_number,
        arg_min(e.name_number, e.event_number) as name_number,
        arg_min(e.profile_number, e.event_number) as profile_number,
        arg_min(e.event_us, e.event_number) as event_us,
        count(*) - 1 as repeats
    from intermediate.stage_events as e
    inner join hasty as h
        on e.user_number = h.user_number and e.source_number = h.source_number
        and e.event_us // 1000000 = h.second
    group by e.journey_number, e.user_number, e.source_number, e.stage_number, h.second
    having count(*) > 1
),
together as (
    select
        journey_number, stage_number, source_number, name_number, profile_number,
        event_us, 1 as events, 0 as repeats, 0 as worth
    from intermediate.stage_events
    union all
    select
        journey_number, stage_number, source_number, name_number, profile_number,
        event_us, 0 as events, repeats, 0 as worth
    from repeated
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
