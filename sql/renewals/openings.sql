-- One row per person of whom some session begins or ends at another time.
select distinct user_number
from intermediate.stage_visits
where session_number in (select session_number from changed.session_spans)
