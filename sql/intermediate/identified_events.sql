-- One row per staged event, with the person behind it: NULL where nothing identifies anybody.
-- Own user id first, then the session's, then the device's owner, then the device itself.
-- found_by: which of them it was: user, session, owner, device, or nobody
-- materialized: view
select
    e.*,
    coalesce(u.user_number, s.user_number, d.user_number, e.device_number) as user_number,
    case
        when u.user_number is not null then 'user'
        when s.user_number is not null then 'session'
        when d.user_number is not null then 'owner'
        when e.device_number is not null then 'device'
        else 'nobody'
    end as found_by
from staging.events as e
left join intermediate.user_ids as u on e.user_id = u.user_id
left join intermediate.session_users as s on e.session_number = s.session_number
left join intermediate.device_users as d on e.device_number = d.device_number
