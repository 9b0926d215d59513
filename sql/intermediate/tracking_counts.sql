-- One row per thing that can vanish, segment value and day on which it came: the long form of the counts.
-- segment_column is NULL for everywhere.
with columns as (
    select segment_column
    from (values ('device'), ('os'), ('browser'), ('country'), ('is_new_user')) as c (segment_column)
),
everywhere as (
    select
        signal, source, event_name, journey_number, stage_number, day,
        cast(null as varchar) as segment_column, cast(null as varchar) as segment_value,
        sum(events)::bigint as events
    from intermediate.tracking_leaves
    group by signal, source, event_name, journey_number, stage_number, day
),
by_value as (
    select
        l.signal, l.source, l.event_name, l.journey_number, l.stage_number, l.day, c.segment_column,
        case c.segment_column
            when 'device' then l.device
            when 'os' then l.os
            when 'browser' then l.browser
            when 'country' then l.country
            else l.is_new_user::varchar
        end as segment_value,
        sum(l.events)::bigint as events
    from intermediate.tracking_leaves as l
    cross join columns as c
    group by
        l.signal, l.source, l.event_name, l.journey_number, l.stage_number, l.day, c.segment_column,
        case c.segment_column
            when 'device' then l.device
            when 'os' then l.os
            when 'browser' then l.browser
            when 'country' then l.country
            else l.is_new_user::varchar
        end
)
select * from everywhere
union all
select * from by_value where segment_value is not null
