-- One row per source, event of a journey's stage and day on which it came: how often twice, how often without money.
-- repeats: events that the same session had sent within the second before, as a reload does. worthless: of the goal's
-- events, those of no or no known money. The tests are those of tracking_skips, over the same six weeks.
with daily as (
    select
        c.source, c.event_name, c.day,
        sum(c.events) as events,
        sum(c.repeats) as repeats,
        sum(case when j.goal_stage_number is not null then c.events else 0 end) as goals,
        sum(case when j.goal_stage_number is not null then c.events - c.worth else 0 end) as worthless
    from intermediate.tracking_stage_counts as c
    left join config.journeys as j
        on c.journey_number = j.journey_number and c.stage_number = j.goal_stage_number
    group by c.source, c.event_name, c.day
),
shared as (
    select
        *,
        repeats / events as repeat_share,
        case when goals > 0 then worthless / goals end as worthless_share
    from daily
),
compared as (
    select
        *,
        median(repeat_share) over before as usual_repeat_share,
        median(worthless_share) over before as usual_worthless_share,
        count(*) over before as days_before
    from shared
    window before as (
        partition by source, event_name order by day rows between 42 preceding and 1 preceding
    )
),
spread as (
    select
        *,
        1.4826 * median(abs(repeat_share - usual_repeat_share)) over before as repeat_sigma,
        1.4826 * median(abs(worthless_share - usual_worthless_share)) over before as worthless_sigma
    from compared
    window before as (
        partition by source, event_name order by day rows between 42 preceding and 1 preceding
    )
)
select
    *,
    events >= 20 and days_before >= 14 and repeat_share >= 2 * usual_repeat_share + 0.1
        and repeat_share >= usual_repeat_share + 6 * coalesce(repeat_sigma, 0)
        and 2 * sqrt(events) * (asin(sqrt(repeat_share)) - asin(sqrt(usual_repeat_share))) > 6
        as is_repeating,
    goals >= 10 and days_before >= 14 and usual_worthless_share <= 0.2
        and worthless_share >= 0.5
        and worthless_share >= usual_worthless_share + 6 * coalesce(worthless_sigma, 0)
        and 2 * sqrt(goals) * (asin(sqrt(worthless_share)) - asin(sqrt(usual_worthless_share))) > 4
        as is_worthless
from spread
