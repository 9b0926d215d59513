-- One row per journey, persona, path and required stage of the persona on it: where the path first comes to the
-- stage, where it next comes to the required stage after it, and what it does in between and afterwards.
-- first_place, advanced_place: places in the path, from 1; advanced_place is NULL where it never came so far
-- has_looped: it left the stage for another and came back. has_backtracked: it went on to an earlier stage
-- has_skipped: it went on to a required stage beyond the next one, and was at the next one neither before nor after
-- has_missed: it was never at the required stage before this one
-- grows: first_place of paths
with personas as (
    select journey_number, persona, list(stage_number) as required_numbers
    from config.persona_stages
    group by journey_number, persona
),
required as (
    select
        s.journey_number, s.persona, s.stage_number, s.next_stage_number, p.required_numbers,
        b.stage_number as stage_number_before
    from config.persona_stages as s
    inner join personas as p on s.journey_number = p.journey_number and s.persona = p.persona
    left join config.persona_stages as b
        on s.journey_number = b.journey_number and s.persona = b.persona
        and s.stage_number = b.next_stage_number
),
placed as (
    select
        r.*, p.path_number, p.stage_numbers,
        place_in(p.stage_numbers, r.stage_number) as first_place
    from intermediate.paths as p
    inner join required as r on p.journey_number = r.journey_number
),
looking_ahead as (
    select *, items_after(stage_numbers, first_place) as later_numbers
    from placed
    where first_place is not null
)
select
    journey_number, path_number, persona, stage_number, next_stage_number, first_place,
    -- who is at the goal is through
    case when next_stage_number is null then first_place
        else place_from(stage_numbers, first_place + 1, next_stage_number) end as advanced_place,
    -- a run that a new session cut in two is one stay: it was not left in between
    runs_of(stage_numbers, stage_number) > 1 as has_looped,
    coalesce(lowest_of(later_numbers) < stage_number, false) as has_backtracked,
    coalesce(highest_among(later_numbers, required_numbers) > next_stage_number, false)
    and place_in(stage_numbers, next_stage_number) is null as has_skipped,
    stage_number_before is not null and place_in(stage_numbers, stage_number_before) is null as has_missed
from looking_ahead
