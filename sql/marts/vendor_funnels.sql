-- One row per journey and stage whose funnel a vendor's own report gives beside ours. Empty without a property_id.
-- source: name of the source in painpoints.toml
-- journey: name of the journey
-- first_day: first day of the source that both count
-- last_day: last of them
-- stage_number: place of the stage among the required stages of the vendor's funnel, from 1
-- stage: stage
-- our_users: people whose events reach the stages up to here in order, within these days
-- vendor_users: active users the vendor reports for the step
-- difference: ours less the vendor's
-- reason: why they may differ
with recursive asked as (
    select
        v.source, j.journey_number, v.journey, v.first_day, v.last_day, v.step_number, v.stage,
        v.vendor_users, v.is_sampled, s.stage_number, z.timezone
    from lake.vendor_funnels as v
    inner join config.journeys as j on v.journey = j.journey
    inner join config.stages as s on j.journey_number = s.journey_number and v.stage = s.stage
    inner join config.sources as z on v.source = z.source
),
visits as (
    select
        a.source, a.journey_number, a.step_number, e.user_number, e.event_us
    from asked as a
    inner join intermediate.stage_events as e
        on a.journey_number = e.journey_number and a.stage_number = e.stage_number
        and a.source = e.source
        and local_day(e.event_us, a.timezone) between a.first_day and a.last_day
),
reached as (
    select source, journey_number, step_number, user_number, min(event_us) as reached_us
    from visits
    where step_number = 1
    group by source, journey_number, step_number, user_number
    union all
    select v.source, v.journey_number, v.step_number, v.user_number, min(v.event_us) as reached_us
    from reached as r
    inner join visits as v
        on r.source = v.source and r.journey_number = v.journey_number
        and r.user_number = v.user_number and v.step_number = r.step_number + 1
        and v.event_us >= r.reached_us
    group by v.source, v.journey_number, v.step_number, v.user_number
),
counted as (
    select source, journey_number, step_number, count(*) as our_users
    from reached
    group by source, journey_number, step_number
),
landed as (
    select a.source, a.journey_number, count(distinct l.day) as days
    from asked as a
    inner join lake.days as l on a.source = l.source and l.day between a.first_day and a.last_day
    group by a.source, a.journey_number
),
compared as (
    select
        a.source,
        a.journey,
        a.first_day,
        a.last_day,
        a.step_number as stage_number,
        a.stage,
        coalesce(c.our_users, 0) as our_users,
        a.vendor_users,
        coalesce(c.our_users, 0) - a.vendor_users as difference,
        case
            when coalesce(c.our_users, 0) = a.vendor_users then 'equal'
            when coalesce(l.days, 0) < date_diff('day', a.first_day, a.last_day) + 1
                then 'only ' || coalesce(l.days, 0) || ' of ' || (date_diff('day', a.first_day, a.last_day) + 1)
                    || ' days have landed'
            when a.is_sampled then 'sampled'
            when coalesce(c.our_users, 0) > a.vendor_users
                then 'the vendor leaves out users without engagement, and small groups'
            else 'the vendor counts users by its own reporting identity, modelled ones included'
        end as reason
    from asked as a
    left join counted as c
        on a.source = c.source and a.journey_number = c.journey_number
        and a.step_number = c.step_number
    left join landed as l on a.source = l.source and a.journey_number = l.journey_number
)
select * from compared
