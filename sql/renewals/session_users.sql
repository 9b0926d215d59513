-- One row per vendor session of a user id that may mean another person now.
select distinct session_number
from staging.events
where session_number is not null and user_id in (select user_id from changed.user_ids)
