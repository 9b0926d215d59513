-- One row per stage visit: within a session, a run of a user's events in one stage of a journey.
-- journey: name of the journey
-- attempt_id: the attempt open when the visit began, NULL where none was
-- user_key: the person
-- session_id: the session
-- visit_number: counts a user's visits in a journey from 1
-- stage: the stage visited
-- stage_number: its place in the ideal order, from 1
-- entered_at: first event of the visit, UTC
-- left_at: last event of the visit, UTC
-- event_count: events in the visit
-- materialized: view
select
    j.journey,
    key_text(v.attempt_number) as attempt_id,
    key_text(v.user_number) as user_key,
    key_text(v.session_number) as session_id,
    v.visit_number,
    s.stage,
    v.stage_number,
    moment(v.entered_us) as entered_at,
    moment(v.left_us) as left_at,
    v.event_count
from intermediate.attempt_visits as v
inner join config.journeys as j on v.journey_number = j.journey_number
inner join config.stages as s
    on v.journey_number = s.journey_number and v.stage_number = s.stage_number
