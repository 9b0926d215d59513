-- A conversion is a visit to the goal, within the attempt's window.
-- renewed by: attempt_number of attempts
select a.attempt_number, a.outcome, a.furthest_stage_number
from intermediate.attempts as a
inner join config.journeys as j on a.journey_number = j.journey_number
where (a.outcome = 'converted') <> (a.converted_us is not null)
    or (a.outcome = 'converted' and a.furthest_stage_number < j.goal_stage_number)
    or a.converted_us > a.closes_us
