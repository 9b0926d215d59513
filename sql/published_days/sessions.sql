-- One row per UTC day of marts.sessions: how many rows it has, and a digest of them.
with rounded as (
    -- a sum of money has other last digits when it is added up in another order
    select * replace (round(value, 6) as value) from marts.sessions
)
select
    epoch_us(m.started_at) // 86400000000 as day_number,
    count(*) as row_count,
    sum(hash(m))::varchar as digest
from rounded as m
group by epoch_us(m.started_at) // 86400000000
