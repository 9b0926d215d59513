-- One row per event that vanished everywhere and the name under which it most likely goes on.
-- The other name came (next to) never in the two weeks before and reached half to twice the level on the day.
with gone as (
    select source, event_name, started_on, max(expected) filter (where day = started_on) as expected
    from intermediate.tracking_gaps
    where signal = 'event' and segment_column is null
    group by source, event_name, started_on
),
daily as (
    select source, event_name, day, events
    from intermediate.tracking_counts
    where signal = 'event' and segment_column is null
),
risen as (
    select g.source, g.event_name, g.started_on, g.expected, d.event_name as new_name, d.events
    from gone as g
    inner join daily as d
        on g.source = d.source and g.started_on = d.day and g.event_name <> d.event_name
        and d.events between 0.5 * g.expected and 2 * g.expected
),
unused as (
    -- the day before is left out: a release at noon begins under both names
    select r.source, r.event_name, r.started_on, r.expected, r.new_name, r.events
    from risen as r
    left join daily as d
        on r.source = d.source and r.new_name = d.event_name
        and d.day >= r.started_on - 14 and d.day < r.started_on - 1
    group by r.source, r.event_name, r.started_on, r.expected, r.new_name, r.events
    having coalesce(sum(d.events), 0) <= 0.1 * r.events
),
ranked as (
    select
        *,
        row_number() over (
            partition by source, event_name, started_on
            order by abs(events - expected), new_name
        ) as place
    from unused
)
select source, event_name, started_on, new_name, events from ranked where place = 1
