-- An event counted twice would count its visitor's step, and its money, twice.
-- renewed by: event_number of keyed_events
select event_number, count(*) as copies
from intermediate.keyed_events
group by event_number
having count(*) > 1
