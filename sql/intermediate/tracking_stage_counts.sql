-- One row per journey, stage, source, event name, day and what an event knows of its visitor.
-- repeats: events that the same session had already sent within the second before. worth: events with money.
with named as (
    select
        s.journey_number, s.stage_number, s.source, e.event_name, s.amount, s.event_us,
        e.device, e.os, e.browser, e.country, e.is_new_user,
        lag(s.event_us) over (
            partition by s.journey_number, s.session_number, e.event_name
            order by s.event_us, s.event_seq, s.event_number
        ) as previous_us
    from intermediate.stage_events as s
    inner join staging.events as e on s.event_number = e.event_number
)
select
    n.journey_number, n.stage_number, n.source, n.event_name, q.day,
    n.device, n.os, n.browser, n.country, n.is_new_user,
    count(*) as events,
    count(*) filter (where n.event_us - n.previous_us <= 1000000) as repeats,
    count(*) filter (where n.amount <> 0) as worth
from named as n
inner join intermediate.tracking_quarters as q on n.event_us // 900000000 = q.quarter
group by
    n.journey_number, n.stage_number, n.source, n.event_name, q.day,
    n.device, n.os, n.browser, n.country, n.is_new_user
