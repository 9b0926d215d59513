-- One row per user id that a vendor merges otherwise now.
select user_id
from intermediate.named_users
where own_number in (select id_number from changed.identity_clusters)
