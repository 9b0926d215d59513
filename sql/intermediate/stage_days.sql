-- One row per journey, stage and day: how many of the stage's events arrived, and how many usually do.
with counted as (
    select
        e.journey_number, e.stage_number,
        local_day(e.event_us, s.timezone) as day,
        count(*) as events
    from intermediate.stage_events as e
    cross join config.settings as s
    group by e.journey_number, e.stage_number, local_day(e.event_us, s.timezone)
),
spread as (
    select c.journey_number, c.stage_number, d.day
    from (select distinct journey_number, stage_number from counted) as c
    inner join (
        select s.journey_number, min(l.day) as first_day, max(l.day) as last_day
        from config.journey_sources as s
        inner join lake.days as l on s.source = l.source
        group by s.journey_number
    ) as b on c.journey_number = b.journey_number
    inner join intermediate.horizons as h on c.journey_number = h.journey_number
    cross join config.settings as t
    inner join config.calendar as d
        on d.day between b.first_day and b.last_day
        -- days of which not all sources have landed yet are not missing anything
        and d.day < local_day(h.horizon_us, t.timezone)
),
filled as (
    select p.*, coalesce(c.events, 0) as events
    from spread as p
    left join counted as c
        on p.journey_number = c.journey_number and p.stage_number = c.stage_number and p.day = c.day
),
compared as (
    select
        *,
        median(events) over (
            partition by journey_number, stage_number order by day
            rows between 14 preceding and 1 preceding
        ) as usual_events,
        count(*) over (
            partition by journey_number, stage_number order by day
            rows between 14 preceding and 1 preceding
        ) as days_before
    from filled
)
select
    *,
    -- nearly nothing where there always was plenty: not recorded, rather than not done
    days_before >= 5 and usual_events >= 20 and events < 0.1 * usual_events as is_blind
from compared
