-- One row per attempt: required stages below the furthest that it never visited.
with below as (
    select a.attempt_number, count(*) as required
    from intermediate.attempts as a
    inner join config.persona_stages as s
        on a.journey_number = s.journey_number and a.persona = s.persona
        and s.stage_number < a.furthest_stage_number
    group by a.attempt_number
),
visited as (
    select r.attempt_number, count(*) as reached
    from intermediate.attempt_stages as r
    inner join intermediate.attempts as a on r.attempt_number = a.attempt_number
    where r.stage_number < a.furthest_stage_number
    group by r.attempt_number
)
select
    a.attempt_number,
    coalesce(b.required, 0) - coalesce(v.reached, 0) as skips
from intermediate.attempts as a
left join below as b on a.attempt_number = b.attempt_number
left join visited as v on a.attempt_number = v.attempt_number
