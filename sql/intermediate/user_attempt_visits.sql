-- One row per stage visit of a journey by user, with the attempt that was open when it was entered (NULL where none was).
-- renewed by: user_number of stage_visits, user_attempts
with placed as (
    select
        v.* exclude (attempt_number),
        max(o.visit_number) over (
            partition by v.journey_number, v.user_number
            order by v.visit_number rows between unbounded preceding and current row
        ) as opening_visit_number
    from intermediate.stage_visits as v
    inner join config.journeys as j on v.journey_number = j.journey_number
    left join intermediate.user_attempts as o
        on v.journey_number = o.journey_number and v.user_number = o.user_number
        and v.visit_number = o.visit_number
    where not j.scope_is_session
),
owned as (
    select
        p.journey_number, p.user_number, p.session_number, p.visit_number, p.stage_number,
        p.entered_us, p.left_us, p.event_count,
        o.attempt_number
    from placed as p
    left join intermediate.user_attempts as o
        on p.journey_number = o.journey_number and p.user_number = o.user_number
        and p.opening_visit_number = o.visit_number
        and case when o.converts then p.visit_number <= o.goal_visit_number
            else p.entered_us <= o.closes_us end
)
select * from owned
