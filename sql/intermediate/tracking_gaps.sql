-- One row per thing that vanished, segment value and day: low from one day to the next, in the fewest words.
-- A run of low days begins suddenly: in the week before, the median day had at least half of what was expected;
-- a slow decline never does. Days too quiet to tell do not end a run, and are part of it where next to nothing came.
-- What is low everywhere is not told by segment; what is low for one segment is not told for another that is
-- smaller and to four fifths part of it (iOS of mobile).
with marked as (
    select
        *,
        max(case when is_good then day end) over (
            partition by
                signal, source, event_name, journey_number, stage_number, segment_column, segment_value
            order by day rows between unbounded preceding and current row
        ) as last_good_day
    from intermediate.tracking_levels
),
runs as (
    select
        *,
        min(case when is_low then day end) over (
            partition by
                signal, source, event_name, journey_number, stage_number, segment_column,
                segment_value, last_good_day
        ) as started_on
    from marked
    where is_low or is_faint
),
begun as (
    select
        *,
        max(case when day = started_on then ratio_before end) over (
            partition by
                signal, source, event_name, journey_number, stage_number, segment_column,
                segment_value, last_good_day
        ) as ratio_before_run
    from runs
    where day >= started_on
),
sudden as (
    select * exclude (ratio, ratio_before, is_low, is_faint, is_good)
    from begun
    where ratio_before_run >= 0.5
),
compared as (
    select
        *,
        count(*) filter (where segment_column is null) over (
            partition by signal, source, event_name, journey_number, stage_number, day
        ) as rows_of_all
    from sudden
),
candidates as (
    -- a segment that is low where everything is low says nothing more
    select * exclude (rows_of_all) from compared where segment_column is null or rows_of_all = 0
),
pairs as (
    select distinct
        s.signal, s.source, s.event_name, s.journey_number, s.stage_number, s.started_on, s.day,
        s.segment_column, s.segment_value,
        l.segment_column as larger_column, l.segment_value as larger_value
    from candidates as s
    inner join candidates as l
        on s.signal = l.signal and s.source = l.source and s.event_name = l.event_name
        and s.journey_number = l.journey_number and s.stage_number = l.stage_number and s.day = l.day
        and s.segment_column <> l.segment_column
        and (
            s.expected < l.expected
            or (s.expected = l.expected and s.segment_column > l.segment_column)
        )
),
described as (
    select
        p.*, x.events,
        case p.segment_column
            when 'device' then x.device
            when 'os' then x.os
            when 'browser' then x.browser
            when 'country' then x.country
            else x.is_new_user::varchar
        end as own_value,
        case p.larger_column
            when 'device' then x.device
            when 'os' then x.os
            when 'browser' then x.browser
            when 'country' then x.country
            else x.is_new_user::varchar
        end as other_value
    from pairs as p
    inner join intermediate.tracking_leaves as x
        on p.signal = x.signal and p.source = x.source and p.event_name = x.event_name
        and p.journey_number = x.journey_number and p.stage_number = x.stage_number
        and x.day < p.started_on and x.day >= p.started_on - 28
),
explained as (
    select signal, source, event_name, journey_number, stage_number, day, segment_column, segment_value
    from described
    where own_value = segment_value
    group by
        signal, source, event_name, journey_number, stage_number, day, segment_column, segment_value,
        larger_column, larger_value
    having sum(case when other_value = larger_value then events else 0 end) >= 0.8 * sum(events)
)
select w.*
from candidates as w
left join (select distinct * from explained) as x
    on w.signal = x.signal and w.source = x.source and w.event_name = x.event_name
    and w.journey_number = x.journey_number and w.stage_number = x.stage_number and w.day = x.day
    and w.segment_column = x.segment_column and w.segment_value = x.segment_value
where x.day is null
