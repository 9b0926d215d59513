-- One row per staged event that came, went or changed, or behind which there may be another person now.
select event_number, event_us from changed.staged_events
union
select e.event_number, e.event_us
from staging.events as e
inner join (select distinct user_id from changed.user_ids) as u on e.user_id = u.user_id
union
select e.event_number, e.event_us
from staging.events as e
inner join (select distinct session_number from changed.session_users) as s on e.session_number = s.session_number
union
select e.event_number, e.event_us
from staging.events as e
inner join (select distinct device_number from changed.device_users) as d on e.device_number = d.device_number
