-- One row per journey, stage and day: how many of the stage's events arrived, how many usually do, and whether
-- tracking hid it from everybody (intermediate.tracking_breaks has who else it was hidden from).
with expected as (
    select
        journey_number, stage_number, day,
        sum(events)::bigint as events,
        sum(usual) as usual_events,
        min(weekdays_before) as weekdays_before
    from intermediate.tracking_levels
    where signal = 'stage' and segment_column is null
    group by journey_number, stage_number, day
),
blind as (
    select distinct journey_number, stage_number, day
    from intermediate.tracking_breaks
    where segment_column is null
),
joined as (
    select
        coalesce(e.journey_number, b.journey_number) as journey_number,
        coalesce(e.stage_number, b.stage_number) as stage_number,
        coalesce(e.day, b.day) as day,
        coalesce(e.events, 0) as events,
        e.usual_events,
        coalesce(e.weekdays_before, 0) as weekdays_before,
        b.day is not null as is_blind
    from expected as e
    full outer join blind as b
        on e.journey_number = b.journey_number and e.stage_number = b.stage_number and e.day = b.day
)
select * from joined
