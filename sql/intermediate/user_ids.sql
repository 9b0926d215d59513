-- One row per user id that may join devices and tools.
-- Placeholders and ids on implausibly many devices (a kiosk, a shared log-in) name nobody.
with counted as (
    select user_id, count(distinct device_number) as devices
    from staging.events
    where user_id is not null
    group by user_id
),
accepted as (
    select user_id, key_of('user|' || user_id) as user_number
    from counted
    cross join config.settings as s
    where devices <= s.devices_per_user_limit
        and lower(user_id) not in (
            '0', '-1', '1', 'null', 'none', 'nil', 'nan', 'undefined', 'unknown', 'anonymous', 'guest',
            '(not set)', 'not set', 'n/a', 'na', 'test', 'false', 'true', '[object object]',
            '00000000-0000-0000-0000-000000000000'
        )
)
select * from accepted
