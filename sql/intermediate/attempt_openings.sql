-- One row per attempt: the visit that opened it, and how it ended.
-- materialized: view
select
    journey_number, attempt_number, user_number, session_number, source_number,
    moment_class(entered[opening_place]) as stage_number,
    moment_us(entered[opening_place]) as entered_us,
    moment_seq(entered[opening_place]) as entered_seq,
    closes_us, converts, converted_us, goal_session_ended_us
from intermediate.session_stages
where attempt_number is not null
union all
select
    journey_number, attempt_number, user_number, session_number, source_number,
    stage_number, entered_us, entered_seq, closes_us, converts, converted_us, goal_session_ended_us
from intermediate.user_attempts
