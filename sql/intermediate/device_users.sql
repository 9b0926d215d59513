-- One row per device on which somebody was identified: whose its anonymous events are.
-- The first identified user owns them, as in Mixpanel's simplified merge; nobody does on a shared device.
with identified as (
    select e.device_number, u.user_number, min(e.event_us) as first_us
    from staging.events as e
    inner join intermediate.user_ids as u on e.user_id = u.user_id
    where e.device_number is not null
    group by e.device_number, u.user_number
),
owned as (
    select
        device_number,
        arg_min(user_number, (first_us, user_number)) as user_number,
        count(*) as users
    from identified
    group by device_number
),
guarded as (
    select device_number, user_number
    from owned
    cross join config.settings as s
    where users <= s.users_per_device_limit
)
select * from guarded
