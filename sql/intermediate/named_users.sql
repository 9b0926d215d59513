-- One row per user id that was seen with an event, with its own number.
-- is_accepted: false for placeholders and for ids on implausibly many devices (a kiosk, a shared log-in), which name nobody
-- renewed by: user_id of staging.events where user_id is not null
with counted as (
    select user_id, count(distinct device_number) as devices
    from staging.events
    where user_id is not null
    group by user_id
)
select
    c.user_id,
    key_of('user|' || c.user_id) as own_number,
    c.devices,
    c.devices <= s.devices_per_user_limit and real_id(c.user_id) is not null as is_accepted
from counted as c
cross join config.settings as s
