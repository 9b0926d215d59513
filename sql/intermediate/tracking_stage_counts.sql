-- One row per journey, stage, source, event name, day and what an event knows of its visitor.
-- repeats: events of which the same person had sent one of that stage in the same second. worth: events with money.
with repeated as (
    select journey_number, min(event_number) as event_number, count(*) - 1 as repeats
    from intermediate.stage_events
    group by journey_number, user_number, source_number, stage_number, event_us // 1000000
    having count(*) > 1
),
counted as (
    select
        s.journey_number, s.stage_number, s.source, e.event_name, q.day,
        e.device, e.os, e.browser, e.country, e.is_new_user,
        count(*) as events,
        coalesce(sum(r.repeats), 0) as repeats,
        count(*) filter (where g.amount <> 0) as worth
    from intermediate.stage_events as s
    inner join staging.events as e on s.event_number = e.event_number
    inner join intermediate.tracking_quarters as q on s.event_us // 900000000 = q.quarter
    left join repeated as r on s.journey_number = r.journey_number and s.event_number = r.event_number
    left join intermediate.goal_events as g
        on s.journey_number = g.journey_number and s.event_number = g.event_number
    group by
        s.journey_number, s.stage_number, s.source, e.event_name, q.day,
        e.device, e.os, e.browser, e.country, e.is_new_user
)
select * from counted
