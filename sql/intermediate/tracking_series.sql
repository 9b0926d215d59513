-- One row per thing that can vanish, segment value and whole day of its source, days without any included.
-- Only series that once had 20 events on a day: of fewer, none is no news.
-- rest: what else the source sent of the same visitors; of all of a segment, what the source sent of all others; of all
-- of a source, what the other sources sent, NULL where there is none.
with worth_watching as (
    select
        signal, source, event_name, journey_number, stage_number, segment_column, segment_value
    from intermediate.tracking_counts
    group by
        signal, source, event_name, journey_number, stage_number, segment_column, segment_value
    having max(events) >= 20
        -- that no visitor comes from a country any more is marketing, not tracking
        and (signal <> 'source' or segment_column is null or segment_column in ('device', 'os', 'browser'))
),
spread as (
    select w.*, c.day
    from worth_watching as w
    inner join intermediate.tracking_spans as b on w.source = b.source
    inner join config.calendar as c on c.day between b.first_day and b.last_day
),
totals as (
    select source, segment_column, segment_value, day, events
    from intermediate.tracking_counts
    where signal = 'source'
),
totals_of_all as (
    select source, day, events
    from intermediate.tracking_counts
    where signal = 'source' and segment_column is null
),
elsewhere as (
    -- what all other sources sent; no row where there is none whose day is whole
    select b.source, t.day, sum(t.events) as events
    from intermediate.tracking_spans as b
    inner join totals_of_all as t
        on b.source <> t.source and t.day between b.first_day and b.last_day
    group by b.source, t.day
),
filled as (
    select
        s.signal, s.source, s.event_name, s.journey_number, s.stage_number, s.segment_column,
        s.segment_value, s.day,
        coalesce(x.events, 0) as events,
        coalesce(t.events, 0) as total,
        coalesce(a.events, 0) as total_of_all,
        o.events as elsewhere
    from spread as s
    left join intermediate.tracking_counts as x
        on s.signal = x.signal and s.source = x.source and s.event_name = x.event_name
        and s.journey_number = x.journey_number and s.stage_number = x.stage_number
        and coalesce(s.segment_column, '') = coalesce(x.segment_column, '')
        and coalesce(s.segment_value, '') = coalesce(x.segment_value, '') and s.day = x.day
    left join totals as t
        on s.source = t.source and s.day = t.day
        and coalesce(s.segment_column, '') = coalesce(t.segment_column, '')
        and coalesce(s.segment_value, '') = coalesce(t.segment_value, '')
    left join totals_of_all as a on s.source = a.source and s.day = a.day
    left join elsewhere as o on s.source = o.source and s.day = o.day
)
select
    signal, source, event_name, journey_number, stage_number, segment_column, segment_value, day, events,
    case
        when signal = 'source' and segment_column is null then elsewhere
        when signal = 'source' then total_of_all - events
        else total - events
    end as rest
from filled
