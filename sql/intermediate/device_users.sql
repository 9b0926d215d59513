-- One row per device on which somebody was identified: whose its anonymous events are.
-- Who a vendor's merge says it is, else the first identified user, as in Mixpanel's simplified merge;
-- nobody on a shared device. Merged devices without a user among them are one person all the same: the
-- first identified owner of any of them.
-- renewed by: device_number of staging.events where user_id is not null
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
        min(first_us) as first_us,
        count(*) as users
    from identified
    group by device_number
),
guarded as (
    select device_number, user_number, first_us
    from owned
    cross join config.settings as s
    where users <= s.users_per_device_limit
),
clustered as (
    select id_number as device_number, person_number, has_user
    from intermediate.identity_clusters
    where is_device and not is_too_large
),
cluster_owners as (
    select c.person_number, arg_min(g.user_number, (g.first_us, g.user_number)) as user_number
    from clustered as c
    inner join guarded as g on c.device_number = g.device_number
    where not c.has_user
    group by c.person_number
),
merged as (
    select c.device_number, coalesce(o.user_number, c.person_number) as user_number
    from clustered as c
    left join cluster_owners as o on c.person_number = o.person_number and not c.has_user
),
together as (
    select device_number, user_number from merged
    union all
    select g.device_number, g.user_number
    from guarded as g
    left join merged as m on g.device_number = m.device_number
    where m.device_number is null
)
select * from together
