-- One row per staged event behind which there may be another person now.
with touched as (
    select e.event_number, e.user_id, e.session_number, e.device_number
    from staging.events as e
    inner join (select distinct user_id from changed.user_ids) as u on e.user_id = u.user_id
    union
    select e.event_number, e.user_id, e.session_number, e.device_number
    from staging.events as e
    inner join (select distinct session_number from changed.session_users) as s
        on e.session_number = s.session_number
    union
    select e.event_number, e.user_id, e.session_number, e.device_number
    from staging.events as e
    inner join (select distinct device_number from changed.device_users) as d
        on e.device_number = d.device_number
)
select * from touched
