-- One row per day on which an attempt opened that comes to its stages at other times.
select distinct entry_date
from intermediate.attempts
where attempt_number in (select attempt_number from changed.attempt_stages)
