-- One row per source, day and check that has something to say about the data itself. Broken tracking is no pain point: it is told here, and the stages it blinds are muted for those days.
-- source: name of the source in painpoints.toml; the journey for stages that could not be seen
-- day: day of the source, or of the workspace for stages
-- check_name: day_missing, day_partial, day_to_come, source_behind, duplicates, repeated_purchases, no_identity, identity_coverage, user_id_refused, merge_too_large, excluded, counts_differ, foreign_currency, source_silent, event_vanished, event_renamed, goal_vanished, stage_blind, events_repeated, revenue_missing, source_failed (the last pull of the source failed; the run adds it)
-- status: ok, info, warning or broken
-- detail: what was seen, in words
with daily as (
    select * from intermediate.source_days
),
missing_days as (
    select distinct
        source, source_day as day, 'day_missing' as check_name, 'broken' as status,
        'no data has landed for this day, though days before and after it have' as detail
    from intermediate.tracking_missing_days
),
partial_days as (
    select
        source, day, 'day_partial' as check_name, 'info' as status,
        'only a part of this day has landed so far; rates are judged up to the last whole day' as detail
    from lake.days
    where not is_complete and not coalesce(is_to_come, false)
),
days_to_come as (
    select
        source, min(day) as day, 'day_to_come' as check_name, 'warning' as status,
        sum(rows) || ' rows are dated on days that are still to come, up to ' || max(day)
        || ': nothing is judged by them. Check how the source writes dates, and the clock here' as detail
    from lake.days
    where is_to_come
    group by source
),
late_sources as (
    select
        b.source, b.last_day as day, 'source_behind' as check_name, 'warning' as status,
        'no whole day has landed since this one, though other sources have them up to ' || a.last_day as detail
    from (select source, max(day) as last_day from lake.days where is_complete group by source) as b
    inner join config.sources as k on b.source = k.source and k.kind in ('ga4', 'mixpanel')
    cross join (select max(day) as last_day from lake.days where is_complete) as a
    where b.last_day < a.last_day - 2
),
duplicates as (
    select
        source, day, 'duplicates' as check_name,
        case when duplicates > 0.05 * events then 'warning' else 'info' end as status,
        duplicates || ' of ' || (events + duplicates) || ' rows were exact duplicates and dropped' as detail
    from daily
    where duplicates > 0
),
repeats as (
    select
        e.source, local_day(e.event_us, s.timezone) as day, 'repeated_purchases' as check_name,
        'info' as status,
        count(*) || ' purchases repeated an order of the same user and were dropped' as detail
    from intermediate.repeated_purchases as r
    inner join staging.events as e on r.event_number = e.event_number
    cross join config.settings as s
    group by e.source, local_day(e.event_us, s.timezone)
),
identity as (
    select
        source, day, 'no_identity' as check_name,
        case when nobody > 0.3 * events then 'warning' else 'info' end as status,
        nobody || ' of ' || events || ' events name nobody (consent denied, or a placeholder id) and are in no session' as detail
    from daily
    where nobody > 0
),
coverage as (
    select
        source, day, 'identity_coverage' as check_name, 'ok' as status,
        round(100.0 * named / events)::integer || ' % of events name a user, '
        || round(100.0 * joined / events)::integer || ' % are joined to one by session or device, '
        || round(100.0 * device_only / events)::integer || ' % have only a device' as detail
    from daily
),
refused as (
    select
        source, day, 'user_id_refused' as check_name,
        case when refused_ids > 0.1 * events then 'warning' else 'info' end as status,
        refused_ids || ' of ' || events || ' events carry a user id that is a placeholder or on too many devices'
        || coalesce(' (such as "' || left(refused_id, 40) || '")', '')
        || '; it joins nobody' as detail
    from daily
    where refused_ids > 0
),
merges as (
    select
        e.source, max(local_day(e.event_us, s.timezone)) as day, 'merge_too_large' as check_name,
        'warning' as status,
        'merge events chain up to ' || max(c.members)
        || ' ids together, more than a person has; those stay apart' as detail
    from staging.events as e
    inner join (select max(members) as members from intermediate.identity_clusters where is_too_large) as c
        on c.members is not null
    cross join config.settings as s
    where e.event_name in ('$merge', '$create_alias')
    group by e.source
),
excluded as (
    select
        e.source, local_day(e.event_us, s.timezone) as day, 'excluded' as check_name,
        case when count(*) > 0.5 * max(d.events) then 'warning' else 'info' end as status,
        count(*) || ' of ' || max(d.events) || ' events were left out: ' || x.rule as detail
    from intermediate.excluded_events as x
    inner join staging.events as e on x.event_number = e.event_number
    cross join config.settings as s
    inner join daily as d on e.source = d.source and local_day(e.event_us, s.timezone) = d.day
    group by e.source, local_day(e.event_us, s.timezone), x.rule
),
unreconciled as (
    select
        source, day, 'counts_differ' as check_name, 'warning' as status,
        'ours ' || sum(our_count) || ' events, the vendor ' || sum(vendor_count)
        || ', ' || min(reason) || '; marts.reconciliation has them by event' as detail
    from marts.reconciliation
    -- an empty report is the vendor's word, and may be that of another property
    where reason = 'unexplained' or reason like 'empty: %'
    group by source, day
),
currencies as (
    select
        source, day, 'foreign_currency' as check_name, 'warning' as status,
        foreign_values || ' values are in a currency without a rate in [fx] and left out of sums' as detail
    from daily
    where foreign_values > 0
),
gaps as (
    select
        *,
        coalesce(' of ' || segment_column || ' ' || segment_value, '') as where_lost,
        ' came ' || events || ' times, to be expected were about ' || round(expected)::bigint as counts
    from intermediate.tracking_gaps
),
silent as (
    select
        g.source, g.day, 'source_silent' as check_name, 'broken' as status,
        'events' || g.where_lost || g.counts || ': not delivered, or no longer recorded' as detail
    from gaps as g
    left join intermediate.tracking_missing_days as m on g.source = m.source and g.day = m.day
    where g.signal = 'source' and m.day is null
),
sightings as (
    -- the same name in another source, written this way or that
    select
        g.source, g.event_name, g.day, g.segment_column, g.segment_value,
        min(c.source) as other_source, max(c.events) as other_events
    from gaps as g
    inner join intermediate.tracking_counts as c
        on g.source <> c.source and g.day = c.day and c.signal = 'event' and c.segment_column is null
        and lower(replace(g.event_name, ' ', '_')) = lower(replace(c.event_name, ' ', '_'))
        and c.events >= 0.5 * g.expected
    where g.signal = 'event' and g.segment_column is null
    group by g.source, g.event_name, g.day, g.segment_column, g.segment_value
),
vanished as (
    select
        g.source, g.day,
        case when r.new_name is null then 'event_vanished' else 'event_renamed' end as check_name,
        'broken' as status,
        'event "' || g.event_name || '"' || g.where_lost || g.counts
        || coalesce(', while "' || r.new_name || '" began with ' || r.events || ' on ' || r.started_on
            || ': renamed? If so, name both in the journey', '')
        || coalesce('; ' || o.other_source || ' still saw ' || o.other_events, '') as detail
    from gaps as g
    left join intermediate.tracking_renames as r
        on g.source = r.source and g.event_name = r.event_name and g.started_on = r.started_on
        and g.segment_column is null
    left join sightings as o
        on g.source = o.source and g.event_name = o.event_name and g.day = o.day
        and g.segment_column is null
    where g.signal = 'event'
),
goals as (
    -- no sale recorded: either the worst day or the worst gap, and the first thing to know which
    select
        g.source, g.day, 'goal_vanished' as check_name,
        case when v.verdict = 'confirmed' then 'warning' else 'broken' end as status,
        'the goal "' || s.stage || '" of journey ' || j.journey || g.counts || case
            when v.verdict = 'seen' then ', but ' || v.other_source || ' still saw it: not judged on this day'
            when v.verdict = 'confirmed'
                then ', and ' || v.other_source || ' lost it too: it really stopped, and is judged so'
            else ', and no other source can confirm it. URGENT: check whether orders still come in; '
                || 'not judged on this day'
        end as detail
    from gaps as g
    inner join intermediate.tracking_goals as v
        on g.journey_number = v.journey_number and g.stage_number = v.stage_number
        and g.source = v.source and g.day = v.day
    inner join config.journeys as j on g.journey_number = j.journey_number
    inner join config.stages as s
        on g.journey_number = s.journey_number and g.stage_number = s.stage_number
    where g.signal = 'stage' and g.segment_column is null
),
others_seeing as (
    select distinct g.journey_number, g.stage_number, g.source, g.day, l.source as other_source, l.events
    from gaps as g
    inner join intermediate.tracking_levels as l
        on g.journey_number = l.journey_number and g.stage_number = l.stage_number
        and g.source <> l.source and g.day = l.day and l.segment_column is null
        and l.events >= 0.5 * l.expected and l.events >= 3
    where g.signal = 'stage' and l.signal = 'stage' and g.segment_column is null
),
blind as (
    select
        j.journey as source, b.day, 'stage_blind' as check_name, 'broken' as status,
        'stage "' || b.stage || '"' || coalesce(' of ' || b.segment_column || ' ' || b.segment_value, '')
        || ' could not be seen in ' || coalesce(b.source, 'any source') || ' (' || case b.reason
            when 'day_missing' then 'its day is missing'
            when 'source_silent' then 'nothing came from it'
            when 'event_vanished' then 'its event vanished'
            when 'event_renamed' then 'its event has another name'
            when 'stage_vanished' then 'nothing matched its rules'
            else 'people were in the stage behind it without it: ' || k.skipped || ' of ' || k.arrived
        end || ')' || coalesce('; ' || o.other_source || ' still saw ' || o.events, '')
        || ': not judged on this day' as detail
    from intermediate.tracking_breaks as b
    inner join config.journeys as j on b.journey_number = j.journey_number
    left join intermediate.tracking_skips as k
        on b.reason = 'stage_skipped' and b.journey_number = k.journey_number
        and b.stage_number = k.stage_number and b.day = k.day
    left join others_seeing as o
        on b.journey_number = o.journey_number and b.stage_number = o.stage_number
        and b.source = o.source and b.day = o.day and b.segment_column is null
    left join intermediate.tracking_goals as g
        on b.journey_number = g.journey_number and b.stage_number = g.stage_number and b.day = g.day
        and b.segment_column is null
    -- goal_vanished says it of the goal
    where g.day is null
),
repeated as (
    select
        source, day, 'events_repeated' as check_name, 'warning' as status,
        'event "' || event_name || '" was sent again within a second by the same session '
        || repeats || ' of ' || events || ' times, usually ' || round(100 * usual_repeat_share)::bigint
        || ' %: as a reload or a tag that fires twice does' as detail
    from intermediate.tracking_shapes
    where is_repeating
),
worthless as (
    select
        source, day, 'revenue_missing' as check_name, 'broken' as status,
        'event "' || event_name || '" came without money (zero or none) ' || worthless || ' of ' || goals
        || ' times, usually ' || round(100 * usual_worthless_share)::bigint
        || ' %: sums of money are too low on this day' as detail
    from intermediate.tracking_shapes
    where is_worthless
),
told as (
    select * from missing_days
    union all
    select * from partial_days
    union all
    select * from days_to_come
    union all
    select * from late_sources
    union all
    select * from coverage
    union all
    select * from refused
    union all
    select * from merges
    union all
    select * from excluded
    union all
    select * from unreconciled
    union all
    select * from duplicates
    union all
    select * from repeats
    union all
    select * from identity
    union all
    select * from currencies
    union all
    select * from silent
    union all
    select * from vanished
    union all
    select * from goals
    union all
    select * from blind
    union all
    select * from repeated
    union all
    select * from worthless
)
select * from told
