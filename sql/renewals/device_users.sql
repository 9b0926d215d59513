-- One row per device that events or user ids say something new of, and per device that a vendor merged with one.
with touched as (
    select device_number from changed.staged_events
    union
    select device_number from staging.events where user_id in (select user_id from changed.user_ids)
)
select device_number from touched
union
select o.id_number as device_number
from touched as t
inner join intermediate.identity_clusters as c on t.device_number = c.id_number and c.is_device
inner join intermediate.identity_clusters as o on c.person_number = o.person_number and o.is_device
