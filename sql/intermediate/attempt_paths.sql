-- One row per attempt: the stages it visited, in order, and when it entered each.
-- Many attempts take the same path; what a path alone tells is in intermediate.paths.
with gathered as (
    select
        journey_number, attempt_number,
        list_sort(list(step_of(visit_number, stage_number, entered_us))) as steps
    from intermediate.attempt_visits
    where attempt_number is not null
    group by journey_number, attempt_number
)
select
    journey_number, attempt_number,
    stages_of_steps(steps) as stage_numbers,
    times_of_steps(steps) as entered_us
from gathered
