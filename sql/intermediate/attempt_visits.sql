-- One row per stage visit, with the attempt that was open when it was entered (NULL where none was).
-- materialized: view
select
    v.journey_number, v.user_number, v.session_number, v.visit_number, v.stage_number,
    v.entered_us, v.left_us, v.event_count, v.attempt_number
from intermediate.stage_visits as v
inner join config.journeys as j on v.journey_number = j.journey_number
where j.scope_is_session
union all
select
    journey_number, user_number, session_number, visit_number, stage_number,
    entered_us, left_us, event_count, attempt_number
from intermediate.user_attempt_visits
