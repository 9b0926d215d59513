-- One row per user id that may join devices and tools, with the person it means.
-- renewed by: user_id of named_users
select n.user_id, coalesce(c.person_number, n.own_number) as user_number
from intermediate.named_users as n
left join intermediate.identity_clusters as c on n.own_number = c.id_number and not c.is_too_large
where n.is_accepted
