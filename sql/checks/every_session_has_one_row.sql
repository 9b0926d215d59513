-- Sessions are counted by analysts; a session in two rows would be two visits, one without a first event none.
-- renewed by: session_number of session_spans, session_edges
select s.session_number, count(*) as copies, count(d.first_event_number) as first_events
from intermediate.session_spans as s
left join intermediate.session_edges as d on s.session_number = d.session_number
group by s.session_number
having count(*) > 1 or count(d.first_event_number) <> 1
