-- One row per attempt whose first event says something else of the visitor, or belongs to another visit.
select attempt_number from changed.opening_events
union
-- what a journey asks of the first event besides device and traffic is read from the event itself
select attempt_number
from intermediate.opening_events
where event_number in (
    select event_number from changed.staged_events
    union
    select event_number from changed.event_money
    union
    select event_number from changed.keyed_events
)
union
select attempt_number
from intermediate.attempt_openings
where session_number in (
    select session_number from changed.session_edges
    union
    select session_number from changed.session_days
)
