-- One row per attempt of a person of whom some event changed, and per attempt whose session has another beginning.
select attempt_number
from intermediate.attempt_openings
where user_number in (
    select user_number from changed.keyed_events
    union
    select user_number from changed.session_stage_events
)
union
select attempt_number
from intermediate.attempt_openings
where session_number in (select session_number from changed.session_edges)
