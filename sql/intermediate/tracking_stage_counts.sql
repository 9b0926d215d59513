-- One row per journey, stage, source, event name, day and what an event knows of its visitor.
-- repeats: events of which the same person had sent the same within the second before. worth: events with money.
with followed as (
    select
        journey_number, stage_number, source, event_number, event_us,
        case when event_us - lag(event_us) over earlier <= 1000000 then lag(event_number) over earlier end
            as previous_event_number
    from intermediate.stage_events
    window earlier as (
        partition by journey_number, user_number, source_number, stage_number
        order by event_us, event_seq, event_number
    )
),
repeated as (
    select f.journey_number, f.event_number
    from followed as f
    inner join staging.events as e on f.event_number = e.event_number
    inner join staging.events as p on f.previous_event_number = p.event_number
    where e.event_name = p.event_name
),
counted as (
    select
        f.journey_number, f.stage_number, f.source, e.event_name, q.day,
        e.device, e.os, e.browser, e.country, e.is_new_user,
        count(*) as events,
        count(r.event_number) as repeats,
        count(*) filter (where g.amount <> 0) as worth
    from followed as f
    inner join staging.events as e on f.event_number = e.event_number
    inner join intermediate.tracking_quarters as q on f.event_us // 900000000 = q.quarter
    left join repeated as r on f.journey_number = r.journey_number and f.event_number = r.event_number
    left join intermediate.goal_events as g
        on f.journey_number = g.journey_number and f.event_number = g.event_number
    group by
        f.journey_number, f.stage_number, f.source, e.event_name, q.day,
        e.device, e.os, e.browser, e.country, e.is_new_user
)
select * from counted
