-- An event counted twice would count its visitor's step, and its money, twice.
select event_id, count(*) as copies
from intermediate.events
group by event_id
having count(*) > 1
