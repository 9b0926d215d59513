-- One row per source, day and check that has something to say about the data itself. Broken tracking is no pain point: it is told here, and the stages it blinds are muted for those days.
-- source: name of the source in painpoints.toml; the journey for events that vanished
-- day: day of the source, or of the workspace for stages
-- check_name: day_missing, day_partial, day_to_come, source_behind, duplicates, repeated_purchases, no_identity, identity_coverage, user_id_refused, merge_too_large, excluded, counts_differ, foreign_currency, event_vanished, stage_blind
-- status: ok, info, warning or broken
-- detail: what was seen, in words
with daily as (
    select * from intermediate.source_days
),
missing_days as (
    select
        b.source, c.day, 'day_missing' as check_name, 'broken' as status,
        'no data has landed for this day, though days before and after it have' as detail
    from (
        select source, min(day) as first_day, max(day) as last_day
        from lake.days
        where not coalesce(is_to_come, false)
        group by source
    ) as b
    inner join config.sources as k on b.source = k.source and k.kind in ('ga4', 'mixpanel')
    inner join config.calendar as c on c.day between b.first_day and b.last_day
    left join lake.days as l on b.source = l.source and c.day = l.day
    where l.day is null
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
event_quarters as (
    select source, event_name, event_us // 900000000 as quarter, count(*) as events
    from staging.events
    group by source, event_name, event_us // 900000000
),
event_days as (
    select
        e.source, e.event_name, local_day(e.quarter * 900000000, s.timezone) as day,
        sum(e.events)::bigint as events
    from event_quarters as e
    cross join config.settings as s
    group by e.source, e.event_name, local_day(e.quarter * 900000000, s.timezone)
),
spread as (
    select n.source, n.event_name, d.day, coalesce(x.events, 0) as events
    from (select source, event_name, max(events) as most from event_days group by source, event_name) as n
    inner join (select source, min(day) as first_day, max(day) as last_day from daily group by source) as b
        on n.source = b.source
    inner join config.calendar as d on d.day between b.first_day and b.last_day
    left join event_days as x
        on n.source = x.source and n.event_name = x.event_name and d.day = x.day
    where n.most >= 20
),
compared as (
    select
        *,
        median(events) over (
            partition by source, event_name order by day rows between 14 preceding and 1 preceding
        ) as usual,
        count(*) over (
            partition by source, event_name order by day rows between 14 preceding and 1 preceding
        ) as days_before
    from spread
),
vanished as (
    select
        c.source, c.day, 'event_vanished' as check_name, 'broken' as status,
        'event "' || c.event_name || '" came ' || c.events || ' times, usually about '
        || round(c.usual)::bigint || ' a day' as detail
    from compared as c
    inner join lake.days as l on c.source = l.source and c.day = l.day and l.is_complete
    where c.days_before >= 5 and c.usual >= 20 and c.events < 0.1 * c.usual
),
blind as (
    select
        j.journey as source, b.day, 'stage_blind' as check_name, 'broken' as status,
        'stage "' || s.stage || '" saw ' || b.events || ' events, usually about '
        || round(b.usual_events)::bigint || ' a day: not judged on this day' as detail
    from intermediate.stage_days as b
    inner join config.journeys as j on b.journey_number = j.journey_number
    inner join config.stages as s
        on b.journey_number = s.journey_number and b.stage_number = s.stage_number
    where b.is_blind
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
    select * from vanished
    union all
    select * from blind
)
select * from told
