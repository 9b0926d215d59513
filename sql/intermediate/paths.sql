-- One row per journey and path that some attempt took: the stages visited, in order.
-- grows: path of attempt_paths
with taken as (
    select distinct journey_number, stage_numbers from intermediate.attempt_paths
),
keyed as (
    select
        journey_number, stage_numbers,
        key_of(concat_ws('|', journey_number, array_to_string(stage_numbers, ','))) as path_number
    from taken
),
spread as (
    select journey_number, path_number, unnest(stage_numbers) as stage_number,
        unnest(range(1, len(stage_numbers) + 1)) as place
    from keyed
),
furthest as (
    select
        *,
        max(stage_number) over (
            partition by journey_number, path_number order by place
            rows between unbounded preceding and 1 preceding
        ) as furthest_before
    from spread
),
summed as (
    select
        f.journey_number, f.path_number,
        max(f.stage_number) as furthest_stage_number,
        count(*) as visits,
        count(*) - count(distinct f.stage_number) as loops,
        count(*) filter (where f.stage_number < f.furthest_before) as backtracks,
        string_agg(s.stage, '>' order by f.place) as path
    from furthest as f
    inner join config.stages as s
        on f.journey_number = s.journey_number and f.stage_number = s.stage_number
    group by f.journey_number, f.path_number
)
select s.*, k.stage_numbers
from summed as s
inner join keyed as k on s.journey_number = k.journey_number and s.path_number = k.path_number
