-- One row per vanished source or event, the day it vanished, and journey stage of which it is a fifth or more.
-- Where a stage loses less of its events, its conversion is bent, but still seen.
with gone as (
    select distinct source, event_name, started_on
    from intermediate.tracking_gaps
    where signal in ('source', 'event')
),
before as (
    select
        g.source, g.event_name, g.started_on, c.journey_number, c.stage_number,
        sum(case
            when c.source = g.source and (g.event_name = '' or c.event_name = g.event_name)
                then c.events else 0 end) as own_events,
        sum(c.events) as all_events
    from gone as g
    inner join intermediate.tracking_stage_counts as c
        on c.day < g.started_on and c.day >= g.started_on - 28
    group by g.source, g.event_name, g.started_on, c.journey_number, c.stage_number
)
select source, event_name, started_on, journey_number, stage_number, own_events / all_events as share
from before
where own_events >= 0.2 * all_events
