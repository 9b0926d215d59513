-- One row per journey and day on which its goal was not recorded: whether another source saw orders that day.
-- verdict: 'seen' (another source still has half of its usual), 'confirmed' (another, of 20 a day, lost them too:
-- orders really stopped), 'unconfirmed' (nobody can say).
with gone as (
    select distinct g.journey_number, g.stage_number, g.source, g.day, g.started_on
    from intermediate.tracking_gaps as g
    inner join config.journeys as j
        on g.journey_number = j.journey_number and g.stage_number = j.goal_stage_number
    where g.signal = 'stage' and g.segment_column is null
),
revenue as (
    select source, day, sum(orders) as orders
    from intermediate.tracking_event_counts
    where orders > 0
    group by source, day
),
goals as (
    select c.journey_number, c.source, c.day, sum(c.events) as orders
    from intermediate.tracking_stage_counts as c
    inner join config.journeys as j
        on c.journey_number = j.journey_number and c.stage_number = j.goal_stage_number
    group by c.journey_number, c.source, c.day
),
orders as (
    -- what the other source counts as this goal, else its orders
    select j.journey_number, r.source, r.day, coalesce(g.orders, r.orders) as orders
    from config.journeys as j
    cross join revenue as r
    left join goals as g
        on j.journey_number = g.journey_number and r.source = g.source and r.day = g.day
    union all
    select g.journey_number, g.source, g.day, g.orders
    from goals as g
    left join revenue as r on g.source = r.source and g.day = r.day
    where r.day is null
),
others as (
    select
        g.journey_number, g.stage_number, g.source, g.day, o.source as other,
        sum(case when o.day = g.day then o.orders else 0 end) as orders,
        sum(case when o.day < g.started_on then o.orders else 0 end) / 28.0 as usual_orders
    from gone as g
    inner join orders as o
        on g.journey_number = o.journey_number and g.source <> o.source
        and (o.day = g.day or (o.day < g.started_on and o.day >= g.started_on - 28))
    group by g.journey_number, g.stage_number, g.source, g.day, o.source
),
judged as (
    select
        journey_number, stage_number, source, day,
        max(case when orders >= 3 and orders >= 0.5 * usual_orders then other end) as seen_by,
        max(case when usual_orders >= 20 and orders < 0.1 * usual_orders then other end)
            as confirmed_by
    from others
    group by journey_number, stage_number, source, day
)
select
    g.journey_number, g.stage_number, g.source, g.day,
    case
        when j.seen_by is not null then 'seen'
        when j.confirmed_by is not null then 'confirmed'
        else 'unconfirmed'
    end as verdict,
    coalesce(j.seen_by, j.confirmed_by) as other_source
from gone as g
left join judged as j
    on g.journey_number = j.journey_number and g.stage_number = j.stage_number
    and g.source = j.source and g.day = j.day
