-- One row per person of whose events, or of the origin of whose visits, something else is told.
select user_number
from intermediate.keyed_events
where event_number in (
    select event_number from changed.staged_events
    union
    select event_number from changed.event_money
)
union
select user_number
from intermediate.session_moments
where session_number in (select session_number from changed.session_edges)
