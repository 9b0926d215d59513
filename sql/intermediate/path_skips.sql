-- One row per journey, persona and path: required stages below its furthest that it never came to.
-- grows: skips of paths
with personas as (
    select distinct journey_number, persona from config.persona_stages
),
below as (
    select p.journey_number, p.path_number, q.persona, count(s.stage_number) as required
    from intermediate.paths as p
    inner join personas as q on p.journey_number = q.journey_number
    left join config.persona_stages as s
        on q.journey_number = s.journey_number and q.persona = s.persona
        and s.stage_number < p.furthest_stage_number
    group by p.journey_number, p.path_number, q.persona
),
visited as (
    select r.journey_number, r.path_number, r.persona, count(*) as reached
    from intermediate.path_stages as r
    inner join intermediate.paths as p
        on r.journey_number = p.journey_number and r.path_number = p.path_number
    where r.stage_number < p.furthest_stage_number
    group by r.journey_number, r.path_number, r.persona
)
select b.journey_number, b.path_number, b.persona, b.required - coalesce(v.reached, 0) as skips
from below as b
left join visited as v
    on b.journey_number = v.journey_number and b.path_number = v.path_number and b.persona = v.persona
