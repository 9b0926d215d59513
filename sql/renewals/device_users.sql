-- One row per device of which events, user ids or merges say something new, and per device merged with one.
with touched as (
    select device_number from changed.staged_events where user_id is not null
    union
    select device_number from staging.events where user_id in (select user_id from changed.user_ids)
    union
    -- whoever is merged with others, or not any more, is one of a cluster of another size
    select id_number as device_number from changed.identity_clusters where is_device
)
select device_number from touched
union
select o.id_number as device_number
from touched as t
inner join intermediate.identity_clusters as c on t.device_number = c.id_number and c.is_device
inner join intermediate.identity_clusters as o on c.person_number = o.person_number and o.is_device
