-- One row per session of a person of whom some event changed.
select session_number
from intermediate.session_moments
where user_number in (select user_number from changed.keyed_events)
