-- One row per staged event behind which there may be another person now: what is asked of it.
select
    event_number, source, event_us, copies, value, currency, user_id, session_number, device_number
from staging.events
where user_id in (select user_id from changed.user_ids)
    or session_number in (select session_number from changed.session_users)
    or device_number in (select device_number from changed.device_users)
