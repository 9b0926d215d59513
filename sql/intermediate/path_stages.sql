-- One row per journey, persona, path and required stage of the persona on it: where the path first comes to the
-- stage, where it next comes to the required stage after it, and what it does in between and afterwards.
-- first_place, advanced_place: places in the path, from 1; advanced_place is NULL where it never came so far
-- has_looped: it left the stage for another and came back. has_backtracked: it went on to an earlier stage
-- has_skipped: it went on to a required stage beyond the next one, and was at the next one neither before nor after
-- has_missed: it was never at the required stage before this one
-- grows: first_place of paths
with personas as (
    select
        journey_number, persona,
        row_number() over (order by journey_number, persona) as persona_number
    from (select distinct journey_number, persona from config.persona_stages) as p
),
required as (
    -- by number: where memory runs out, DuckDB 2.0.0 may stop at texts that go through several joins
    select q.persona_number, s.stage_number, s.next_stage_number
    from config.persona_stages as s
    inner join personas as q on s.journey_number = q.journey_number and s.persona = q.persona
),
spread as (
    select
        p.path_number, q.persona_number,
        unnest(p.stage_numbers) as stage_number,
        unnest(range(1, len(p.stage_numbers) + 1)) as place
    from intermediate.paths as p
    inner join personas as q on p.journey_number = q.journey_number
),
placed as (
    select
        v.*,
        s.stage_number as required_number,
        s.next_stage_number,
        lag(v.stage_number) over (
            partition by v.path_number, v.persona_number order by v.place
        ) as previous_stage_number
    from spread as v
    left join required as s on v.persona_number = s.persona_number and v.stage_number = s.stage_number
),
looking_ahead as (
    select
        *,
        row_number() over (partition by path_number, persona_number, stage_number order by place) as visit,
        min(stage_number) over later as lowest_after,
        max(required_number) over later as furthest_after
    from placed
    window later as (
        partition by path_number, persona_number order by place
        rows between 1 following and unbounded following
    )
),
stayed as (
    -- a run that a new session cut in two is one stay: it was not left in between
    select
        path_number, persona_number, stage_number,
        sum(case when previous_stage_number = stage_number then 0 else 1 end) as stays
    from placed
    group by path_number, persona_number, stage_number
),
firsts as (
    select * from looking_ahead where visit = 1 and required_number is not null
),
advances as (
    select f.path_number, f.persona_number, f.stage_number, min(l.place) as advanced_place
    from firsts as f
    inner join placed as l
        on f.path_number = l.path_number and f.persona_number = l.persona_number
        and f.next_stage_number = l.stage_number and l.place > f.place
    group by f.path_number, f.persona_number, f.stage_number
)
select
    q.journey_number, f.path_number, q.persona, f.stage_number, f.next_stage_number,
    f.place as first_place,
    -- who is at the goal is through
    case when f.next_stage_number is null then f.place else a.advanced_place end as advanced_place,
    s.stays > 1 as has_looped,
    coalesce(f.lowest_after < f.stage_number, false) as has_backtracked,
    coalesce(f.furthest_after > f.next_stage_number, false) and n.stage_number is null as has_skipped,
    b.stage_number is not null and m.stage_number is null as has_missed
from firsts as f
inner join personas as q on f.persona_number = q.persona_number
inner join stayed as s
    on f.path_number = s.path_number and f.persona_number = s.persona_number
    and f.stage_number = s.stage_number
left join stayed as n
    on f.path_number = n.path_number and f.persona_number = n.persona_number
    and f.next_stage_number = n.stage_number
left join required as b on f.persona_number = b.persona_number and f.stage_number = b.next_stage_number
left join stayed as m
    on f.path_number = m.path_number and f.persona_number = m.persona_number
    and b.stage_number = m.stage_number
left join advances as a
    on f.path_number = a.path_number and f.persona_number = a.persona_number
    and f.stage_number = a.stage_number
