-- One row per UTC day of marts.attempts: how many rows it has, and a digest of them.
with rounded as (
    -- a sum of money has other last digits when it is added up in another order
    select * replace (round(value, 6) as value) from marts.attempts
)
select
    epoch_us(m.entered_at) // 86400000000 as day_number,
    count(*) as row_count,
    sum(hash(m))::varchar as digest
from rounded as m
group by epoch_us(m.entered_at) // 86400000000
