-- One row per journey, stage, day, segment value and source whose events of the stage could not be recorded.
-- segment_column and segment_value are NULL where it was nobody's. Nothing is told of these cells: they are censored.
-- reason: day_missing, source_silent, event_renamed, event_vanished, stage_vanished or stage_skipped.
with lost_sources as (
    -- all that a source does not deliver: of every stage of which it is a fifth
    select
        h.journey_number, h.stage_number, g.day, g.segment_column, g.segment_value, g.source,
        'source_silent' as reason, 2 as place
    from intermediate.tracking_gaps as g
    inner join intermediate.tracking_shares as h
        on g.source = h.source and h.event_name = '' and g.started_on = h.started_on
    where g.signal = 'source'
),
stage_sources as (
    select
        journey_number, stage_number, source,
        sum(events) / sum(sum(events)) over (partition by journey_number, stage_number) as share
    from intermediate.tracking_stage_counts
    group by journey_number, stage_number, source
),
lost_days as (
    select
        s.journey_number, s.stage_number, m.day, cast(null as varchar) as segment_column,
        cast(null as varchar) as segment_value, m.source, 'day_missing' as reason, 1 as place
    from intermediate.tracking_missing_days as m
    inner join stage_sources as s on m.source = s.source and s.share >= 0.2
),
lost_events as (
    select
        h.journey_number, h.stage_number, g.day, g.segment_column, g.segment_value, g.source,
        case when r.new_name is null then 'event_vanished' else 'event_renamed' end as reason, 3 as place
    from intermediate.tracking_gaps as g
    inner join intermediate.tracking_shares as h
        on g.source = h.source and g.event_name = h.event_name and g.started_on = h.started_on
    left join intermediate.tracking_renames as r
        on g.source = r.source and g.event_name = r.event_name and g.started_on = r.started_on
        and g.segment_column is null
    where g.signal = 'event'
),
lost_stages as (
    select
        g.journey_number, g.stage_number, g.day, g.segment_column, g.segment_value, g.source,
        'stage_vanished' as reason, 4 as place
    from intermediate.tracking_gaps as g
    where g.signal = 'stage'
),
lost as (
    select * from lost_sources
    union all
    select * from lost_days
    union all
    select * from lost_events
    union all
    select * from lost_stages
),
skipped_stages as (
    -- where an event was lost for some, that is why people seem to skip the stage
    select
        k.journey_number, k.stage_number, k.day, cast(null as varchar) as segment_column,
        cast(null as varchar) as segment_value, m.source, 'stage_skipped' as reason, 5 as place
    from intermediate.tracking_skips as k
    left join (
        select journey_number, stage_number, min(source) as source
        from stage_sources
        where share >= 0.5
        group by journey_number, stage_number
    ) as m on k.journey_number = m.journey_number and k.stage_number = m.stage_number
    left join (select distinct journey_number, stage_number, day from lost) as l
        on k.journey_number = l.journey_number and k.stage_number = l.stage_number and k.day = l.day
    where k.is_jump and l.day is null
),
told as (
    select * from lost
    union all
    select * from skipped_stages
),
ranked as (
    select
        t.*,
        row_number() over (
            partition by t.journey_number, t.stage_number, t.day, t.segment_column, t.segment_value
            order by t.place, t.source
        ) as rank,
        -- what is lost for everyone is not told by segment
        count(*) filter (where t.segment_column is null) over (
            partition by t.journey_number, t.stage_number, t.day
        ) as everywhere
    from told as t
    left join intermediate.tracking_goals as g
        on t.journey_number = g.journey_number and t.stage_number = g.stage_number and t.day = g.day
        and t.source = g.source and g.verdict = 'confirmed'
    -- where two sources lost their orders alike, orders stopped: that is no matter of tracking
    where g.day is null
)
select
    j.journey, s.stage, r.journey_number, r.stage_number, r.day, r.segment_column, r.segment_value,
    r.source, r.reason
from ranked as r
inner join config.journeys as j on r.journey_number = j.journey_number
inner join config.stages as s
    on r.journey_number = s.journey_number and r.stage_number = s.stage_number
where r.rank = 1 and (r.segment_column is null or r.everywhere = 0)
