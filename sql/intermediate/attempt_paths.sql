-- One row per attempt: the stages it visited, in order, and when it entered each.
-- Many attempts take the same path; what a path alone tells is in intermediate.paths.
-- renewed by: attempt_number of session_stages, user_attempt_visits
with of_sessions as (
    select journey_number, attempt_number, entered[opening_place : last_place] as entered
    from intermediate.session_stages
    where attempt_number is not null
),
gathered as (
    select
        journey_number, attempt_number,
        list_sort(list(step_of(visit_number, stage_number, entered_us))) as steps
    from intermediate.user_attempt_visits
    where attempt_number is not null
    group by journey_number, attempt_number
)
select
    journey_number, attempt_number,
    stages_of_moments(entered) as stage_numbers,
    times_of_moments(entered) as entered_us
from of_sessions
union all
select
    journey_number, attempt_number,
    stages_of_steps(steps) as stage_numbers,
    times_of_steps(steps) as entered_us
from gathered
