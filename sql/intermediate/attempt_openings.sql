-- One row per attempt: the visit that opened it, and how it ended.
-- free_us: after a conversion the next attempt needs a session that starts after this moment, else a visit after it
-- materialized: view
select
    journey_number, attempt_number, user_number, session_number, source_number,
    moment_class(entered[opening_place]) as stage_number,
    moment_us(entered[opening_place]) as entered_us,
    moment_seq(entered[opening_place]) as entered_seq,
    session_started_us, closes_us, converts, converted_us, goal_session_ended_us,
    case when converts then goal_session_ended_us else closes_us end as free_us
from intermediate.session_stages
where attempt_number is not null
union all
select
    journey_number, attempt_number, user_number, session_number, source_number,
    stage_number, entered_us, entered_seq,
    session_started_us, closes_us, converts, converted_us, goal_session_ended_us, free_us
from intermediate.user_attempts
