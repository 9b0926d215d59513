-- One row per vendor session in which somebody was identified: the first of them.
-- It keeps the anonymous steps before a log-in with the person who then logs in.
-- renewed by: session_number of staging.events where user_id is not null
select
    e.session_number,
    arg_min(u.user_number, (e.event_us, e.event_seq, u.user_number)) as user_number
from staging.events as e
inner join intermediate.user_ids as u on e.user_id = u.user_id
where e.session_number is not null
group by e.session_number
