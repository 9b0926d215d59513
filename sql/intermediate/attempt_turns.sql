-- One row per attempt and required stage that it reached before the goal: what it did after first reaching it.
-- looped: it left the stage for another and came back. backtracked: it went on to an earlier stage.
-- skipped: it went on to a required stage beyond the next one, and was at the next one neither before nor after.
with placed as (
    select
        v.attempt_number, v.visit_number, v.stage_number,
        s.stage_number as required_number,
        s.next_stage_number,
        lag(v.stage_number) over (partition by v.attempt_number order by v.visit_number)
            as previous_stage_number
    from intermediate.attempt_visits as v
    inner join intermediate.attempts as a on v.attempt_number = a.attempt_number
    left join config.persona_stages as s
        on a.journey_number = s.journey_number and a.persona = s.persona
        and v.stage_number = s.stage_number
),
looking_ahead as (
    select
        *,
        row_number() over (partition by attempt_number, stage_number order by visit_number) as place,
        min(stage_number) over (
            partition by attempt_number order by visit_number
            rows between 1 following and unbounded following
        ) as lowest_after,
        max(required_number) over (
            partition by attempt_number order by visit_number
            rows between 1 following and unbounded following
        ) as furthest_after
    from placed
),
entered as (
    -- a run that a new session cut in two is one stay: it was not left in between
    select
        attempt_number, stage_number,
        sum(case when previous_stage_number = stage_number then 0 else 1 end) as stays
    from placed
    group by attempt_number, stage_number
),
turned as (
    select
        f.attempt_number, f.stage_number,
        e.stays > 1 as looped,
        coalesce(f.lowest_after < f.stage_number, false) as backtracked,
        coalesce(f.furthest_after > f.next_stage_number, false) and n.stage_number is null as skipped
    from looking_ahead as f
    inner join entered as e
        on f.attempt_number = e.attempt_number and f.stage_number = e.stage_number
    left join entered as n
        on f.attempt_number = n.attempt_number and f.next_stage_number = n.stage_number
    where f.place = 1 and f.next_stage_number is not null
)
select * from turned
