-- One row per user id that may join devices and tools, with the person it means.
-- Placeholders and ids on implausibly many devices (a kiosk, a shared log-in) name nobody.
with counted as (
    select user_id, count(distinct device_number) as devices
    from staging.events
    where user_id is not null
    group by user_id
),
accepted as (
    select c.user_id, key_of('user|' || c.user_id) as own_number
    from counted as c
    cross join config.settings as s
    left join config.placeholder_ids as p on lower(c.user_id) = p.id
    where c.devices <= s.devices_per_user_limit and p.id is null
),
merged as (
    select a.user_id, coalesce(c.person_number, a.own_number) as user_number
    from accepted as a
    left join intermediate.identity_clusters as c on a.own_number = c.id_number and not c.is_too_large
)
select * from merged
