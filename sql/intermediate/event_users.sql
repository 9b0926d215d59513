-- One row per event: the person behind it, NULL where nothing identifies anybody.
-- Own user id first, then the session's, then the device's owner, then the device itself.
select
    e.event_number,
    coalesce(u.user_number, s.user_number, d.user_number, e.device_number) as user_number
from staging.events as e
left join intermediate.user_ids as u on e.user_id = u.user_id
left join intermediate.session_users as s on e.session_number = s.session_number
left join intermediate.device_users as d on e.device_number = d.device_number
