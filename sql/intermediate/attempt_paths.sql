-- One row per attempt: its path and what the path shows.
with furthest as (
    select
        *,
        max(stage_number) over (
            partition by attempt_number order by visit_number
            rows between unbounded preceding and 1 preceding
        ) as furthest_before
    from intermediate.attempt_visits
    where attempt_number is not null
),
summed as (
    select
        f.journey_number,
        f.attempt_number,
        max(f.stage_number) as furthest_stage_number,
        count(*) as visits,
        count(*) - count(distinct f.stage_number) as loops,
        count(*) filter (where f.stage_number < f.furthest_before) as backtracks,
        string_agg(s.stage, '>' order by f.visit_number) as path,
        string_agg(f.stage_number::varchar, ',' order by f.visit_number) as stage_numbers
    from furthest as f
    inner join config.stages as s
        on f.journey_number = s.journey_number and f.stage_number = s.stage_number
    group by f.journey_number, f.attempt_number
)
select * from summed
